// The whole Jacobian of small layers, entry by entry: its columns by the complex step on the reference, its rows by the
// implementation's backward pass from unit cotangents. One wrong entry cannot hide in a sum.

#include <fmt/format.h>

#include "verify/checks/oracles.hpp"

namespace normlab::verify {
namespace {

std::string jacobian_refuses(const Case& c) {
    constexpr std::int64_t most = 256;
    return c.shape.size() <= most
               ? ""
               : fmt::format("it takes one backward pass an element; up to {} elements are accepted", most);
}

std::vector<Case> jacobian_cases(const Case& base, Tier tier) {
    const Shape shape{4, 2, 3}, by_channel{2, 4, 3};
    const auto small = [&] { return oracle_cases(base, base.spec().block.samples ? shape : by_channel); };
    std::vector<Case> all = small();
    if (tier == Tier::smoke) return {all[0]};
    if (base.layout == Layout::channels_first) {
        all.push_back(all[0]);
        all.back().activation = Activation::threshold, all.back().tau.pattern = "between";
    }
    for (std::uint64_t seed = 2; tier == Tier::full && seed < 20; ++seed)
        for (Case c : small()) {
            c.seed = seed;
            all.push_back(c);
        }
    return all;
}

std::vector<Finding> jacobian(const Case& c, const Implementation& implementation) {
    Inputs<double> in = draw(c);
    truth::Result t = truth::evaluate(in);
    require_finite_dx(t, c.dtype);
    const std::vector<Argument> all_arguments = arguments(in);
    const std::size_t n = in.x.size();

    struct Columns {
        Parts of;
        std::vector<std::vector<double>> J, bound;  // [k][i]: dy_i by argument k
        std::vector<double> signal;                 // of each part: the root mean square of its entries
        std::vector<Comparison> entries;            // row by row
    };
    std::vector<Columns> columns;
    for (const Argument& a : all_arguments) {
        Columns of{parts(in, t, a), {}, {}, {}, {}};
        std::vector<double> unit((in.*a.values).size()), squares(of.of.count), count(of.of.count);
        for (std::size_t k = 0; k < unit.size(); ++k) {
            unit[k] = 1;
            of.J.push_back(tangent(in, a, unit)), of.bound.push_back(tangent_bound(in, t, a, unit));
            unit[k] = 0;
            const std::size_t part = of.of.of_argument[k];
            for (std::size_t i = 0; i < n; ++i)
                if (of.of.of_y[i] == part) squares[part] += of.J[k][i] * of.J[k][i], count[part] += 1;
        }
        for (std::size_t part = 0; part < of.of.count; ++part)
            of.signal.push_back(std::sqrt(squares[part] / count[part]));
        columns.push_back(std::move(of));
    }
    in.dy.assign(n, 0);
    for (std::size_t i = 0; i < n; ++i) {
        in.dy[i] = 1;
        for (std::size_t a = 0; a < columns.size(); ++a)  // what 16-bit storage rounds
            for (std::size_t k = 0; k < columns[a].J.size(); ++k)
                (t.*all_arguments[a].truth)[k] = truth::Wide(columns[a].J[k][i]);
        const Bounds bounds = error_bounds(in, t, implementation.accumulation(c.dtype));
        const Outputs<double> out = run(implementation, in);
        in.dy[i] = 0;
        for (std::size_t a = 0; a < columns.size(); ++a) {
            const std::vector<double>& row = out.*all_arguments[a].gradient;
            const std::vector<double>& row_bound = bounds.*all_arguments[a].bound;
            Columns& of = columns[a];
            for (std::size_t k = 0; k < row.size(); ++k)
                of.entries.push_back({row[k], of.J[k][i], row_bound[k] + of.bound[k][i], of.signal[of.of.of_y[i]], 0,
                                      of.signal[of.of.of_y[i]] == 0});
        }
    }
    std::vector<Finding> all;
    for (std::size_t a = 0; a < columns.size(); ++a) {
        const std::size_t width = columns[a].J.size();
        const auto name = [&](std::size_t e) {
            return fmt::format("element {} for dy = 1 at element {}", e % width, e / width);
        };
        all.push_back(judge(all_arguments[a].name, columns[a].entries, name));
    }
    return all;
}

}  // namespace

extern const Check jacobian_check{
    "jacobian",
    "every entry of the Jacobian of a small layer: columns by the complex step, rows by backward from unit cotangents",
    false,
    jacobian_refuses,
    jacobian_cases,
    jacobian,
    true};

}  // namespace normlab::verify
