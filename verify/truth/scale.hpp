#pragma once
// How large a quantity is, to be compared with its bounds: a bound that is larger promises nothing.

#include "verify/truth/quantities.hpp"

namespace normlab::verify {

/// The largest size of the terms that a result, or saved statistic, is made of, over the whole tensor: |gamma x_hat| +
/// |beta| of y, |g| / s of dx, sum |dy x_hat| of dgamma, sum |dy| of dbeta; |g v| / s^2 + |r u dy| / s of ddx,
/// |gamma r v| / s + |u x_hat| + |w| of ddy, sum |r dy v| / s of ddgamma; of Saved, s beside the mean, s^2 beside
/// var, r beside d. Not of the result itself: where terms cancel (beta = -gamma x_hat, dy in the null space of dx),
/// bounds, which are of terms, are larger than it, and rightly so.
double scale_of(const QuantityRow& quantity, const Inputs<double>& inputs, const truth::Result& truth);

/// Whether at least half of the bounds are larger than that.
bool promises_nothing(const std::vector<double>& bounds, double scale);

}  // namespace normlab::verify
