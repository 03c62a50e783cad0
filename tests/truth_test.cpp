// Truth judges everybody, so it is itself tested by something else: dual numbers through its own definition, written
// out here for one block.

#include "verify/truth/truth.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "verify/case/draw.hpp"
#include "verify/run/generate.hpp"
#include "verify/truth/quantities.hpp"
#include "verify/truth/tape.hpp"

using namespace normlab;
using namespace normlab::verify;

namespace {

// A value and its derivative by one variable.
struct Dual {
    Quad v = 0, d = 0;
};
Dual operator+(const Dual& a, const Dual& b) { return {a.v + b.v, a.d + b.d}; }
Dual operator-(const Dual& a, const Dual& b) { return {a.v - b.v, a.d - b.d}; }
Dual operator*(const Dual& a, const Dual& b) { return {a.v * b.v, a.d * b.v + a.v * b.d}; }
Dual operator/(const Dual& a, const Dual& b) { return {a.v / b.v, (a.d * b.v - a.v * b.d) / (b.v * b.v)}; }
Dual root(const Dual& a) { return {sqrt(a.v), a.d / (2 * sqrt(a.v))}; }

// d sum(dy * gamma * norm(x)) / d x_j for a single block that is the whole tensor [1, 1, m].
Quad by_dual_numbers(const Spec& spec, const std::vector<double>& x, const std::vector<double>& dy, double gamma,
                     std::size_t j) {
    std::vector<Dual> v;
    for (std::size_t i = 0; i < x.size(); ++i) v.push_back({Quad(x[i]), Quad(i == j ? 1 : 0)});
    const Dual m{Quad(static_cast<double>(x.size())), 0};
    Dual mean, square;
    if (spec.moments == Moments::centred)
        for (const Dual& e : v) mean = mean + e / m;
    const auto k = static_cast<std::size_t>(spec.part_of(static_cast<double>(x.size())));
    for (std::size_t i = 0; i < k; ++i) square = square + (v[i] - mean) * (v[i] - mean);
    const bool sums = spec.divisor == Divisor::one || (spec.divisor == Divisor::own && spec.moments == Moments::norm);
    if (!sums)
        square = square / (spec.divisor == Divisor::less_one ? m - Dual{1, 0} : Dual{Quad(static_cast<double>(k)), 0});
    const Dual eps{Quad(spec.eps), 0}, length = root(square);
    const Dual s = spec.denominator == Denominator::added   ? length + eps
                   : spec.denominator == Denominator::floor ? (length.v < eps.v ? eps : length)
                   : spec.denominator == Denominator::floor_root
                       ? (square.v < eps.v ? Dual{Quad(sqrt(eps.v)), 0} : length)
                       : root(square + eps);
    Dual loss;
    for (std::size_t i = 0; i < x.size(); ++i)
        loss = loss + Dual{Quad(dy[i]), 0} * Dual{Quad(gamma), 0} * ((v[i] - mean) / s);
    return loss.d;
}

}  // namespace

TEST_CASE("truth's gradient by x is what dual numbers give, to quad precision") {
    std::vector<Spec> specs{l2_norm(1, Denominator::floor_root), l2_norm(100), l2_norm(100, Denominator::floor_root)};
    for (const Standardization form : {Standardization::inside, Standardization::scaled})
        for (const double eps : {0.1, 100.0}) specs.push_back(weight_standardization(form, eps));
    for (const Variant& variant : variants) specs.push_back(variant.make());
    for (Spec spec : specs) {
        spec.correction = Correction::none, spec.running = Running::none, spec.groups = 1;
        Random random(3);
        Inputs<double> in{{spec, {1, 1, 11}, DType::f64}, random.normals(11), random.normals(11), {1.7}, {-0.3}, {}};
        if (spec.block == Axes{.groups = true, .channels = true}) continue;  // one value a block here
        const truth::Result t = truth::evaluate_by_tape(in);
        const truth::Result by_formula = truth::evaluate_by_formula(in);
        CAPTURE(spec.variant, spec.eps, static_cast<int>(spec.denominator), static_cast<int>(spec.divisor));
        for (std::size_t j = 0; j < 11; ++j) {
            CHECK(std::abs(t.dx[j].high - by_formula.dx[j].high) < 1e-14);
            const Quad expected = by_dual_numbers(spec, in.x, in.dy, 1.7, j);
            // 11 terms of order 1, 2^-113 each, some hundred roundings
            CHECK(static_cast<double>(abs(Quad(t.dx[j]) - expected)) < 1e-31);
        }
    }
}

