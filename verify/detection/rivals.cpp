#include "verify/detection/rivals.hpp"

#include <array>
#include <numeric>

#include "norms/memory.hpp"
#include "norms/variants.hpp"
#include "verify/faults/naming.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify::faults {
namespace {

using Values = std::vector<double>;

// The arguments that have gradients, together.
struct Point {
    Values x, gamma, beta;
    std::array<Values*, 3> all() { return {&x, &gamma, &beta}; }
    std::array<const Values*, 3> all() const { return {&x, &gamma, &beta}; }
};

double dot(const Values& a, const Values& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }
double sum(const Values& v) { return std::accumulate(v.begin(), v.end(), 0.0); }

Values forward_at(const Implementation& f, const Inputs<double>& in, const Point& at) {
    Inputs<double> moved = in;
    moved.x = at.x, moved.gamma = at.gamma, moved.beta = at.beta;
    return run_forward(f, moved).y;
}

Point vjp(const Implementation& f, const Inputs<double>& in, const Values& cotangent) {
    Inputs<double> with = in;
    with.dy = cotangent;
    const Outputs<double> out = run(f, with);
    return {out.dx, out.dgamma, out.dbeta};
}

// (f(x + h t) - f(x - h t)) / 2h, x and t all three arguments.
Values difference(const Implementation& f, const Inputs<double>& in, const Point& t, double h) {
    Point plus{in.x, in.gamma, in.beta}, minus = plus;
    for (std::size_t a = 0; a < 3; ++a)
        for (std::size_t k = 0; k < t.all()[a]->size(); ++k) {
            (*plus.all()[a])[k] += h * (*t.all()[a])[k];
            (*minus.all()[a])[k] -= h * (*t.all()[a])[k];
        }
    Values up = forward_at(f, in, plus);
    const Values down = forward_at(f, in, minus);
    for (std::size_t i = 0; i < up.size(); ++i) up[i] = (up[i] - down[i]) / (2 * h);
    return up;
}

bool close(double a, double n, double atol, double rtol) { return std::abs(a - n) <= atol + rtol * std::abs(n); }

Point zeros(const Inputs<double>& in) { return {Values(in.x.size()), Values(in.gamma.size()), Values(in.beta.size())}; }

bool gradcheck_slow(const Implementation& f, const Inputs<double>& in) {
    std::vector<Point> rows;
    for (std::size_t j = 0; j < in.x.size(); ++j) {
        Values unit(in.x.size());
        unit[j] = 1;
        rows.push_back(vjp(f, in, unit));
        const Point again = vjp(f, in, unit);
        for (std::size_t a = 0; a < 3; ++a)
            if (*again.all()[a] != *rows.back().all()[a]) return false;
    }
    for (std::size_t a = 0; a < 3; ++a)
        for (std::size_t k = 0; k < rows[0].all()[a]->size(); ++k) {
            Point unit = zeros(in);
            (*unit.all()[a])[k] = 1;
            const Values column = difference(f, in, unit, 1e-6);
            for (std::size_t j = 0; j < column.size(); ++j)
                if (!close((*rows[j].all()[a])[k], column[j], 1e-5, 1e-3)) return false;
        }
    return true;
}

Values uniform_unit(std::size_t size, Random& random) {
    Values v(size);
    for (double& e : v) e = random.uniform();
    const double length = std::sqrt(dot(v, v));
    for (double& e : v) e /= length;
    return v;
}

bool gradcheck_fast(const Implementation& f, const Inputs<double>& in) {
    Random random(5);
    const Values v = uniform_unit(in.x.size(), random);
    const Point analytic = vjp(f, in, v);
    for (std::size_t a = 0; a < 3; ++a) {
        Point u = zeros(in);
        *u.all()[a] = uniform_unit(u.all()[a]->size(), random);
        const Values& direction = *u.all()[a];
        if (!close(dot(direction, *analytic.all()[a]), dot(v, difference(f, in, u, 1e-6)),
                   1e-5 * sum(direction) * sum(v), 1e-3))
            return false;
    }
    return true;
}

bool check_grads(const Implementation& f, const Inputs<double>& in) {
    Random random(6);
    Point tangent = zeros(in);
    for (Values* v : tangent.all())
        for (double& e : *v) e = random.normal();
    const Values cotangent = random.normals(in.x.size());
    const Point back = vjp(f, in, cotangent);
    double analytic = 0;
    for (std::size_t a = 0; a < 3; ++a) analytic += dot(*tangent.all()[a], *back.all()[a]);
    return close(analytic, dot(difference(f, in, tangent, 1e-4), cotangent), 1e-5, 1e-5);
}

bool fixed_step(const Implementation& f, const Inputs<double>& in) {
    const Point analytic = vjp(f, in, in.dy);
    for (std::size_t a = 0; a < 3; ++a)
        for (std::size_t k = 0; k < analytic.all()[a]->size(); ++k) {
            Point unit = zeros(in);
            (*unit.all()[a])[k] = 1;
            if (!close((*analytic.all()[a])[k], dot(difference(f, in, unit, 1e-4), in.dy), 1e-6, 1e-4)) return false;
        }
    return true;
}

// Forward: each element of y, relative to itself (near zero: absolutely; where beta cancels: relative to what it was
// added to); mean and variance as the reference's in f32. Backward: by norm.
bool benchdnn(const Implementation& f, const Inputs<double>& in) {
    const Outputs<double> out = run(f, in);
    const truth::Result t = truth::evaluate(in);
    for (std::size_t i = 0; i < out.y.size(); ++i) {
        const double right = rounded(static_cast<double>(t.y[i]), DType::f32), off = std::abs(out.y[i] - right),
                     size = std::abs(right);
        const double without_beta = in.beta.empty() ? 0 : std::abs(right - in.beta[in.problem.affine_entry(i)]);
        const bool cancels = !in.beta.empty() && without_beta > size && off <= 6e-7 * without_beta;
        if (!(off <= 6e-7 * (size > 1e-5 ? size : 1)) && !cancels) return false;
    }
    for (std::size_t b = 0; in.problem.own_statistics() && b < t.blocks.size(); ++b)
        if (rounded(out.saved.mean[b], DType::f32) != rounded(static_cast<double>(t.blocks[b].mean), DType::f32) ||
            rounded(out.saved.var[b], DType::f32) != rounded(static_cast<double>(t.blocks[b].var), DType::f32))
            return false;
    const auto near = [](const Values& got, const std::vector<truth::Wide>& right, double threshold) {
        double off = 0, size = 0;
        for (std::size_t i = 0; i < got.size(); ++i) {
            const auto value = static_cast<double>(right[i]);
            off += (got[i] - value) * (got[i] - value), size += value * value;
        }
        return std::sqrt(off) <= threshold * std::sqrt(size);
    };
    return near(out.dx, t.dx, 6e-7) && near(out.dgamma, t.dgamma, 5e-6) && near(out.dbeta, t.dbeta, 5e-6);
}

constexpr Rival all_rivals[] = {
    {"gradcheck slow", "PyTorch's gradcheck: every entry of the Jacobian", DType::f64, gradcheck_slow},
    {"gradcheck fast", "PyTorch's gradcheck, fast_mode: one random projection", DType::f64, gradcheck_fast},
    {"check_grads", "JAX's check_grads: one random direction", DType::f64, check_grads},
    {"fixed step", "central differences of a loss, h = 1e-4", DType::f64, fixed_step},
    {"benchdnn", "oneDNN's benchdnn: beside a reference, forward by element, backward by norm", DType::f32, benchdnn},
};

}  // namespace

