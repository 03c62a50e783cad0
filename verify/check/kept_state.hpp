#pragma once
// Running statistics that are kept in fewer digits than the f64 of State.

#include "verify/truth/bounds.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {

/// An implementation that may keep them so.
struct KeepsState {
    virtual ~KeepsState() = default;
    virtual DType state_dtype(const Problem& problem) const = 0;
};

/// Adds to the bounds of running statistics what a State of the implementation's dtype loses in one step of one slice.
/// With u its roundoff, n blocks a channel, a the momentum, and `new` their mean size: both terms of
/// (1 - a) old + a new, or of old + a (new - old), and their sum are rounded, as are a, old and new before: at most
/// 5 u |old| and 5 u |new| to first order. Making `new` from f64 statistics rounds twice more (Bessel's factor and
/// product, or sum and root), and n - 1 sums and a quotient. 8 u |old| and (8 + n) u |new| leave one u for all higher
/// orders.
void add_state_rounding(Bounds& bounds, const Inputs<double>& inputs, const truth::Result& truth,
                        const Implementation& implementation);

}  // namespace normlab::verify
