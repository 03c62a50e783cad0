#pragma once
// The range that bounds are derived for, and the policy outside it.
//
// Squares of the compute precision overflow or underflow outside; kappa-free implementations promise their bounds for s
// >= 1e-30 and |x| <= 1e30 (f32 and 16-bit data, whose sums are in f64). A block outside may be saturated, and then its
// saved statistics say so to the caller: var is Inf or NaN (squares overflowed), var is 0 though x varies and eps = 0
// (they underflowed), or rstd is Inf or 0, each as a number of the compute precision; an implementation that saves
// neither shows it by all of y. Each y of such a block is within its bound, or what x_hat = 0 gives (beta; renorm gamma
// d + beta), or not finite; each dx within its bound, or 0, or not finite. A finite result that is none of these is
// UNRESOLVED.

#include "verify/truth/bounds.hpp"

namespace normlab::verify {

/// Whether squares of the compute precision neither over- nor underflow in a block of m elements: the largest of
/// them, the largest distance from the mean, and s.
enum class Range { inside, above, below };
Range range_of(double size, double distance, double s, double m, DType dtype, Accumulation accumulation);

/// Why the bounds do not hold for this block of x; empty where they do.
std::string outside_range(const truth::Block& block, const std::vector<double>& x, DType dtype,
                          Accumulation accumulation);

/// The same of the first block that is outside.
std::string out_of_range(const Inputs<double>& in, const truth::Result& truth, Accumulation accumulation);
std::string out_of_range(const Inputs<double>& in, Accumulation accumulation);

/// Puts truth in the place of those results of saturated blocks that the policy accepts, and widens the bound of dgamma
/// by their shares. Gives their number.
std::size_t accept_saturation(const Inputs<double>& in, Accumulation accumulation, Outputs<double>& out,
                              const truth::Result& truth, Bounds& hard);

}  // namespace normlab::verify
