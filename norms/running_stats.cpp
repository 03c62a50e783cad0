#include "norms/running_stats.hpp"

namespace normlab {

void update_running(const Problem& problem, const StateView& state, const double* mean, const double* var) {
    const Spec& spec = problem.spec;
    const std::int64_t C = problem.shape.C, samples = spec.block.samples ? 1 : problem.shape.N;
    double* spread = spec.running == Running::sigma ? state.sigma : state.var;
    for (std::int64_t k = 0; k < problem.slices(); ++k, ++*state.count)
        update_running<double>(spec, C, state.mean, spread, *state.count, samples, problem.block_size(), mean + k * C,
                               var + k * C);
}

void renorm_factors(const Problem& problem, const StateView& state, const double* mean, const double* var, double* r,
                    double* d) {
    renorm_factors<double>(problem, state, mean, var, r, d);
}

}  // namespace normlab
