#pragma once
// The settings of a case by chance, as settings.hpp's rows name them. Each is drawn from its default, in the order of
// the rows, and may look at those before it.

#include "system/random.hpp"
#include "verify/case/case.hpp"

namespace normlab::verify {

namespace drawing {
void groups(Case& c, Random& random);
void eps(Case& c, Random& random);
void r_max(Case& c, Random& random);
void d_max(Case& c, Random& random);
void momentum(Case& c, Random& random);
void running(Case& c, Random& random);
void stat_batch(Case& c, Random& random);
void affine(Case& c, Random& random);
void state(Case& c, Random& random);
void x(Case& c, Random& random);
void dy(Case& c, Random& random);
void gamma(Case& c, Random& random);
void beta(Case& c, Random& random);
void offset(Case& c, Random& random);
void kappa(Case& c, Random& random);
void sigma(Case& c, Random& random);
void seed(Case& c, Random& random);
}  // namespace drawing

/// What a hunt does to one alone.
namespace changing {
void kappa(Case& c, Random& random);
void sigma(Case& c, Random& random);
}  // namespace changing

}  // namespace normlab::verify
