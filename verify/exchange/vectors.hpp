#pragma once
// Outside test vectors: cases with numbers that another program computed (../shared/vectors/README.md describes their
// form; verify/README.md how they are judged).

#include <filesystem>
#include <functional>

#include "verify/run/outcome.hpp"
#include "verify/run/plan.hpp"

namespace normlab::verify {

/// An implementation that is one runs vectors itself, as a plug-in in another process does.
class VectorRunner {
public:
    virtual ~VectorRunner() = default;

    /// The vector FOLDER/NAME on this implementation, as run_vectors does it.
    virtual std::vector<Outcome> run_vector(const std::filesystem::path& folder, const std::string& name,
                                            Selection selection) const = 0;
};

/// Runs the vectors in the folders of `folder`, those named in `only` if any are, in order of their names: each against
/// truth (implementation "truth"), then on every selected implementation and layout; `selection.variants` and `dtypes`
/// choose among the vectors. An op that normlab does not have is an Outcome with `skipped`; whatever else keeps a
/// vector from being judged is a FAIL that says why. Throws Error or io::InputError where the folder is none or holds
/// no vector, for names that are unknown, and where the selection leaves nothing. A signal (system/interrupt.hpp) ends
/// it after the vector at hand, as `stop` does, which is asked after each vector, where it says yes; `progress` has
/// then been told how many were run.
std::vector<Outcome> run_vectors(const std::filesystem::path& folder, const std::vector<std::string>& only,
                                 const Selection& selection,
                                 const std::function<void(std::size_t, std::size_t)>& progress,
                                 const std::function<bool(const std::vector<Outcome>&)>& stop = {});

/// A row an op and implementation; what ours is where the outside gives no finite number or refuses the call; the ops
/// that were skipped.
std::string vectors_text(const std::vector<Outcome>& outcomes);

}  // namespace normlab::verify
