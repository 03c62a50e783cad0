#include "verify/check/kept_state.hpp"

#include <cmath>

namespace normlab::verify {

void add_state_rounding(Bounds& bounds, const Inputs<double>& in, const truth::Result& t,
                        const Implementation& implementation) {
    const Problem& p = in.problem;
    const auto* keeper = dynamic_cast<const KeepsState*>(&implementation);
    if (!keeper || bounds.running_mean.empty() || keeper->state_dtype(p) == DType::f64) return;
    const DTypeRow& kept = row_of(keeper->state_dtype(p));
    const std::size_t C = bounds.running_mean.size();
    const auto n = static_cast<double>(t.blocks.size() / C);
    const std::vector<double>& old_spread = p.spec.running == Running::sigma ? in.state.sigma : in.state.var;
    for (std::size_t c = 0; c < C; ++c) {
        double mean = 0, spread = 0;
        for (std::size_t k = c; k < t.blocks.size(); k += C) {
            const truth::Block& b = t.blocks[k];
            const auto m = static_cast<double>(b.elements.size());
            const double bessel = p.spec.running == Running::unbiased_variance ? m / (m - 1) : 1;
            mean += std::abs(static_cast<double>(b.mean)) / n;
            spread += static_cast<double>(p.spec.running == Running::sigma ? b.s : b.var) * bessel / n;
        }
        const double tiny = (8 + n) * kept.smallest_normal;  // also where these are flushed to 0
        bounds.running_mean[c] += kept.roundoff * (8 * std::abs(in.state.mean[c]) + (8 + n) * mean) + tiny;
        bounds.running_spread[c] += kept.roundoff * (8 * std::abs(old_spread[c]) + (8 + n) * spread) + tiny;
    }
}

}  // namespace normlab::verify
