#include "norms/running_stats.hpp"

namespace normlab {

double running_sigma(const Spec& spec, const StateView& state, std::int64_t c) {
    return spec.running == Running::sigma ? state.sigma[c] : std::sqrt(state.var[c] + spec.eps);
}

void update_running(const Spec& spec, std::int64_t C, const StateView& state, std::int64_t samples, std::int64_t m, const double* mean,
                    const double* var) {
    const double a = spec.momentum ? *spec.momentum : 1.0 / static_cast<double>(*state.count + 1);
    const double bessel = spec.running == Running::unbiased_variance ? static_cast<double>(m) / static_cast<double>(m - 1) : 1;
    const auto move = [a](double& running, double batch) { running = (1 - a) * running + a * batch; };
    for (std::int64_t c = 0; c < C; ++c) {
        double step_mean = 0, step_spread = 0;
        for (std::int64_t n = 0; n < samples; ++n) {
            step_mean += mean[n * C + c];
            step_spread += spec.running == Running::sigma ? std::sqrt(var[n * C + c] + spec.eps) : bessel * var[n * C + c];
        }
        move(state.mean[c], step_mean / static_cast<double>(samples));
        move(spec.running == Running::sigma ? state.sigma[c] : state.var[c], step_spread / static_cast<double>(samples));
    }
    ++*state.count;
}

void update_running(const Problem& problem, const StateView& state, const double* mean, const double* var) {
    const std::int64_t C = problem.shape.C, slices = problem.slices();
    const std::int64_t samples = problem.spec.block.samples ? 1 : problem.shape.N;
    for (std::int64_t k = 0; k < slices; ++k)
        update_running(problem.spec, C, state, samples, problem.block_size(), mean + k * C, var + k * C);
}

}  // namespace normlab
