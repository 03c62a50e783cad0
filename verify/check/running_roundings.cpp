#include "verify/check/running_roundings.hpp"

#include <cmath>

#include "verify/truth/quantities.hpp"

namespace normlab::verify {

double update_rounding(const Problem& p, Accumulation accumulation, double old, double moved) {
    if (accumulation == Accumulation::f64 || accumulation == Accumulation::kappa_free) return 0;
    return 4 * unit_roundoff(p.dtype) * (std::abs(moved) + std::abs(old));
}

double state_rounding(const Problem& p, const Implementation& implementation, double old, double fresh, double n) {
    const DType type = implementation.state_dtype(p);
    if (type == DType::f64) return 0;
    const double tiny = (8 + n) * row_of(type).smallest_normal;  // also where these are flushed to 0
    return row_of(type).roundoff * (8 * std::abs(old) + (8 + n) * std::abs(fresh)) + tiny;
}

void add_update_roundings(Bounds& bounds, const Inputs<double>& in, const truth::Result& t, Accumulation accumulation) {
    for (std::size_t c = 0; c < bounds.running_mean.size(); ++c) {
        bounds.running_mean[c] +=
            update_rounding(in.problem, accumulation, in.state.mean[c], static_cast<double>(t.running_mean[c]));
        bounds.running_spread[c] +=
            update_rounding(in.problem, accumulation, spread_of(in.state)[c], static_cast<double>(t.running_spread[c]));
    }
}

void add_state_rounding(Bounds& bounds, const Inputs<double>& in, const truth::Result& t,
                        const Implementation& implementation) {
    const Problem& p = in.problem;
    if (bounds.running_mean.empty()) return;
    const std::size_t C = bounds.running_mean.size();
    const auto n = static_cast<double>(t.blocks.size() / C);
    for (std::size_t c = 0; c < C; ++c) {
        double mean = 0, spread = 0;
        for (std::size_t k = c; k < t.blocks.size(); k += C) {
            const truth::Block& b = t.blocks[k];
            const auto m = static_cast<double>(b.elements.size());
            const double bessel = p.spec.running == Running::unbiased_variance && m > 1 ? m / (m - 1) : 1;
            mean += std::abs(static_cast<double>(b.mean)) / n;
            spread += static_cast<double>(p.spec.running == Running::sigma ? b.s : b.var) * bessel / n;
        }
        bounds.running_mean[c] += state_rounding(p, implementation, in.state.mean[c], mean, n);
        bounds.running_spread[c] += state_rounding(p, implementation, spread_of(in.state)[c], spread, n);
    }
}

}  // namespace normlab::verify
