#pragma once
// The calls of a test vector with truth's results, and outputs beside those that the vector holds.

#include "verify/check/check.hpp"
#include "verify/exchange/vector_values.hpp"

namespace normlab::verify {

/// A call with truth's results, from truth's State of the call before.
struct Told {
    const Step* step;
    Inputs<double> in;
    truth::Result truth;
    ByQuantity values;
    StateError before;  // of truth: its State is rounded to double between steps
};

std::vector<Told> told(const std::vector<Step>& steps);

/// What truth may be off by: its rounding to double, and its State's.
ByQuantity truth_bounds(const Told& t);

/// An output beside the outside's: within `bound` and what the outside may be off by. Where the outside is not finite
/// truth is the target.
Finding judged(const Target& target, const Told& t, const ByQuantity& got, const ByQuantity& bounds);

}  // namespace normlab::verify