TEST_CASE("truth by formula is truth by the tape, to a millionth of the smallest bound") {
    int compared = 0;
    for (std::uint64_t i = 0; i < 1200; ++i) {
        Random random(5, i);
        Case c = random_case(random, {});
        if (c.shape.size() > 400) continue;
        Inputs<double> in;
        try {
            in = draw_twice(c);
        } catch (const Unsuitable&) {
            continue;
        }
        if (!truth::may_use_formula(in)) continue;
        CAPTURE(c.text());
        const truth::Result t = truth::evaluate_by_formula(in), by_tape = truth::evaluate_by_tape(in);
        const Bounds least = error_bounds(in, by_tape, Accumulation::kappa_free);
        for (const auto rows : {quantities::results(), quantities::second()})
            for (const QuantityRow& q : rows) {
                const std::vector<truth::Wide> got = q.in(t), right = q.in(by_tape);
                const std::vector<double>& bound = least.*q.bound;
                REQUIRE(got.size() == right.size());
                double worst = 0;
                for (std::size_t k = 0; k < std::min(got.size(), bound.size()); ++k)
                    worst = std::max(worst, Finding::ratio(std::abs(static_cast<double>(got[k] - right[k])), bound[k]));
                CAPTURE(q.name);
                CHECK(worst < 0x1p-20);
            }
        ++compared;
    }
    CHECK(compared > 500);
}

TEST_CASE("truth on numbers done by hand") {
    // x = 1, 3: mean 2, var 1, eps 3: s = 2, x_hat = -1/2, 1/2
    Inputs<double> in{{batch_norm(3.0), {2, 1, 1}, DType::f64}, {1, 3}, {1, 0}, {4}, {10}, {{8}, {5}, {}, 0}};
    const truth::Result t = truth::evaluate(in);
    CHECK(t.y[0] == 8);
    CHECK(t.y[1] == 12);
    CHECK(t.dgamma[0] == -0.5);
    CHECK(t.dbeta[0] == 1);
    // g = 4, 0; mean g = 2; mean g x_hat = -1: dx = (4 - 2 - 1/2) / 2, (0 - 2 + 1/2) / 2
    CHECK(t.dx[0] == 0.75);
    CHECK(t.dx[1] == -0.75);
    // 0.1 is a double
    CHECK(static_cast<double>(abs(Quad(t.running_mean[0]) - (Quad(0.9) * 8 + Quad(0.1) * 2))) < 1e-15);
    CHECK(static_cast<double>(abs(Quad(t.running_spread[0]) - (Quad(0.9) * 5 + Quad(0.1) * 2))) <
          1e-15);                  // unbiased: 2
    in.problem.mode = Mode::eval;  // (x - 8) / sqrt(5 + 3)
    CHECK(static_cast<double>(abs(Quad(truth::evaluate(in).y[0]) - (10 - 28 / sqrt(Quad(8))))) < 1e-30);
}

TEST_CASE("batch renorm's r and d clip, and its running sigma is a standard deviation") {
    // mean 2, var 1, eps 0: sigma_B = 1; running mean 0, sigma 0.1: raw r = 10, raw d = 20
    Inputs<double> in{{batch_renorm(3, 5, 0.0), {2, 1, 1}, DType::f64}, {1, 3}, {}, {}, {}, {{0}, {}, {0.1}, 0}};
    const truth::Result t = truth::evaluate(in);
    CHECK(t.y[0] == 2);  // -1 * 3 + 5
    CHECK(t.y[1] == 8);
    CHECK(static_cast<double>(t.running_spread[0]) == Approx(0.9 * 0.1 + 0.1 * 1));
}

