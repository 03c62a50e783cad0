#include "verify/check/running_roundings.hpp"

#include <cmath>

#include "verify/truth/quantities.hpp"

namespace normlab::verify {

void add_update_roundings(Bounds& bounds, const Inputs<double>& in, const truth::Result& t, Accumulation accumulation) {
    if (accumulation == Accumulation::f64 || accumulation == Accumulation::kappa_free) return;
    const double u = 4 * unit_roundoff(in.problem.dtype);
    for (std::size_t c = 0; c < bounds.running_mean.size(); ++c) {
        bounds.running_mean[c] += u * (std::abs(static_cast<double>(t.running_mean[c])) + std::abs(in.state.mean[c]));
        bounds.running_spread[c] += u * (static_cast<double>(t.running_spread[c]) + spread_of(in.state)[c]);
    }
}

void add_state_rounding(Bounds& bounds, const Inputs<double>& in, const truth::Result& t,
                        const Implementation& implementation) {
    const Problem& p = in.problem;
    if (bounds.running_mean.empty() || implementation.state_dtype(p) == DType::f64) return;
    const DTypeRow& kept = row_of(implementation.state_dtype(p));
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
        const double tiny = (8 + n) * kept.smallest_normal;  // also where these are flushed to 0
        bounds.running_mean[c] += kept.roundoff * (8 * std::abs(in.state.mean[c]) + (8 + n) * mean) + tiny;
        bounds.running_spread[c] += kept.roundoff * (8 * std::abs(spread_of(in.state)[c]) + (8 + n) * spread) + tiny;
    }
}

}  // namespace normlab::verify
