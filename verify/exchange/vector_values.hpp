#pragma once
// One call's results as the outputs of a vector, and how far they may be off.

#include <array>

#include "verify/exchange/vector_steps.hpp"
#include "verify/truth/bounds.hpp"

namespace normlab::verify {

inline constexpr double u64 = unit_roundoff(DType::f64);

/// By Quantity: in logical order, a channel or a block.
class ByQuantity {
public:
    std::vector<double>& operator[](Quantity q) { return of_[static_cast<std::size_t>(q)]; }
    const std::vector<double>& operator[](Quantity q) const { return of_[static_cast<std::size_t>(q)]; }

private:
    std::array<std::vector<double>, quantity_count> of_;
};

/// How far the State before a call is off, a channel; empty: not at all.
struct StateError {
    std::vector<double> mean, spread;
};

ByQuantity values_of(const Inputs<double>& in, const Outputs<double>& out);
ByQuantity values_of(const Inputs<double>& in, const truth::Result& t);  ///< rounded to double

/// What an implementation may be off by: error_bounds(), and to first order, doubled, what the State before brings
/// along. With sigma off by e_s (a variance off by e: e / sigma) and the mean by e_m,
///   in evaluation  x_hat by z = 2 (e_m + |x_hat| e_s) / sigma, dx by 2 |dx| e_s / sigma
///   batch renorm   r by 2 raw_r e_s / sigma, d by 2 (e_m + |raw_d| e_s) / sigma (clipping makes them no larger),
///     x_hat r + d by z = |x_hat| e_r + e_d,
///                  dx by |dx| e_r / r
///   y by |gamma| z, dgamma by sum |dy| z
ByQuantity bounds_of(const Inputs<double>& in, const truth::Result& t, Accumulation accumulation,
                     const StateError& before);

/// What an outside number may be off by: the bounds of a sequential computation in the precision of what computed it
/// (ref80: u = 2^-64 in place of 2^-53), and one rounding to its type; f64 at least 1e-13 of the largest of its array
/// that is compared (what is further off has an outputs_ref80, says the vectors' page).
std::vector<double> outside_error(const Target& target, const Inputs<double>& in, const truth::Result& t,
                                  const std::vector<bool>& without);

}  // namespace normlab::verify
