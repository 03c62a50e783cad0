#pragma once
// Where var + eps is 0, x_hat and dx are 0 by normlab's convention, and 0 / 0 elsewhere.

#include <map>
#include <vector>

#include "verify/truth/inputs.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {

/// Whether an output, in logical order, of the call with these inputs is not finite there. `accept` puts normlab's
/// value in its place.
bool zero_over_zero(const Inputs<double>& in, std::map<Quantity, std::vector<double>>& outputs, bool accept);

}  // namespace normlab::verify
