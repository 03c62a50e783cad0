#pragma once
// What running statistics lose beside the errors of their batches: where they are moved in the compute precision, and
// where they are kept in fewer digits than the f64 of State.

#include "verify/truth/bounds.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {

/// What one step of a running statistic loses where it is moved in the compute precision, unless f64 was declared: four
/// roundings, of 1 - a, of both products and of their sum. With large statistics before the call that is more than
/// their batch's share. `old` and `moved`: before the step and after it.
double update_rounding(const Problem& problem, Accumulation accumulation, double old, double moved);

/// What a State of the implementation's dtype (Implementation::state_dtype) loses in one step of one slice, where it is
/// not f64. With u its roundoff, n blocks a channel, a the momentum, and `fresh` their mean size: both terms of (1 - a)
/// old + a fresh, or of old + a (fresh - old), and their sum are rounded, as are a, old and fresh before: at most 5 u
/// |old| and 5 u |fresh| to first order. Making `fresh` from f64 statistics rounds twice more (Bessel's factor and
/// product, or sum and root), and n - 1 sums and a quotient. 8 u |old| and (8 + n) u |fresh| leave one u for all higher
/// orders.
double state_rounding(const Problem& problem, const Implementation& implementation, double old, double fresh, double n);

/// Adds these to the bounds of a call.
void add_update_roundings(Bounds& bounds, const Inputs<double>& in, const truth::Result& truth,
                          Accumulation accumulation);
void add_state_rounding(Bounds& bounds, const Inputs<double>& inputs, const truth::Result& truth,
                        const Implementation& implementation);

}  // namespace normlab::verify
