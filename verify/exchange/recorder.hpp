#pragma once
// The reference with a notebook: run a check with it, and it has the calls that the check makes of any implementation.

#include <vector>

#include "verify/check/check.hpp"
#include "verify/exchange/fixed_settings.hpp"

namespace normlab::verify {

/// Why a script cannot be asked for this call, with vectors of the form of vector_file.hpp; empty: it can.
std::string reason_not_to_export(const Inputs<double>& call);

struct Recording {
    std::vector<Inputs<double>> calls;  ///< with dy where backward was called, once for each dy
    std::string left_out;               ///< why there are none: the check did not come to an end
};

/// Runs the case, whatever implementation it names, on the reference, which declines other settings than the fixed
/// ones. One at a time.
Recording record(Case c, const FixedSettings& fixed = {});

}  // namespace normlab::verify
