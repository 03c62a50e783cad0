#include "verify/run/generate.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "norms/variants.hpp"
#include "verify/case/patterns.hpp"

namespace normlab::verify {
namespace {

// The checks that look at whatever numbers a case draws, the first ones more often.
constexpr std::string_view for_any_numbers[] = {"accuracy", "accuracy", "accuracy", "accuracy", "accuracy", "zero_sum", "xhat_dx", "symmetry", "identity",
                                                "running_stats", "fold", "gradient_masks", "power_of_two", "contracts",
                                                "isolation", "repeat", "permutation", "batch_independence"};

template <class T>
const T& one_of(const std::vector<T>& v, Random& random) {
    return v[static_cast<std::size_t>(random.integer(0, std::ssize(v) - 1))];
}

bool chance(double p, Random& random) { return random.uniform() < p; }

// Small, or at the edges of vector lanes.
std::int64_t size(std::int64_t most, Random& random) {
    static const std::vector<std::int64_t> edges{1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65};
    return std::min(most, chance(0.3, random) ? one_of(edges, random) : random.integer(1, 12));
}

std::int64_t divisor(std::int64_t n, Random& random) {
    std::vector<std::int64_t> all;
    for (std::int64_t d = 1; d <= n; ++d)
        if (n % d == 0) all.push_back(d);
    return one_of(all, random);
}

double rounded_number(double v) { return std::stod(fmt::format("{:.3g}", v)); }   // short in a case's text

void draw_shape(Case& c, Random& random) {
    c.shape = {size(65, random), size(33, random), size(33, random)};
    while (c.shape.size() > 1500) (c.shape.N > c.shape.S ? c.shape.N : c.shape.S) /= 2;
    c.groups.reset();
    c.stat_batch = 0;
    if (find_variant(c.variant).make().groups > 1) c.groups = divisor(c.shape.C, random);
    if (c.spec().block.samples && c.spec().centred() && chance(0.15, random)) c.stat_batch = divisor(c.shape.N, random);
}

void draw_numbers(Case& c, Random& random) {
    c.x = c.dy = c.gamma = c.beta = {};
    c.kappa = c.sigma = 1, c.offset = 0;
    c.seed = random.bits() % 1000000;
    if (chance(0.5, random)) c.kappa = rounded_number(std::pow(row_of(c.dtype).largest_kappa, random.uniform()));
    if (chance(0.3, random)) c.sigma = rounded_number(std::pow(10.0, 5 * random.uniform() - 3));
    const auto pattern = [&](Values& v, std::string_view key, double p) {
        if (!chance(p, random)) return;
        const std::vector<std::string_view> names = pattern_names(key);
        v.pattern = std::string(one_of(names, random));
    };
    pattern(c.x, "x", 0.3), pattern(c.dy, "dy", 0.2), pattern(c.gamma, "gamma", 0.2), pattern(c.beta, "beta", 0.1);
    if (c.x.pattern != "normal") c.kappa = 1;
    if (c.eps == 0.0 && (c.x.pattern == "ulp" || c.x.pattern == "edges")) c.eps.reset();   // squares of nearly equal or tiny numbers vanish
    if (chance(0.1, random)) c.offset = static_cast<double>(random.integer(-200, 200));
}

void draw_settings(Case& c, Random& random) {
    c.eps.reset(), c.momentum.reset(), c.running.reset();
    const Spec spec = c.spec();
    if (spec.eps > 0 && chance(0.3, random)) c.eps = one_of<double>({0, 1e-12, 1e-8, 1e-3, 0.5, 1}, random);
    c.r_max.reset(), c.d_max.reset();
    if (spec.correction == Correction::renorm && chance(0.3, random)) c.r_max = one_of<double>({1, 1.5, 10}, random), c.d_max = one_of<double>({0, 0.5, 20}, random);
    c.affine = static_cast<AffineUse>(chance(0.6, random) ? 0 : random.integer(0, 3));
    c.state = static_cast<StateKind>(random.integer(0, 2));
    if (spec.running == Running::none) c.state = StateKind::near;
    if (spec.running == Running::none) return;
    if (chance(0.3, random)) c.momentum = one_of<std::string>({"0", "0.1", "0.9", "1", "none"}, random);
    if (chance(0.3, random)) c.running = one_of<Running>({Running::unbiased_variance, Running::biased_variance}, random);
}

bool accepted(const Case& c) { return is_valid(c) && c.shape.size() > 0 && find_check(c.check).refuses(c).empty(); }

}  // namespace

Case random_case(Random& random, const Selection& selection) {
    std::vector<std::string> names = selection.variants, checks = selection.checks;
    if (names.empty())
        for (const Variant& v : variants) names.emplace_back(v.name);
    if (checks.empty()) checks.assign(std::begin(for_any_numbers), std::end(for_any_numbers));
    const std::vector<std::string> implementations = chosen_implementations(selection);
    const auto pick = [&](const auto& asked, const auto& all) { return one_of(asked.empty() ? all : asked, random); };
    for (int tries = 0; tries < 10000; ++tries) {
        Case c;
        c.variant = find_variant(one_of(names, random)).name;
        c.implementation = one_of(implementations, random);
        c.check = one_of(checks, random);
        c.dtype = pick(selection.dtypes, std::vector(kernel_dtypes.begin(), kernel_dtypes.end()));
        c.layout = pick(selection.layouts, std::vector{Layout::channels_first, Layout::channels_last});
        c.mode = pick(selection.modes, std::vector{Mode::train, Mode::eval});
        draw_shape(c, random), draw_settings(c, random), draw_numbers(c, random);
        if ((c.check == "contracts" || c.check == "repeat") && chance(0.03, random)) c.shape.N = 1 + 33000 / (c.shape.C * c.shape.S), c.stat_batch = 0;   // several threads
        if (accepted(c)) return c;
    }
    throw Error("no case of this selection can be drawn; `normlab list` shows variants and checks");
}

Case mutated(const Case& c, Random& random) {
    for (int tries = 0; tries < 100; ++tries) {
        Case m = c;
        switch (random.integer(0, 5)) {
            case 0: m.seed = random.bits() % 1000000; break;
            case 1: m.kappa = std::clamp(rounded_number(m.kappa * std::pow(10.0, random.normal())), 1.0, row_of(m.dtype).largest_kappa); break;
            case 2: m.sigma = rounded_number(m.sigma * std::pow(2.0, random.normal())); break;
            case 3: draw_settings(m, random); break;
            case 4: draw_numbers(m, random); break;
            default: (random.integer(0, 1) ? m.shape.N : m.shape.S) += random.integer(-2, 4); break;
        }
        if (m.shape.N > 0 && m.shape.S > 0 && m.shape.size() <= 3000 && accepted(m)) return m;
    }
    return c;
}

}  // namespace normlab::verify
