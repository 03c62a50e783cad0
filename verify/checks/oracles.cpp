#include "verify/checks/oracles.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "norms/variants.hpp"
#include "verify/truth/activation.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {

std::vector<Argument> arguments(const Inputs<double>& in) {
    std::vector<Argument> all;
    for (const QuantityRow& q : quantities::outputs(in.problem))
        if (q.quantity == Quantity::dx || (q.by_complex && !(in.*q.by).empty()))
            all.push_back({q.name, q.by, q.by_complex, q.output, q.bound, q.truth});
    return all;
}

Parts parts(const Inputs<double>& in, const truth::Result& t, const Argument& a) {
    Parts out;
    out.of_y.resize(in.x.size());
    if (a.is_x()) {
        out.count = t.blocks.size();
        out.kind = "block";
        for (std::size_t b = 0; b < out.count; ++b)
            for (std::size_t i : t.blocks[b].elements) out.of_y[i] = b;
        out.of_argument = out.of_y;
    } else {
        out.count = (in.*a.values).size();
        out.kind = "entry";
        out.of_argument.resize(out.count);
        std::iota(out.of_argument.begin(), out.of_argument.end(), std::size_t{0});
        for (std::size_t i = 0; i < in.x.size(); ++i) out.of_y[i] = in.problem.affine_entry(i);
    }
    return out;
}

// In arithmetic of f32 no more than 100: beyond it differences of results keep too few digits. In a narrow type no more
// than a tenth of what its digits can hold, so that neighbours of a block stay apart.
double demanding_kappa(DType d) {
    const double largest = row_of(d).largest_kappa;
    return arithmetic_dtype(d) == DType::f32 ? std::min(100.0, largest / 10) : largest;
}

std::vector<Case> oracle_cases(const Case& base, const Shape& shape) {
    std::vector<Case> cases;
    const Spec spec = base.spec();
    const auto add = [&](auto change) {
        Case c = base;
        c.shape = shape;
        if (spec.block.channels && !spec.block.groups) c.groups = 2;
        change(c);
        cases.push_back(c);
    };
    add([](Case&) {});
    if (spec.correction == Correction::renorm)
        for (StateKind kind : {StateKind::far, StateKind::at}) add([kind](Case& c) { c.state = kind; });
    if (repeats_training(base)) return cases;
    add([](Case& c) { c.kappa = demanding_kappa(c.dtype); });
    add_forms(cases, Case(cases[0]));
    if (spec.eps > 0) add([](Case& c) { c.sigma = 0.01; });
    if (spec.block.samples && may_keep_state(spec)) add([](Case& c) { c.stat_batch = c.shape.N / 2; });
    return cases;
}

std::vector<double> tangent(const Inputs<double>& in, const Argument& a, const std::vector<double>& v) {
    constexpr double h = 1e-200;
    Inputs<Complex> at = in.as<Complex>(DType::complex);
    std::vector<Complex>& values = at.*a.complex_values;
    for (std::size_t k = 0; k < v.size(); ++k) values[k] = {values[k].real(), h * v[k]};
    std::vector<double> derivative;
    for (const Complex& y : run_forward(find_implementation("reference"), at).y) derivative.push_back(y.imag() / h);
    return derivative;
}

// Where statistics are of a part J is not symmetric, and dx's bound none of J v = (1/s) (v - x_hat G), G = (1/k) sum
// x_hat v over the part: that with the sizes of its terms and the errors that bounds.hpp gives those of dx, of sums of
// k terms in double.
static std::vector<double> tangent_bound_of_part(const Inputs<double>& in, const truth::Result& t,
                                                 const std::vector<double>& v) {
    constexpr double u = unit_roundoff(DType::f64);
    std::vector<double> out(in.x.size());
    for (const truth::Block& b : t.blocks) {
        if (b.s == 0) continue;
        const auto l = static_cast<double>(std::min(b.part, b.elements.size())), s = static_cast<double>(b.s);
        double G = 0;
        for (std::size_t k = 0; k < b.elements.size() && k < b.part; ++k)
            G += std::abs(t.x_hat[b.elements[k]].high * v[b.elements[k]]) / b.divisor;
        for (const std::size_t i : b.elements)
            out[i] = 2 * u * ((l / 2 + 6) * std::abs(v[i]) + (2.5 * l + 16) * std::abs(t.x_hat[i].high) * G) / s;
    }
    return out;
}

std::vector<double> tangent_bound(const Inputs<double>& in, const truth::Result& t, const Argument& a,
                                  const std::vector<double>& v) {
    Inputs<double> plain = in.as<double>(DType::f64);  // gamma = 1, beta = 0
    plain.problem.spec.activation = Activation::none;
    Inputs<double> forward_only = plain;
    forward_only.dy.clear();
    plain.gamma.clear(), plain.beta.clear();
    if (a.is_x()) plain.dy = v;
    Bounds bounds = error_bounds(plain, t, Accumulation::sequential);
    if (a.is_x() && in.problem.spec.is_partial()) bounds.dx = tangent_bound_of_part(in, t, v);
    std::vector<double> out(in.x.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
        const std::size_t c = in.problem.affine_entry(i);
        // an offset is added there too: one rounding more, where dx has eight and more
        if (a.is_x()) out[i] = std::abs(in.factor(c)) * bounds.dx[i] * (in.problem.spec.gamma_offset ? 1.125 : 1);
        else
            out[i] =
                std::abs(v[c]) * (a.values == &Inputs<double>::gamma ? bounds.y[i] : 2 * unit_roundoff(DType::f64));
    }
    if (!in.problem.spec.activates()) return out;
    // Behind an activation y's tangent is dy/dz times z's. z's is off by `out`, which counts roundings of its size: by
    // x eight and more, as dx's bound has them, by gamma and beta two. So z's is no larger than `out` divided by so
    // many u, and that times the error of the slope is added.
    constexpr double u = unit_roundoff(DType::f64);
    const std::vector<double> of_z = error_bounds(forward_only, t, Accumulation::sequential).y;
    for (std::size_t i = 0; i < out.size(); ++i) {
        const double slope = truth::activation_errors(in.problem.spec.activation, t.z[i].high, of_z[i], u,
                                                      in.tau_of(in.problem.affine_entry(i)))
                                 .slope;
        out[i] *= 1.13 + slope + slope / ((a.is_x() ? 8 : 2) * u);
    }
    return out;
}

void freeze_correction(Inputs<double>& in, const truth::Result& at) {
    if (!in.problem.has_correction()) return;
    Inputs<double> forward_only = in;
    forward_only.dy.clear();
    const truth::Result moved = truth::evaluate(forward_only);
    for (std::size_t c = 0; c < in.state.mean.size(); ++c) {
        const Quad sigma = moved.blocks[c].s / at.blocks[c].r;
        in.state.mean[c] = static_cast<double>(moved.blocks[c].mean - at.blocks[c].d * sigma);
        if (!in.state.sigma.empty()) in.state.sigma[c] = static_cast<double>(sigma);
        else in.state.var[c] = static_cast<double>(sigma * sigma - Quad(in.problem.spec.eps));
    }
}

}  // namespace normlab::verify
