#include "verify/case/draw.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/running_stats.hpp"
#include "system/recent.hpp"
#include "verify/case/fill.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {

namespace {

// Normal numbers of a stream, the same as Random's. Those of one seed are kept: most cases have the same, and half of
// what drawing costs is they.
class Normals {
public:
    double next(std::uint64_t seed, Random& random) {
        if (seed != seed_) kept_.clear(), seed_ = seed;
        const std::uint64_t at = random.place();
        if (at >= most) return random.normal();
        const random::Stream stream{seed, 0};
        while (kept_.size() <= at) kept_.push_back(stream.normal(kept_.size()));
        random.skip(1);
        return kept_[at];
    }

private:
    static constexpr std::uint64_t most = std::uint64_t{1} << 18;
    std::uint64_t seed_ = 0;
    std::vector<double> kept_;
};

// Mean and variance of each channel of what is normalized, roughly: where running statistics are put.
State state_around(const Inputs<double>& in, StateKind kind, Random& random) {
    const Problem& p = in.problem;
    const std::vector<double> x = in.seen();
    State state = initial_state(p.spec, p.shape.C);
    const auto C = static_cast<std::size_t>(p.shape.C), S = static_cast<std::size_t>(p.shape.S);
    const auto left_out = static_cast<double>(std::ranges::count(in.mask, 0));
    const double m = std::max(1.0, static_cast<double>(p.shape.N) * static_cast<double>(S) - left_out);
    std::vector<double> means(C), vars(C);
    for (std::size_t i = 0; i < x.size(); ++i)
        if (in.counts(i)) means[i / S % C] += x[i] / m;
    for (std::size_t i = 0; i < x.size(); ++i) {
        if (!in.counts(i)) continue;
        const double away = x[i] - means[i / S % C];
        vars[i / S % C] += away * away / m;
    }
    for (std::size_t c = 0; c < state.mean.size(); ++c) {
        const double mean = means[c], var = vars[c];
        const double sigma = std::sqrt(var + p.spec.eps), sign = random.integer(0, 1) ? 1 : -1;
        const double side = c % 2 ? -1 : 1;  // of the limits
        const bool eps = kind == StateKind::eps, zero = kind == StateKind::zero;
        const bool close = kind == StateKind::near || eps || zero;
        const double ratio = close                    ? 0.7 + random.uniform()
                             : kind == StateKind::far ? (sign > 0 ? 100 : 0.01)
                                                      : (side > 0 ? 1 / p.spec.r_max : p.spec.r_max);
        const double spread = (sigma > 0 ? sigma : 1) * ratio;
        state.mean[c] = mean + spread * (close                    ? 0.5 * random.normal()
                                         : kind == StateKind::far ? 20 * sign
                                                                  : -side * p.spec.d_max);
        const double chosen = zero ? 0 : p.spec.eps;  // of the variance, where it is chosen
        if (!state.sigma.empty()) state.sigma[c] = eps || zero ? sigma_of(p.spec, chosen) : spread;
        else state.var[c] = eps || zero ? chosen : spread * spread;
    }
    state.count = 3;
    return state;
}

// Of a y of 8 bits, where it is given: y is some units, so that few are beyond the largest number of the type.
void put_scale(const Case& c, Inputs<double>& in) {
    const Spec& s = in.problem.spec;
    if (!s.quantizes() || s.finds_scale()) return;
    Random random(c.seed, 5000);
    const double scale = c.scale_value.value_or((2 + 6 * random.uniform()) / row_of(*s.output).largest);
    in.scale = {rounded(s.scale_inverse ? 1 / scale : scale, DType::f32)};
    if (!(in.scale[0] >= row_of(DType::f32).smallest_normal && in.scale[0] <= row_of(DType::f32).largest))
        throw Unsuitable(fmt::format("the scale {} is beyond f32", scale));
}

Inputs<double> drawn(const Case& c) {
    Inputs<double> in;
    in.problem = c.problem();
    const auto [N, C, S] = c.shape;
    const DType params = in.problem.params();
    Random random(c.seed);
    thread_local Normals normals;
    const auto normal = [&, &kept = normals] { return kept.next(c.seed, random); };
    const double centre = c.sigma * std::sqrt(std::max(0.0, c.kappa * c.kappa - 1)) * (random.integer(0, 1) ? 1 : -1);
    std::vector<double> by_channel(static_cast<std::size_t>(C)), by_sample(static_cast<std::size_t>(N));
    for (double& v : by_channel) v = 0.3 * normal();
    for (double& v : by_sample) v = 0.3 * normal();
    in.x.reserve(static_cast<std::size_t>(c.shape.size())), in.dy.reserve(static_cast<std::size_t>(c.shape.size()));
    for (std::int64_t n = 0; n < N; ++n)
        for (std::int64_t ch = 0; ch < C; ++ch)
            for (std::int64_t s = 0; s < S; ++s) {
                const double z = normal();
                const double shift = by_channel[static_cast<std::size_t>(ch)] + by_sample[static_cast<std::size_t>(n)];
                in.x.push_back(rounded(c.offset + centre + c.sigma * (z + shift), c.dtype));
                in.dy.push_back(rounded(normal() + 0.5 * z + 0.5, c.dtype));
            }
    for (std::int64_t k = in.problem.affine_count(); k > 0; --k) {
        const double gamma = (0.5 + 1.5 * random.uniform()) * (random.integer(0, 3) ? 1 : -1);
        in.gamma.push_back(rounded(gamma, params));
        in.beta.push_back(rounded(random.normal(), params));
    }
    if (c.data) {
        in.x = rounded(c.data->x, c.dtype);
        const auto take = [&](const std::vector<double>& from, std::vector<double>& to) {
            if (!from.empty() && from.size() != to.size())
                throw Unsuitable(fmt::format("gamma and beta of the file have {} values; affine_set={} has {} entries",
                                             from.size(), name_of(in.problem.spec.affine_set), to.size()));
            for (std::size_t i = 0; i < from.size(); ++i) to[i] = rounded(from[i], params);
        };
        take(c.data->gamma, in.gamma), take(c.data->beta, in.beta);
    }
    fill_x(c, in);
    for (std::size_t i = 0; i < in.x.size(); ++i)
        if (!std::isfinite(in.x[i]))
            throw Unsuitable(
                fmt::format("element {} overflows {}{}", i, name_of(c.dtype),
                            c.data ? fmt::format(" ({}); another --dtype is accepted", c.data->x[i])
                                   : fmt::format("; kappa, sigma or offset is too large, a smaller one is accepted")));
    fill_residual(c, in);
    fill_mask(c, in);
    if (c.state == StateKind::at && !std::isfinite(c.problem().spec.r_max * c.problem().spec.d_max))
        throw Unsuitable("r and d have no limits to be at; finite r_max and d_max are accepted");
    if (!has_gamma(c.affine)) in.gamma.clear();
    if (!has_beta(c.affine)) in.beta.clear();
    if (in.problem.spec.running != Running::none) {
        in.state = state_around(in, c.state, random);
        in.state.count = c.count.value_or(in.state.count);
    }
    for (const StateArray& a : state_arrays)
        for (double e : in.state.*a.values)
            if (!std::isfinite(e)) throw Unsuitable("running statistics of these numbers overflow f64");
    fill_others(c, in);
    put_scale(c, in);
    expand(in);
    poison_under_mask(c, in);
    return in;
}

}  // namespace

// A case comes again soon: for the next implementation.
Inputs<double> draw(const Case& c) {
    thread_local system::Recent<Case, Inputs<double>> recent(std::size_t{1} << 19);
    Case key = c;
    key.implementation.clear(), key.check.clear(), key.name = {};
    if (const Inputs<double>* kept = recent.find([&](const Case& k) { return k == key; })) return *kept;
    Inputs<double> in = drawn(c);
    recent.add(std::move(key), in, in.x.size());
    return in;
}

}  // namespace normlab::verify
