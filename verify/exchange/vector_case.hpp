#pragma once
// Running one outside test vector.

#include "verify/exchange/vector_file.hpp"
#include "verify/run/outcome.hpp"
#include "verify/run/plan.hpp"

namespace normlab::verify {

/// Truth beside the outside's numbers, and every selected implementation in every layout: an Outcome each, named by the
/// vector's folder in `top`. Throws io::InputError where the vector's files are not what they should be, and Error for
/// an unknown op.
std::vector<Outcome> run_vector(VectorFile file, const std::filesystem::path& top, const Selection& selection);

/// `out` with a FAIL that says why nothing could be compared.
Outcome failed_vector(Outcome out, const std::string& why);

}  // namespace normlab::verify
