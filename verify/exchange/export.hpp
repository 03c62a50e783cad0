#pragma once
// Cases as folders of arrays, for kernels without any ABI: `normlab export` writes the inputs of every call that the
// checks make, a script in any language fills in the outputs, `verify --judge` (judge.hpp) runs the same checks on what
// it filled in.
//
//   DIR/normlab.json       the cases, and the calls that each makes
//   DIR/CALL/case.json     in the form of vector_file.hpp, with "outputs" and "optional_outputs" that are to be written
//   DIR/CALL/*.npy

#include <filesystem>
#include <functional>

#include "verify/exchange/fixed_settings.hpp"
#include "verify/run/plan.hpp"

namespace normlab::verify {

/// What a script's implementation is called in case strings.
inline constexpr std::string_view script_name = "script";

/// The cases of a tier that make few calls of a kernel, as a script would be called: layer and rms norm with a gamma an
/// element ([N, C * S, 1]), rms and weight norm without beta. Checks that are named in the selection may make many
/// calls. Without dtypes f64 and f32 are taken. `left_out` says what cannot be exported, a line each. Throws Error
/// where nothing is left.
std::vector<Case> plan_export(Selection selection, Tier tier, std::vector<std::string>& left_out,
                              const FixedSettings& fixed = {});

/// As plan_export does it; a case that a script could not be asked for is returned as it is.
Case as_a_script(Case c);

struct Exported {
    std::size_t cases = 0, calls = 0, files = 0;
    std::uintmax_t bytes = 0;
};

/// Writes the folder, all of it or nothing. A case that calls another variant than the cases are of is left out: no
/// script could be asked for it alone, and one that calls with other settings than the fixed ones. Throws
/// io::InputError where it exists and is not empty, or cannot be written; Error where no case is left.
Exported export_cases(const std::filesystem::path& folder, const std::vector<Case>& cases,
                      std::vector<std::string>& left_out,
                      const std::function<void(std::size_t done, std::size_t total)>& progress,
                      const FixedSettings& fixed = {});

}  // namespace normlab::verify