std::span<const Rival> rivals() { return all_rivals; }

Inputs<double> rival_inputs(const Rival& rival, std::string_view variant, Mode mode) {
    Case c;
    c.variant = find_variant(variant).name, c.mode = mode, c.dtype = rival.dtype;
    c.shape = {3, 4, 4};
    if (c.spec().correction == Correction::renorm && mode == Mode::train) c.state = StateKind::far;
    if (rival.dtype == DType::f64) return draw(c);
    c.shape = {8, 4, 6};
    if (c.spec().eps > 0) c.eps = 1.0 / 16;
    Inputs<double> in = draw(c);
    for (std::size_t i = 0; i < in.x.size(); ++i) {  // m (1 + f), m (1 - f), m in {1/4, ..., 2}, f of 6 bits
        const double m = std::ldexp(0.25, static_cast<int>(i / 6 % 4)), f = static_cast<double>(i / 2 * 1637 % 64) / 64;
        in.x[i] = m * (1 + (i % 2 ? -f : f));
    }
    return in;
}

bool finds(const Rival& rival, const Fault* fault) {
    for (const Variant* v : all_variants())
        for (const Mode mode : {Mode::train, Mode::eval}) {
            const Inputs<double> in = rival_inputs(rival, v->name, mode);
            if (fault ? !fault->shows_in(in.problem) : mode == Mode::eval && in.problem.own_statistics()) continue;
            try {
                if (!rival.passes(implementation(fault), in)) return true;
            } catch (const Failure&) {  // a write beyond an array, which the rule does not look at
            }
        }
    return false;
}

}  // namespace normlab::verify::faults