TEST_CASE("the tape differentiates every operation it has") {
    truth::Tape tape;
    const truth::Recorded a(Quad(3), tape), b(Quad(7), tape);
    const truth::Recorded f = sqrt(a * b + a / b) - b;
    const auto by = tape.derivatives(f.node);
    const Quad inside = Quad(21) + Quad(3) / 7;
    CHECK(static_cast<double>(abs(by[a.node] - (7 + Quad(1) / 7) / (2 * sqrt(inside)))) < 1e-32);
    CHECK(static_cast<double>(abs(by[b.node] - ((3 - Quad(3) / 49) / (2 * sqrt(inside)) - 1))) < 1e-32);
}

TEST_CASE("a tape of dual numbers differentiates every operation twice") {
    // along (1, 2): f = sqrt(a b + a / b) - b
    truth::BasicTape<truth::Dual> tape;
    const truth::BasicRecorded<truth::Dual> a({Quad(3), Quad(1)}, tape), b({Quad(7), Quad(2)}, tape);
    const auto f = sqrt(a * b + a / b) - b;
    const auto by = tape.derivatives(f.node);
    const Quad inside = Quad(21) + Quad(3) / 7, root = sqrt(inside), by_a = 7 + Quad(1) / 7, by_b = 3 - Quad(3) / 49;
    const Quad along = by_a + 2 * by_b;  // of what is inside the root
    CHECK(static_cast<double>(abs(f.value.along - (along / (2 * root) - 2))) < 1e-32);
    const Quad by_a_along = 2 * (1 - Quad(1) / 49), by_b_along = (1 - Quad(1) / 49) + 2 * 2 * Quad(3) / 343;
    CHECK(static_cast<double>(abs(by[a.node].along - (by_a_along - by_a * along / (2 * inside)) / (2 * root))) < 1e-32);
    CHECK(static_cast<double>(abs(by[b.node].along - (by_b_along - by_b * along / (2 * inside)) / (2 * root))) < 1e-32);
}

TEST_CASE("every result of a call has its truth and its bound, and scales with x as its row says") {
    for (const char* variant : {"batch_norm", "batch_renorm", "rms_norm"}) {
        const Inputs<double> in = draw({.variant = variant, .dtype = DType::f64, .shape = {4, 3, 2}});
        Inputs<double> twice = in;
        for (auto* values : {&twice.x, &twice.state.mean, &twice.state.sigma})
            for (double& v : *values) v *= 2;
        for (double& v : twice.state.var) v *= 4;
        twice.problem.spec.eps *= 4;
        const truth::Result t = truth::evaluate(in), t_twice = truth::evaluate(twice);
        const Bounds bounds = error_bounds(in, t, Accumulation::sequential);
        const Outputs<double> out = run(find_implementation("reference"), in);
        std::size_t seen = 0;
        for (const QuantityRow& q : quantities::results()) {
            const std::vector<truth::Wide> right = q.in(t), scaled = q.in(t_twice);
            if (q.in(out).empty()) continue;  // not kept by this variant
            CAPTURE(variant, q.name);
            REQUIRE(q.in(out).size() == right.size());
            REQUIRE((bounds.*q.bound).size() == right.size());
            const bool variance = q.quantity == Quantity::running_spread && in.problem.spec.running != Running::sigma;
            const int degree = q.quantity == Quantity::running_spread ? (variance ? 2 : 1) : q.degree;
            for (std::size_t i = 0; i < right.size(); ++i) CHECK(scaled[i] == right[i] * std::exp2(degree));
            ++seen;
        }
        CHECK(seen == (std::string_view(variant) == "rms_norm"     ? 7
                       : std::string_view(variant) == "batch_norm" ? 9
                                                                   : 11));
    }
}
