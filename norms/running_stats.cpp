#include "norms/running_stats.hpp"

namespace normlab {

std::vector<std::int64_t> counted_elements(const Problem& problem, Mask mask) {
    if (!mask) return {};
    const auto [N, C, S] = problem.shape;
    const std::int64_t samples = problem.spec.block.samples ? problem.samples_per_slice() : 1;
    std::vector<std::int64_t> counts(static_cast<std::size_t>(N / samples));
    for (std::int64_t n = 0; n < N; ++n)
        for (std::int64_t s = 0; s < S; ++s) counts[static_cast<std::size_t>(n / samples)] += mask[n * S + s] != 0;
    return counts;
}

void update_running(const Problem& problem, const StateView& state, const double* mean, const double* var, Mask mask) {
    const Spec& spec = problem.spec;
    const std::int64_t C = problem.shape.C, samples = spec.block.samples ? 1 : problem.shape.N;
    double* spread = spec.running == Running::sigma ? state.sigma : state.var;
    const std::vector<std::int64_t> counted = counted_elements(problem, mask);
    for (std::int64_t k = 0; k < problem.slices(); ++k) {
        const std::span<const std::int64_t> counts = counts_of_step(problem, counted, k);
        if (!is_step(counts)) continue;
        update_running<double>(spec, C, state.mean, spread, *state.count, samples, problem.block_size(), mean + k * C,
                               var + k * C, counts);
        ++*state.count;
    }
}

void renorm_factors(const Problem& problem, const StateView& state, const double* mean, const double* var, double* r,
                    double* d, Mask mask) {
    renorm_factors<double>(problem, state, mean, var, r, d, mask);
}

}  // namespace normlab
