#pragma once
// What running statistics lose beside the errors of their batches: where they are moved in the compute precision, and
// where they are kept in fewer digits than the f64 of State.

#include "verify/truth/bounds.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {

/// Adds what running statistics lose that are moved in the compute precision, unless f64 was declared: four roundings,
/// of 1 - a, of both products and of their sum. With large statistics before the call that is more than their batch's
/// share.
void add_update_roundings(Bounds& bounds, const Inputs<double>& in, const truth::Result& truth,
                          Accumulation accumulation);

/// Adds what a State of the implementation's dtype (Implementation::state_dtype) loses in one step of one slice. With u
/// its roundoff, n blocks a channel, a the momentum, and `new` their mean size: both terms of (1 - a) old + a new, or
/// of old + a (new - old), and their sum are rounded, as are a, old and new before: at most 5 u |old| and 5 u |new| to
/// first order. Making `new` from f64 statistics rounds twice more (Bessel's factor and product, or sum and root), and
/// n - 1 sums and a quotient. 8 u |old| and (8 + n) u |new| leave one u for all higher orders.
void add_state_rounding(Bounds& bounds, const Inputs<double>& inputs, const truth::Result& truth,
                        const Implementation& implementation);

}  // namespace normlab::verify
