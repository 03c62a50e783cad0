#include "verify/truth/range.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "verify/truth/activation.hpp"
#include "verify/truth/quantities.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {

Range range_of(double size, double distance, double s, double m, DType dtype, Accumulation accumulation) {
    const bool wide = accumulation == Accumulation::kappa_free && dtype != DType::f64;
    const double largest = row_of(arithmetic_dtype(dtype)).largest,
                 smallest = row_of(arithmetic_dtype(dtype)).smallest_normal / unit_roundoff(dtype);
    if (wide ? size > 1e30 : m * size > largest / 4 || distance > std::sqrt(largest / 4 / m)) return Range::above;
    return s > 0 && (wide ? s < 1e-30 : s * s < smallest) ? Range::below : Range::inside;
}

namespace {

// The largest x of a block, and the largest distance from its mean.
struct Extent {
    double size = 0, distance = 0;
};

Extent extent_of(const truth::Block& b, const std::vector<double>& x) {
    const auto mean = static_cast<double>(b.mean);
    Extent e;
    for (std::size_t i : b.elements) {
        e.size = std::max(e.size, std::abs(x[i]));
        e.distance = std::max(e.distance, std::abs(x[i] - mean));
    }
    return e;
}

Range range_of_block(const truth::Block& b, const Extent& e, DType dtype, Accumulation accumulation) {
    return range_of(e.size, e.distance, static_cast<double>(b.s), static_cast<double>(b.elements.size()), dtype,
                    accumulation);
}

}  // namespace

std::string outside_range(const truth::Block& b, const std::vector<double>& x, DType dtype, Accumulation accumulation) {
    const Extent e = extent_of(b, x);
    const Range range = range_of_block(b, e, dtype, accumulation);
    if (range == Range::above)
        return fmt::format("outside the range of the bounds: squares of values up to {:.1e} overflow", e.size);
    if (range == Range::below)
        return fmt::format("outside the range of the bounds: squares underflow at s = {:.1e}",
                           static_cast<double>(b.s));
    return {};
}

std::string out_of_range(const Inputs<double>& in, const truth::Result& truth, Accumulation accumulation) {
    const std::vector<double> x = in.seen();
    for (const truth::Block& b : truth.blocks)
        if (std::string reason = outside_range(b, x, in.problem.dtype, accumulation); !reason.empty()) return reason;
    return {};
}

std::string out_of_range(const Inputs<double>& in, Accumulation accumulation) {
    return out_of_range(in, truth::evaluate(in), accumulation);
}

std::size_t accept_saturation(const Inputs<double>& in, Accumulation accumulation, Outputs<double>& out,
                              const truth::Result& truth, Bounds& hard) {
    const Problem& p = in.problem;
    const double roundings = 4 * unit_roundoff(p.dtype) + storage_roundoff(p.dtype);
    const double stored = 1 + storage_roundoff(p.params());  // a sum that misses a share is rounded at its own size
    const std::vector<double> x = in.seen();
    std::size_t saturated = 0;
    // var or rstd, where it is saved: as a number of the compute precision, which need not hold what a double does
    const auto given_way = [&](const std::vector<double>& saved, std::size_t k, bool may_be_0) {
        if (saved.empty()) return false;
        const double v = rounded(saved[k], arithmetic_dtype(p.dtype));
        return !std::isfinite(v) || (v == 0 && !may_be_0);
    };
    const double smallest = row_of(arithmetic_dtype(p.dtype)).smallest_normal;
    for (std::size_t k = 0; k < truth.blocks.size(); ++k) {
        const truth::Block& b = truth.blocks[k];
        const Extent extent = extent_of(b, x);
        const Range range = range_of_block(b, extent, p.dtype, accumulation);
        if (range == Range::inside) continue;
        // Small squares are 0 only where they, or their mean, are no normal numbers, and never make var infinite.
        const bool is_normal = range == Range::below &&
                               std::min(extent.distance * extent.distance, static_cast<double>(b.var)) >= smallest;
        const bool is_infinite = range == Range::below && !out.saved.var.empty() && std::isinf(out.saved.var[k]);
        if (is_normal || is_infinite) continue;
        const double d_saved = out.saved.d.empty() ? 0 : out.saved.d[k];
        const auto of_zero = [&](std::size_t i) {  // y where x_hat is 0, and its roundings
            const std::size_t c = p.affine_entry(i);
            const double d = in.factor(c) * d_saved, beta = in.beta.empty() ? 0 : in.beta[c];
            const double y = truth::activated(p.spec.activation, d + beta, in.tau_of(c)).high;
            // of an activation: its slope, and 4 u of its own, are less than twice as much; d may be rounded first
            return std::pair(y, (p.spec.activates() ? 3 : 1) * (p.spec.casts() ? 2 : 1) * roundings *
                                    (std::abs(d) + std::abs(beta)));
        };
        const auto gives_way = [&](std::size_t i) {
            return !std::isfinite(out.y[i]) || std::abs(out.y[i] - of_zero(i).first) <= of_zero(i).second;
        };
        // nothing is saved that could say so: then all of y must
        const bool silent = out.saved.var.empty() && out.saved.rstd.empty();
        if (!(given_way(out.saved.var, k, p.spec.eps > 0 || b.var == 0) || given_way(out.saved.rstd, k, b.s == 0) ||
              (silent && std::ranges::all_of(b.elements, gives_way))))
            continue;
        ++saturated;
        const auto accept = [](double& got, const truth::Wide& wanted, double other, double tolerance) {
            if (!std::isfinite(got) || std::abs(got - other) <= tolerance) got = static_cast<double>(wanted);
        };
        for (std::size_t i : b.elements) {
            const std::size_t c = p.affine_entry(i);
            accept(out.y[i], truth.y[i], of_zero(i).first, of_zero(i).second);
            if (p.spec.activates()) accept(out.y[i], truth.y[i], 0, 0);  // of -infinity
            if (in.dy.empty()) continue;
            const double ds = in.ds.empty() ? 0 : in.ds[i];  // what d is where dx is 0
            accept(out.dx[i], truth.dx[i], ds, roundings * std::abs(ds));
            if (p.spec.adds()) accept(out.d_residual[i], truth.d_residual[i], ds, 0);
            accept(out.dgamma[c], truth.dgamma[c], 0, 0);
            // which may be missing
            const double x_hat = std::abs(static_cast<double>(b.r) * truth.x_hat[i].high), dy = std::abs(in.dy[i]);
            hard.dgamma[c] += stored * dy * x_hat;
            if (!p.spec.activates()) continue;
            // the slope there may be any, between -0.13 and 1.13
            hard.dgamma[c] += 1.3 * stored * dy * (x_hat + std::abs(d_saved)), hard.dbeta[c] += 1.3 * stored * dy;
            if (p.spec.thresholds()) hard.dtau[c] += stored * dy;
        }
        for (const QuantityRow& q : quantities::saved())  // not judged
            if (std::vector<double>& saved = out.saved.*q.saved; !saved.empty())
                saved[k] = static_cast<double>(q.of_block(b));
    }
    return saturated;
}

}  // namespace normlab::verify
