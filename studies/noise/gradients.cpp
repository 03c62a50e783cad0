// Rows on the backward pass through one batch norm: what is exactly zero, what fraction passes, and how squared
// gradients grow in wide random networks.
#include <algorithm>

#include "norms/variants/batch_norm.hpp"
#include "studies/noise/experiments.hpp"
#include "studies/noise/theory.hpp"

namespace normlab::noise {
namespace {

// Sums over one batch.
struct Sums {
    double x_hat = 0, x_hat2 = 0, x_hat_max = 0, from_one = 0, g = 0, g_abs = 0, g2 = 0, gx_abs = 0, dx = 0, dx_abs = 0,
           dx2 = 0, x_hat_dx = 0;
};

Sums sums_of(const std::vector<double>& y, const std::vector<double>& dy, const std::vector<double>& dx, std::size_t c,
             std::size_t C) {
    Sums s;
    for (std::size_t j = c; j < y.size(); j += C) {
        s.x_hat += y[j], s.x_hat2 += y[j] * y[j];
        s.x_hat_max = std::max(s.x_hat_max, std::abs(y[j]));
        s.from_one = std::max(s.from_one, std::abs(std::abs(y[j]) - 1));
        s.g += dy[j], s.g_abs += std::abs(dy[j]), s.g2 += dy[j] * dy[j], s.gx_abs += std::abs(dy[j] * y[j]);
        s.dx += dx[j], s.dx_abs = std::max(s.dx_abs, std::abs(dx[j])), s.dx2 += dx[j] * dx[j],
                       s.x_hat_dx += y[j] * dx[j];
    }
    return s;
}

// Worst errors over their bounds. With e = x_hat_rounding: sum x_hat is off by e and the summation here by as much; the
// variance and so sum x_hat^2 by 2m relative roundings and twice |x_hat| e/m, within 4e, and so is |x_hat|. dx = rstd
// (g - mean g - x_hat h) has 2m + 12 roundings of its terms, whose sizes add up to G = sum |g| + sum |g x_hat|, and
// inherits x_hat's error, e/m an element, times G (where nothing else is left, at m = 2, times m).
class Identities {
public:
    void add(const Trial& s, const Sums& sum, double mean, double var, double rstd) {
        const double m = static_cast<double>(s.m), e = x_hat_rounding(s.dtype, s.m, mean, var, rstd);
        const double own = (3 * m + 20) * unit_roundoff(s.dtype), size = rstd * (sum.g_abs + sum.gx_abs),
                     dx_bound = size * (own + 4 * e / m);
        worst(0, std::abs(sum.x_hat), 2 * e);
        worst(1, std::abs(sum.x_hat2 - m), 4 * e);
        worst(2, std::max(sum.x_hat_max - std::sqrt(m - 1), 0.0), 4 * e);
        worst(3, std::abs(sum.dx), dx_bound);
        worst(4, std::abs(sum.x_hat_dx), dx_bound);
        worst(5, sum.from_one, 4 * e);
        worst(6, sum.dx_abs, size * (own + 4 * e));
        ++n_;
    }
    void report(const Trial& s, Measured& out) const {
        constexpr const char* names[] = {"sum x_hat = 0", "sum x_hat^2 = m",  "|x_hat| <= sqrt(m-1)",
                                         "sum dx = 0",    "sum x_hat dx = 0", "x_hat = +-1",
                                         "dx = 0"};
        for (std::size_t i = 0; i < (s.m == 2 ? 7 : 5); ++i)
            out.cells.push_back(identity(s, i < 3 || i == 5 ? Row::x_hat : Row::gradient, names[i], ratio_[i], n_));
    }

private:
    void worst(std::size_t i, double error, double bound) {
        const double ratio = error == 0 ? 0 : error / bound;
        if (!(ratio <= ratio_[i])) ratio_[i] = ratio;  // keeps a NaN
    }
    double ratio_[7] = {};
    std::int64_t n_ = 0;
};

// What relu passes of a gradient that sums to 0 over the batch.
std::vector<double> through_relu(const std::vector<double>& y, std::vector<double> dy, std::size_t C) {
    for (std::size_t c = 0; c < C; ++c) {
        double sum = 0;
        for (std::size_t j = c; j < y.size(); j += C) sum += dy[j];
        for (std::size_t j = c; j < y.size(); j += C)
            dy[j] = y[j] > 0 ? dy[j] - sum * static_cast<double>(C) / static_cast<double>(y.size()) : 0;
    }
    return dy;
}

}  // namespace

void measure_gradients(const Trial& s, Measured& out) {
    const double m = static_cast<double>(s.m);
    const Blocks blocks(s.samples / s.m, s.m);
    const auto C = static_cast<std::size_t>(blocks.channels);
    Spec spec = batch_norm(0);
    spec.running = Running::none;
    MeasuredNorm layer(spec, {s.m, blocks.channels, 1}, Mode::train, s.dtype, s.implementation);
    Array x = layer.array(), dy = layer.array();
    Draw draw_x = draw_of(s, 1), draw_dy = draw_of(s, 1, 1);

    const theory::Growth linear = theory::growth_linear(m), relu = theory::growth_relu(m);
    Identities identities;
    Tally fraction, linear_growth, relu_growth;
    std::vector<double> scaled_vars;
    for (std::int64_t b = 0; b < blocks.count; ++b) {
        draw_x.first_channel = draw_dy.first_channel = static_cast<std::uint32_t>(b * blocks.channels);
        fill(draw_x, x);
        fill(draw_dy, dy);
        layer.forward(x);
        layer.backward(x, dy);
        const Saved stats = layer.saved();
        const std::vector<double> y = layer.y(), g = dy.values(), dx = layer.dx();
        for (std::size_t c = 0; c < C; ++c) {
            const Sums sums = sums_of(y, g, dx, c, C);
            identities.add(s, sums, stats.mean[c], stats.var[c], stats.rstd[c]);
            fraction.add(sums.dx2 / (stats.rstd[c] * stats.rstd[c] * sums.g2));
            linear_growth.add(sums.dx2 / (linear.a * (m - 1)));  // variance a rather than 1 divides dx by sqrt(a)
            if (scaled_vars.size() < (1 << 17)) scaled_vars.push_back(m * stats.var[c]);
        }
        if (s.m < 4) continue;
        dy.set(through_relu(y, g, C));
        layer.backward(x, dy);
        const std::vector<double> dx_relu = layer.dx();
        for (std::size_t c = 0; c < C; ++c) {
            double squares = 0;
            for (std::size_t j = c; j < dx_relu.size(); j += C) squares += dx_relu[j] * dx_relu[j];
            relu_growth.add(squares / (relu.a * (m - 1)));
        }
    }
    identities.report(s, out);
    if (s.m > 2) out.cells.push_back(cell(s, Row::gradient, "fraction passed", fraction, theory::gradient_fraction(m)));
    if (s.m < 4) return;
    const double distance = distance_from_law(scaled_vars, [&](double y) { return theory::chi_squared_law(m - 1, y); });
    for (const Cell& c : {cell(s, Row::growth, "linear + BN", linear_growth, linear.rate),
                          cell(s, Row::growth, "relu + BN", relu_growth, relu.rate)})
        out.cells.push_back(fourth_moment(s.m, 2) ? c : by_law(c, distance, scaled_vars.size()));
}

}  // namespace normlab::noise
