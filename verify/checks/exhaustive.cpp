// Every pair of values of a 16-bit type, NaN and infinities too, through blocks of two elements, 2^22 pairs a case; and
// every value through evaluation.

#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "norms/operation.hpp"
#include "norms/running_stats.hpp"
#include "verify/check/compare.hpp"
#include "verify/check/exact.hpp"
#include "verify/checks/exhaustive.hpp"
#include "verify/checks/exhaustive_pairs.hpp"
#include "verify/truth/quantities.hpp"
#include "verify/truth/range.hpp"

namespace normlab::verify {
namespace {

constexpr std::size_t values = 1 << 16, steps = values / exhaustive_slices;
constexpr std::size_t judged_at_most = 1000;  // in quad, of those that fail: the rest is counted

// One block of the same kind, for the definitions in quad.
Inputs<double> one_block(Problem p, double a, double b) {
    p.shape = p.spec.block.samples ? Shape{2, 1, 1} : p.spec.block.channels ? Shape{1, 2, 1} : Shape{1, 1, 2};
    p.spec.groups = 1;
    Inputs<double> in{p, {a, b}, {}, {}, {}, {}};
    if (p.spec.running != Running::none) in.state = initial_state(p.spec, 1);
    return in;
}

// What became of the pairs, of one quantity.
struct Count {
    std::string quantity;
    std::size_t saturated = 0, outside = 0, wrong = 0, in_quad = 0;
    Finding worst{};
    double a = 0, b = 0;  // where it is

    void add(Finding f, const double (&v)[2]) {
        if (f.verdict == Verdict::fail) ++wrong;
        if (!worst.quantity.empty() && worst_index({worst, f}) == 0) return;
        f.where = fmt::format("x={},{}: {}", v[0], v[1], f.where);
        worst = f, a = v[0], b = v[1];
    }
};

class Slice {
public:
    Slice(const Case& c, const Implementation& implementation)
        : case_(c), p_(c.problem()), implementation_(implementation),
          accumulation_(implementation.accumulation(c.dtype)), operation_(p_, implementation, {.threads = 1}),
          saved_(operation_), numbers_(numbers_of_16_bits(c.dtype)), pairs_(p_) {
        const auto blocks = truth::index_sets(p_);
        for (std::size_t k = 0; k < values; ++k)
            for (std::size_t e = 0; e < 2; ++e) place_[e].push_back(memory_index(p_, blocks[k][e]));
        for (std::vector<std::uint16_t>* v : {&x_, &y_, &dx_[0], &dx_[1], &dy_[0], &dy_[1]}) v->resize(2 * values);
        const std::uint16_t one = static_cast<std::uint16_t>(std::ranges::find(numbers_, 1.0) - numbers_.begin());
        for (std::size_t k = 0; k < values; ++k) {
            x_[place_[1][k]] = static_cast<std::uint16_t>(k);
            dy_[0][place_[0][k]] = dy_[1][place_[0][k]] = dy_[1][place_[1][k]] = one;
        }
    }

    std::vector<Finding> run() {
        for (std::size_t k = 0; k < steps; ++k) {
            a_ = static_cast<std::size_t>(case_.seed) % exhaustive_slices * steps + k;
            call();
            judge();
        }
        std::vector<Finding> all;
        for (Count& count : counts_) all.push_back(finding(count));
        return all;
    }

private:
    Tensor tensor(std::vector<std::uint16_t>& v) const { return {v.data(), p_.dtype, p_.shape, p_.layout}; }

    void call() {
        for (const std::size_t at : place_[0]) x_[at] = static_cast<std::uint16_t>(a_);
        if (p_.spec.running != Running::none) state_ = initial_state(p_.spec, p_.shape.C);
        const auto data = [](std::vector<double>& v) { return v.empty() ? nullptr : v.data(); };
        operation_.forward(tensor(x_), {}, {data(state_.mean), data(state_.var), data(state_.sigma), &state_.count},
                           saved_.view(), tensor(y_));
        for (std::size_t g = 0; g < 2; ++g)
            operation_.backward(tensor(x_), tensor(dy_[g]), {}, saved_.view(), {tensor(dx_[g]), nullptr, nullptr});
    }

    void judge() {
        const double a = numbers_[a_];
        for (std::size_t first = 0; first < values; first += Pairs::count) {
            pairs_.forward(a, &numbers_[first]);
            look(counts_[0], y_, first);
            for (std::size_t g = 0; g < 2; ++g) {
                pairs_.backward(1, g == 0 ? 0 : 1);
                look(counts_[1 + g], dx_[g], first);
            }
        }
    }

