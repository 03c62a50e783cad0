#pragma once
// What blocks of two elements should give, in double, many at a time, and what any implementation may be off by.

#include <array>
#include <cmath>

#include "norms/spec.hpp"

namespace normlab::verify {

/// Pairs (a, b[k]); the arrays have an entry for each.
///
/// Truth in double: x_hat has at most 8 roundings, each of 2^-53 and relative, as a - b is (a + b)/2 is not taken from
/// anything. dx is at most 16 roundings from its terms, whose sizes `terms` adds up. `least` is what every derivation
/// of bounds.cpp allows at least: 6 u of y and 8 u of dx's terms, with the storage's rounding, less a millionth for
/// truth's own error (2^-49 against u_io 2^-20). A result within it is right; one beyond may be, and is judged in quad.
class Pairs {
public:
    static constexpr std::size_t count = 256;
    using Row = std::array<double, count>;

    explicit Pairs(const Problem& problem)
        : spec_(problem.spec), renorm_(problem.has_correction()), r_max_(problem.spec.r_max),
          d_max_(problem.spec.d_max), u_(unit_roundoff(problem.dtype)), u_io_(storage_roundoff(problem.dtype)),
          tiny_(2 * row_of(problem.dtype).smallest_subnormal) {
        slope_.fill(1);
    }

    /// y of both, given one mean 0 and sigma 1 in running statistics for batch renorm.
    void forward(double a, const double* b);
    /// dx of both, for the upstream gradients (g0, g1), of the pairs that forward was called with.
    void backward(double g0, double g1);

    Row truth[2], least[2];

private:
    Spec spec_;
    bool renorm_;
    double r_max_, d_max_, u_, u_io_, tiny_;
    Row x_hat_[2], rstd_, slope_, r_, d_;
};

}  // namespace normlab::verify
