#include "verify/case/chance.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "verify/case/patterns.hpp"

namespace normlab::verify {
namespace {

std::int64_t divisor(std::int64_t n, Random& random) {
    std::vector<std::int64_t> all;
    for (std::int64_t d = 1; d <= n; ++d)
        if (n % d == 0) all.push_back(d);
    return random.one_of(all);
}

// Short in a case's string.
double rounded_number(double v) { return parse_number("number", fmt::format("{:.3g}", v)); }

// k / divisor with k of three digits and zeros, 100 <= k < 100 * 10^decades, evenly in its logarithm: 1 / m is how
// often a decade has m for its digits.
double by_decades(int decades, double divisor, Random& random) {
    std::int64_t digits;
    do digits = random.integer(100, 999);
    while (!random.chance(100.0 / static_cast<double>(digits)));
    double k = static_cast<double>(digits);
    for (std::int64_t zeros = random.integer(0, decades - 1); zeros > 0; --zeros) k *= 10;
    return k / divisor;  // k is whole: this is the double nearest to its decimal
}

int decades_of_kappa(DType d) {
    int decades = 0;
    for (double k = row_of(d).largest_kappa; k >= 10; k /= 10) ++decades;
    return decades;
}

void draw_pattern(Values& v, std::span<const std::string_view> names, double p, Random& random) {
    if (random.chance(p)) v.pattern = random.one_of(names);
}

double up_or_down(double v, double factor, Random& random) {
    return rounded_number(random.chance(0.5) ? v * factor : v / factor);
}

}  // namespace

namespace drawing {

void groups(Case& c, Random& random) {
    if (find_variant(c.variant).make().groups > 1) c.groups = divisor(c.shape.C, random);
}
void stat_batch(Case& c, Random& random) {
    const Spec spec = c.spec();
    if (spec.block.samples && spec.centred() && random.chance(0.15)) c.stat_batch = divisor(c.shape.N, random);
}
void eps(Case& c, Random& random) {
    if (c.spec().eps > 0 && random.chance(0.3)) c.eps = random.one_of<double>({0, 1e-12, 1e-8, 1e-3, 0.5, 1});
}
void r_max(Case& c, Random& random) {
    if (c.spec().correction == Correction::renorm && random.chance(0.3)) c.r_max = random.one_of<double>({1, 1.5, 10});
}
void d_max(Case& c, Random& random) {
    if (c.r_max) c.d_max = random.one_of<double>({0, 0.5, 20});
}
void affine(Case& c, Random& random) {
    if (!random.chance(0.6)) c.affine = static_cast<AffineUse>(random.integer(0, 3));
}
void state(Case& c, Random& random) {
    const auto drawn = static_cast<StateKind>(random.integer(0, 2));
    if (c.spec().running != Running::none) c.state = drawn;
}
void momentum(Case& c, Random& random) {
    if (c.spec().running != Running::none && random.chance(0.3))
        c.momentum = random.one_of<std::string>({"0", "0.1", "0.9", "1", "none"});
}
void running(Case& c, Random& random) {
    if (c.spec().running != Running::none && random.chance(0.3))
        c.running = random.one_of<Running>({Running::unbiased_variance, Running::biased_variance});
}

void seed(Case& c, Random& random) { c.seed = random.bits() % 1000000; }
void kappa(Case& c, Random& random) {
    if (c.x.pattern == "normal" && random.chance(0.5)) c.kappa = by_decades(decades_of_kappa(c.dtype), 100, random);
}
void sigma(Case& c, Random& random) {
    if (random.chance(0.3)) c.sigma = by_decades(5, 1e5, random);  // from 0.001
}
void x(Case& c, Random& random) {
    draw_pattern(c.x, x_patterns, 0.3, random);
    // squares of nearly equal or tiny numbers vanish
    if (c.eps == 0.0 && (c.x.pattern == "ulp" || c.x.pattern == "edges")) c.eps.reset();
}
void dy(Case& c, Random& random) { draw_pattern(c.dy, dy_patterns, 0.2, random); }
void gamma(Case& c, Random& random) { draw_pattern(c.gamma, gamma_patterns, 0.2, random); }
void beta(Case& c, Random& random) { draw_pattern(c.beta, beta_patterns, 0.1, random); }
void offset(Case& c, Random& random) {
    if (random.chance(0.1)) c.offset = static_cast<double>(random.integer(-200, 200));
}

}  // namespace drawing

namespace changing {

void kappa(Case& c, Random& random) {
    c.kappa = std::clamp(up_or_down(c.kappa, by_decades(2, 100, random), random), 1.0, row_of(c.dtype).largest_kappa);
}
void sigma(Case& c, Random& random) { c.sigma = up_or_down(c.sigma, 1 + 2 * random.uniform(), random); }

}  // namespace changing

}  // namespace normlab::verify