    // Those of which it is not clear that they are right.
    void look(Count& count, const std::vector<std::uint16_t>& got, std::size_t first) {
        std::array<bool, Pairs::count> clear;
        for (std::size_t k = 0; k < Pairs::count; ++k) {
            const double e0 = std::abs(numbers_[got[place_[0][first + k]]] - pairs_.truth[0][k]),
                         e1 = std::abs(numbers_[got[place_[1][first + k]]] - pairs_.truth[1][k]);
            clear[k] = (e0 <= pairs_.least[0][k]) & (e1 <= pairs_.least[1][k]);
        }
        for (std::size_t k = 0; k < Pairs::count; ++k)
            if (!clear[k]) look_closely(count, got, first + k, k);
    }

    void look_closely(Count& count, const std::vector<std::uint16_t>& got, std::size_t b, std::size_t k) {
        const double v[2] = {numbers_[a_], numbers_[b]};
        const double out[2] = {numbers_[got[place_[0][b]]], numbers_[got[place_[1][b]]]};
        if (!std::isfinite(v[0]) || !std::isfinite(v[1])) return policy(count, v, out);
        const bool is_y = &count == &counts_[0];
        const bool outside = leaves_range(v);
        if (outside && gives_way(b, k, out, is_y)) return void(++count.saturated);
        if (count.wrong + count.outside >= judged_at_most) return void(++(outside ? count.outside : count.wrong));
        ++count.in_quad;
        const Finding f = in_quad(count, v, out);
        if (outside && f.verdict == Verdict::fail) ++count.outside;
        else count.add(f, v);
    }

    // "Policy for NaN and infinities" in verify/README.md: no finite result hides those of its block.
    void policy(Count& count, const double (&v)[2], const double (&out)[2]) {
        const bool others_may_be_0 =
            &count == &counts_[0] && !p_.spec.centred() && !std::isnan(v[0]) && !std::isnan(v[1]);
        for (int e = 0; e < 2; ++e)
            if (std::isfinite(out[e]) && !(others_may_be_0 && std::isfinite(v[e]) && out[e] == 0))
                return count.add(none_of(count.quantity, 1,
                                         fmt::format("{:.9g} where a NaN or infinity of its data should show", out[e])),
                                 v);
    }

    // As outside_range says it of a block.
    bool leaves_range(const double (&v)[2]) const {
        const double mean = p_.spec.centred() ? (v[0] + v[1]) / 2 : 0, size = std::max(std::abs(v[0]), std::abs(v[1]));
        const double distance = std::max(std::abs(v[0] - mean), std::abs(v[1] - mean));
        const double squares = (v[0] - mean) * (v[0] - mean) + (v[1] - mean) * (v[1] - mean);
        const double q = p_.spec.divisor_of(2);
        return range_of(size, distance, sigma_of(p_.spec, squares / q), 2, p_.dtype, accumulation_) != Range::inside;
    }

    // As accept_saturation says it: the saved statistics show what happened, or nothing is saved.
    bool gives_way(std::size_t b, std::size_t k, const double (&out)[2], bool is_y) const {
        const SavedView saved = saved_.view();
        const Saves saves = implementation_.saves();
        const auto gave = [&](double v, bool may_be_0) { return !std::isfinite(v) || (v == 0 && !may_be_0); };
        const bool told =
            (saves.var && gave(saved.var[b], p_.spec.eps > 0)) || (saves.rstd && gave(saved.rstd[b], false));
        if (!told && (saves.var || saves.rstd)) return false;
        const double zero = is_y && saved.d ? rounded(saved.d[b], p_.dtype) : 0;
        for (int e = 0; e < 2; ++e)
            if (std::isfinite(out[e]) && out[e] != zero &&
                !(std::abs(out[e] - pairs_.truth[e][k]) <= pairs_.least[e][k]))
                return false;
        return true;
    }

    Finding in_quad(const Count& count, const double (&v)[2], const double (&out)[2]) const {
        Inputs<double> in = one_block(p_, v[0], v[1]);
        if (&count != &counts_[0]) in.dy = {1, &count == &counts_[1] ? 0.0 : 1.0};
        const truth::Result t = truth::evaluate(in);
        const QuantityRow& q = row_of(&count == &counts_[0] ? Quantity::y : Quantity::dx);
        return compare(count.quantity, in.problem, {out[0], out[1]}, q.in(t),
                       error_bounds(in, t, accumulation_).*q.bound);
    }

