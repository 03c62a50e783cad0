#include "verify/truth/scale.hpp"

#include <algorithm>

namespace normlab::verify {
namespace {

double magnitude(const Quad& v) { return std::abs(static_cast<double>(v)); }
double magnitude(const truth::Wide& v) { return std::abs(v.high); }

double cotangent(const std::vector<double>& v, std::size_t i) { return v.empty() ? 0 : std::abs(v[i]); }

// The numbers of a block, as doubles once for all of its elements: each conversion costs as much as an element.
struct Sizes {
    explicit Sizes(const truth::Block& b) : s(magnitude(b.s)), r(magnitude(b.r)), d(magnitude(b.d)) {}
    double s, r, d;
};

// f(element, its entry of gamma and beta, its block), the largest.
template <class F>
double over_elements(const Inputs<double>& in, const truth::Result& t, F f) {
    double largest = 0;
    for (const truth::Block& block : t.blocks) {
        const Sizes b(block);
        for (const std::size_t i : block.elements) largest = std::max(largest, f(i, in.problem.affine_entry(i), b));
    }
    return largest;
}

template <class F>
double over_blocks(const truth::Result& t, F f) {
    double largest = 0;
    for (const truth::Block& b : t.blocks) largest = std::max(largest, f(b));
    return largest;
}

// The sums over each entry of f, the largest.
template <class F>
double over_entries(const Inputs<double>& in, const truth::Result& t, F f) {
    std::vector<double> sums(static_cast<std::size_t>(in.problem.affine_count()));
    over_elements(in, t, [&](std::size_t i, std::size_t c, const Sizes& b) { return sums[c] += f(i, b); });
    return sums.empty() ? 0 : std::ranges::max(sums);
}

}  // namespace

double scale_of(const QuantityRow& q, const Inputs<double>& in, const truth::Result& t) {
    using truth::Block;
    const auto gamma = [&](std::size_t c) { return std::abs(in.factor(c)); };
    const auto x_hat = [&](std::size_t i, const Sizes& b) { return magnitude(t.x_hat[i]) * b.r + b.d; };
    switch (q.quantity) {
        case Quantity::y:
            return over_elements(in, t, [&](std::size_t i, std::size_t c, const Sizes& b) {
                return gamma(c) * x_hat(i, b) + (in.beta.empty() ? 0 : std::abs(in.beta[c]));
            });
        case Quantity::dx:
        case Quantity::d_residual:
            return over_elements(in, t, [&](std::size_t i, std::size_t c, const Sizes& b) {
                return cotangent(in.ds, i) + (b.s > 0 ? gamma(c) * b.r * std::abs(in.dy[i]) / b.s : 0);
            });
        case Quantity::dgamma:
            return over_entries(in, t, [&](std::size_t i, const Sizes& b) { return std::abs(in.dy[i]) * x_hat(i, b); });
        case Quantity::dbeta:
        case Quantity::dtau:
            return over_entries(in, t, [&](std::size_t i, const Sizes&) { return std::abs(in.dy[i]); });
        case Quantity::mean:
            return over_blocks(t, [](const Block& b) { return std::max(magnitude(b.mean), magnitude(b.s)); });
        case Quantity::var: return over_blocks(t, [](const Block& b) { return magnitude(b.s * b.s); });
        case Quantity::rstd: return over_blocks(t, [](const Block& b) { return b.s > 0 ? 1 / magnitude(b.s) : 0; });
        case Quantity::r: return over_blocks(t, [](const Block& b) { return magnitude(b.r); });
        case Quantity::d:
            return over_blocks(t, [](const Block& b) { return std::max(magnitude(b.d), magnitude(b.r)); });
        case Quantity::ddx:
            return over_elements(in, t, [&](std::size_t i, std::size_t c, const Sizes& b) {
                const double dy = std::abs(in.dy[i]) * b.r;
                return b.s > 0 ? (gamma(c) * dy * cotangent(in.v, i) / b.s + dy * cotangent(in.u, c)) / b.s : 0;
            });
        case Quantity::ddy:
            return over_elements(in, t, [&](std::size_t i, std::size_t c, const Sizes& b) {
                return (b.s > 0 ? gamma(c) * b.r * cotangent(in.v, i) / b.s : 0) + cotangent(in.u, c) * x_hat(i, b) +
                       cotangent(in.w, c);
            });
        case Quantity::ddgamma:
            return over_entries(in, t, [&](std::size_t i, const Sizes& b) {
                return b.s > 0 ? b.r * std::abs(in.dy[i]) * cotangent(in.v, i) / b.s : 0;
            });
        default: return 0;
    }
}

bool promises_nothing(const std::vector<double>& bounds, double scale) {
    const auto larger = std::ranges::count_if(bounds, [&](double b) { return b > scale; });
    return scale > 0 && 2 * larger >= std::ssize(bounds) && larger > 0;
}

}  // namespace normlab::verify
