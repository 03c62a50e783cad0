#include "studies/nn/rounding.hpp"

#include <cmath>

#include "verify/truth/bounds.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::nn {

GradientBounds gradient_bounds(const Array& x, const Array& dy, const Spec& spec,
                               const Implementation& implementation) {
    const std::int64_t N = x.dims().N, C = x.dims().C;
    const auto m = static_cast<double>(N);
    const Problem problem{.spec = spec, .shape = {N, C, 1}, .dtype = DType::f64};
    const verify::Inputs<double> inputs{problem, x.values(), dy.values(), {}, {}, {}};
    truth::Result t;  // what the bounds ask of it, in f64: they are several times as large as its error
    t.x_hat.resize(inputs.x.size()), t.y.resize(inputs.x.size()), t.dx.resize(inputs.x.size());
    GradientBounds out;
    out.slope.resize(inputs.x.size());
    for (std::int64_t c = 0; c < C; ++c) {
        truth::Block block;
        double mean = 0, var = 0, mean_g = 0, mean_gx = 0;
        for (std::int64_t n = 0; n < N; ++n) block.elements.push_back(static_cast<std::size_t>(n * C + c));
        for (const std::size_t i : block.elements) mean += inputs.x[i] / m;
        for (const std::size_t i : block.elements) var += (inputs.x[i] - mean) * (inputs.x[i] - mean) / m;
        const double s = std::sqrt(var + spec.eps);
        for (const std::size_t i : block.elements) {
            const double x_hat = (inputs.x[i] - mean) / s;
            t.x_hat[i] = x_hat, t.y[i] = x_hat;
            mean_g += std::abs(inputs.dy[i]) / m, mean_gx += std::abs(inputs.dy[i] * x_hat) / m;
        }
        for (const std::size_t i : block.elements) {
            const double x_hat = std::abs(inputs.x[i] - mean) / s;
            out.slope[i] = 3 / s * (std::abs(inputs.dy[i]) + (1 + x_hat) * (mean_g + mean_gx));
        }
        block.mean = mean, block.var = var, block.s = s, block.divisor = m,
        block.kappa = std::sqrt(1 + mean * mean / (s * s));
        t.blocks.push_back(std::move(block));
        out.spread.push_back(s);
    }
    out.dx = verify::error_bounds(inputs, t, implementation.accumulation(DType::f64)).dx;
    return out;
}

}  // namespace normlab::nn