    Finding finding(Count& count) const {
        Finding f = count.worst;
        f.quantity = count.quantity;
        f.note = fmt::format("{} pairs", values * steps);
        const auto tell = [&](std::size_t n, std::string_view what) {
            if (n) f.note += fmt::format(", {} {}", n, what);
        };
        tell(count.wrong, "wrong"), tell(count.in_quad, "judged in quad"), tell(count.saturated, "saturated as saved");
        tell(count.outside, "outside the range of the bounds and not saturated");
        if (f.verdict == Verdict::pass && count.outside) f.verdict = Verdict::unresolved;
        if (f.verdict == Verdict::fail && p_.spec.running == Running::none && std::isfinite(count.a + count.b))
            f.note += "; one alone: " + alone(count).rerun();
        return f;
    }

    // The case of accuracy that has this pair; there is none for running statistics that are given.
    Case alone(const Count& count) const {
        Case c = case_;
        c.check = "accuracy", c.seed = 1;
        c.shape = one_block(p_, 0, 0).problem.shape;
        if (p_.spec.groups > 1) c.groups = 1;
        c.x = {"", {count.a, count.b}};
        if (&count != &counts_[0]) c.dy = {"", {1, &count == &counts_[1] ? 0.0 : 1.0}};
        return c;
    }

    const Case& case_;
    Problem p_;
    const Implementation& implementation_;
    Accumulation accumulation_;
    Operation operation_;
    SavedMemory saved_;
    std::vector<double> numbers_;
    Pairs pairs_;
    std::vector<std::size_t> place_[2];  // in memory, of the first and second element of each block
    std::vector<std::uint16_t> x_, y_, dx_[2], dy_[2];
    State state_;
    std::size_t a_ = 0;
    Count counts_[3] = {{"y"}, {"dx, dy = (1, 0)"}, {"dx, dy = (1, 1)"}};
};

std::string exhaustive_refuses(const Case& c) {
    if (const std::string reason = needs_one_a_channel(c); !reason.empty()) return reason;
    if (!is_narrow(c.dtype)) return "there are too many pairs of more than 16 bits";
    const Problem p = c.problem();
    if (p.spec.is_partial()) return "it looks at blocks whose statistics are of both elements";
    if (!p.own_statistics())
        return std::ranges::any_of(exhaustive_evaluation_cases(c), [&](const Case& e) { return e.shape == c.shape; })
                   ? ""
                   : "in evaluation it looks at shapes of its own";
    if (c.mode == Mode::eval) return "it is the same as training";
    return p.block_size() == 2 && c.shape.size() == 2 * static_cast<std::int64_t>(values)
               ? ""
               : fmt::format("it looks at {} blocks of two elements", values);
}

std::vector<Finding> exhaustive(const Case& c, const Implementation& implementation) {
    if (implementation.device() != Device::host) throw Unsuitable("it looks at implementations on the host");
    return c.mode == Mode::eval ? exhaustive_evaluation(c, implementation) : Slice(c, implementation).run();
}

std::vector<Case> no_cases(const Case&, Tier) { return {}; }

}  // namespace

std::vector<double> numbers_of_16_bits(DType dtype) {
    std::vector<std::uint16_t> bits(values);
    std::iota(bits.begin(), bits.end(), std::uint16_t{0});
    std::vector<double> numbers;
    for (std::size_t k = 0; k < values; ++k)
        numbers.push_back(read_element<double>(bits.data(), dtype, static_cast<std::int64_t>(k)));
    return numbers;
}

std::vector<Case> exhaustive_cases(Case base) {
    if (base.mode == Mode::eval) return exhaustive_evaluation_cases(base);
    const Spec spec = base.spec();
    const auto n = static_cast<std::int64_t>(values);
    base.check = exhaustive_name, base.affine = AffineUse::none;
    base.shape = spec.block.samples      ? Shape{2, n, 1}
                 : !spec.block.channels  ? Shape{256, 256, 2}
                 : !spec.block.positions ? Shape{1, 2, n}
                 : spec.block.groups     ? Shape{n, 2, 1}
                                         : Shape{n / spec.groups, 2 * spec.groups, 1};
    std::vector<Case> cases;
    for (std::size_t k = 0; k < exhaustive_slices; ++k) {
        base.seed = k;
        cases.push_back(base);
    }
    return cases;
}

extern const Check exhaustive_check{
    exhaustive_name, "every pair of values of 16 bits, as blocks of two elements: y and dx are within their bounds",
    false,           exhaustive_refuses,
    no_cases,        exhaustive};

}  // namespace normlab::verify
