#pragma once
// What a script made of an exported folder (export.hpp), as an implementation: a call is looked up by the content of
// its inputs and answered with the script's arrays. So every check whose inputs do not depend on outputs runs on it as
// on any kernel.

#include <filesystem>

#include "verify/run/outcome.hpp"
#include "verify/run/plan.hpp"

namespace normlab::verify {

inline constexpr std::string_view accept_nan_flag = "--accept-nan-at-zero-variance";

struct JudgeOptions {
    std::filesystem::path folder;
    std::filesystem::path outputs = {};  ///< where the script wrote OUTPUTS/CALL/*.npy; empty: beside the inputs
    Accumulation accumulation = Accumulation::sequential;
    std::string name = "script";  ///< as in the case strings of the folder
    bool accept_nan = false;      ///< what is not finite where x_hat is 0 / 0 counts as the 0 that normlab gives there
};

class Script : public Implementation {
public:
    /// The cases that were exported, those of the selection; its implementations do not matter.
    virtual std::vector<Case> cases(const Selection& selection) const = 0;

    /// What the script was not asked for is no finding; a failing one names the calls that it is of. A case for which
    /// nothing was filled in is skipped; one for which a part was has a failed finding for each quantity that is not
    /// there.
    virtual void complete(Outcome& outcome) const = 0;

    /// What is not judged, a line each.
    virtual std::vector<std::string> left_out() const = 0;
};

/// Reads the folder and registers the script. Throws io::InputError where the folder or its inputs are not what
/// export_cases wrote, or the script wrote nothing at all. An output that is missing, or of another dtype or shape,
/// fails the cases of its call, with a message that names the file; optional outputs are needed of all calls of a
/// variant where some call of it has them.
const Script& add_script(const JudgeOptions& options);

}  // namespace normlab::verify
