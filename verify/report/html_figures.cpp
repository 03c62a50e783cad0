// The figures of the page: error against kappa, and how near each check's findings come to their bounds.

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "verify/report/html_parts.hpp"
#include "verify/report/svg.hpp"
#include "verify/report/xml.hpp"

namespace normlab::verify {
namespace {

// Whole decades around positive values.
struct Decades {
    double least = std::numeric_limits<double>::infinity(), most = 0;
    void add(double v) {
        if (v > 0 && std::isfinite(v)) least = std::min(least, v), most = std::max(most, v);
    }
    bool empty() const { return most == 0; }
    int low() const { return static_cast<int>(std::floor(std::log10(least))); }
    int high() const { return std::max(static_cast<int>(std::ceil(std::log10(most))), low() + 1); }
};

// ---- error against kappa ----

// What one small diagram shows.
struct Facet {
    std::string implementation;
    DType dtype;
    std::vector<KappaCurve> curves;
    std::vector<Measured> sweeps;  // kappa_slope's
};

std::vector<Facet> facets(const Page& page) {
    std::map<std::pair<std::size_t, std::size_t>, Facet> by;  // by dtype, then implementation: neighbours compare
    const auto at = [&](const std::string& implementation, DType dtype) -> Facet& {
        Facet& f = by[{static_cast<std::size_t>(dtype), page.index(implementation)}];
        f.implementation = implementation, f.dtype = dtype;
        return f;
    };
    for (KappaCurve& curve : kappa_curves(page.outcomes))
        at(curve.implementation, curve.dtype).curves.push_back(std::move(curve));
    for (const Outcome& o : page.outcomes)
        for (const Finding& f : o.findings)
            if (!f.curve.empty()) at(o.test.implementation, o.test.dtype).sweeps.push_back({&o, &f});
    std::vector<Facet> all;
    for (auto& [key, facet] : by) all.push_back(std::move(facet));
    return all;
}

std::string draw(Page& page, const Facet& facet, const Decades& kappas, const Decades& errors,
                 const std::vector<std::int64_t>& sizes) {
    constexpr double width = 300, height = 236, left = 44, right = 290, top = 10, bottom = 200;
    const LogAxis x{kappas.low(), kappas.high(), left + 8, right - 8}, y{errors.low(), errors.high(), bottom, top};
    Svg svg(width, height, fmt::format("error of y against kappa: {} {}", facet.implementation, name_of(facet.dtype)));
    for (const int e : y.ticks(6)) {
        const double at = y.at(std::pow(10, e));
        svg.line(left, at, right, at, "grid");
        svg.text(left - 6, at + 3.5, power_of_ten(e), "tick end");
    }
    for (const int e : x.ticks(6)) svg.text(x.at(std::pow(10, e)), bottom + 16, power_of_ten(e), "tick middle");
    svg.line(left, bottom, right, bottom, "axis");
    svg.text((left + right) / 2, bottom + 32, "κ", "label middle");
    for (const Measured& sweep : facet.sweeps) {
        std::vector<std::pair<double, double>> points;
        for (const auto& [kappa, error] : sweep.finding->curve) points.emplace_back(x.at(kappa), y.at(error));
        svg.path(points, "sweep",
                 fmt::format("{}: slope {}", sweep.outcome->title(), short_number(sweep.finding->error)));
    }
    for (const KappaCurve& curve : facet.curves) {
        const auto size = static_cast<std::size_t>(std::ranges::find(sizes, curve.m) - sizes.begin());
        std::vector<std::pair<double, double>> bound;
        for (const auto& [kappa, at] : curve.points) bound.emplace_back(x.at(kappa), y.at(at.finding->bound));
        svg.path(bound, fmt::format("bound c{}", size % 6), fmt::format("bound, m = {}", curve.m));
    }
    for (const KappaCurve& curve : facet.curves) {
        const auto size = static_cast<std::size_t>(std::ranges::find(sizes, curve.m) - sizes.begin());
        for (const auto& [kappa, at] : curve.points) {
            const Finding& f = *at.finding;
            svg.marker(x.at(kappa), y.at(f.error), size,
                       f.verdict == Verdict::pass ? fmt::format("c{}", size % 6) : "bad",
                       fmt::format("m = {}, κ = {}: error {}, bound {}\n{}", curve.m, short_number(kappa),
                                   short_number(f.error), short_number(f.bound), at.outcome->title()),
                       page.link(*at.outcome));
        }
    }
    return fmt::format("<figure><figcaption><b>{}</b> {}</figcaption>{}</figure>\n", xml_text(facet.implementation),
                       name_of(facet.dtype), svg.str());
}

// ---- error / bound by check ----

struct Strip {
    std::string check, oracle, implementation;  // oracle: empty where the check asks one only
    std::vector<double> ratios;
    double largest = 0;
    Measured worst;
};

// Those whose subject is a gradient; a check that is not named here is drawn with the others.
constexpr std::string_view derivative_checks[] = {"derivatives", "adjoint", "taylor",   "jacobian",
                                                  "zero_sum",    "xhat_dx", "symmetry", "chain_rule"};

std::vector<Strip> strips(const Page& page, bool derivatives) {
    std::vector<std::string> order;
    std::map<std::tuple<std::size_t, std::string_view, std::size_t>, Strip> all;  // by check, oracle, implementation
    for (const CheckRow& row : page.rows) {
        if ((std::ranges::find(derivative_checks, row.check) != std::end(derivative_checks)) != derivatives) continue;
        auto at = std::ranges::find(order, row.check);
        const auto check = static_cast<std::size_t>(at - order.begin());
        if (at == order.end()) order.push_back(row.check);
        const auto add = [&](std::string_view oracle, const Measured& m, double ratio) {
            Strip& s = all[{check, oracle, page.index(row.implementation)}];
            if (s.ratios.empty() || ratio > s.largest) s.largest = ratio, s.worst = m;
            s.check = row.check, s.oracle = oracle, s.implementation = row.implementation;
            s.ratios.push_back(ratio);
        };
        for (const Outcome* o : row.outcomes)
            for (const Finding& f : o->findings) {
                if (f.oracles.empty()) add("", {o, &f}, f.ratio());
                for (const Finding::Oracle& says : f.oracles)
                    add(says.name, {o, &f}, Finding::ratio(says.error, says.bound));
            }
    }
    std::vector<Strip> sorted;
    for (auto& [key, strip] : all) sorted.push_back(std::move(strip));
    return sorted;
}

constexpr double strip_left = 316, strip_right = 950, zero_at = 290, infinite_at = 972;

// Counts by fifths of a decade as bars around the row's middle, taller by the logarithm of the count; exact results
// apart at the left.
void draw_strip(Svg& svg, Page& page, const Strip& strip, const LogAxis& x, double middle) {
    constexpr int bins_a_decade = 5;
    const std::string colour = fmt::format("c{}", page.index(strip.implementation) % 6);
    std::map<int, std::size_t> bins;
    std::size_t zeros = 0, infinite = 0, most = 1;
    for (const double r : strip.ratios) {
        if (r == 0) ++zeros;
        else if (!std::isfinite(r)) ++infinite;
        else
            ++bins[static_cast<int>(
                std::floor(std::clamp(std::log10(r), double(x.low), x.high - 1e-9) * bins_a_decade))];
    }
    for (const auto& [bin, n] : bins) most = std::max(most, n);
    most = std::max({most, zeros, infinite});
    const auto bar = [&](double from, double width, std::size_t n, std::string_view css, const std::string& what) {
        const double height = 3 + 13 * std::log1p(static_cast<double>(n)) / std::log1p(static_cast<double>(most));
        svg.rect(from, middle - height / 2, width, height, css,
                 fmt::format("{} finding{}: {}", n, n == 1 ? "" : "s", what));
    };
    const double width = (strip_right - strip_left) / (x.high - x.low) / bins_a_decade;
    for (const auto& [bin, n] : bins) {
        const double low = std::pow(10, static_cast<double>(bin) / bins_a_decade),
                     high = std::pow(10, (bin + 1.0) / bins_a_decade);
        bar(x.at(low) + 0.5, width - 1, n, bin < 0 ? "bin " + colour : "bin bad",
            fmt::format("error/bound {:.2g} to {:.2g}", low, high));
    }
    if (zeros) bar(zero_at - 5, 10, zeros, "bin " + colour, "no error");
    if (infinite) bar(infinite_at - 5, 10, infinite, "bin bad", "an error where none is allowed, or NaN");
    const double worst = strip.largest;
    const double at = worst == 0 ? zero_at : std::isfinite(worst) ? x.at(worst) : infinite_at;
    const Finding& f = *strip.worst.finding;
    svg.marker(at, middle, page.index(strip.implementation), f.verdict == Verdict::pass ? colour : "bad",
               fmt::format("worst: {}\n{}, {}", short_number(worst), strip.worst.outcome->title(), f.quantity),
               page.link(*strip.worst.outcome));
    svg.text(1078, middle + 4, fmt::format("{} of {}", short_number(worst), strip.ratios.size()), "number end");
}

}  // namespace

std::string kappa_section(Page& page) {
    const std::vector<Facet> all = facets(page);
    Decades kappas;
    std::map<DType, Decades> errors;  // one scale a dtype
    std::set<std::int64_t> lengths;
    for (const Facet& facet : all) {
        Decades& error = errors[facet.dtype];
        for (const KappaCurve& curve : facet.curves) {
            lengths.insert(curve.m);
            for (const auto& [kappa, at] : curve.points)
                kappas.add(kappa), error.add(at.finding->error), error.add(at.finding->bound);
        }
        for (const Measured& sweep : facet.sweeps)
            for (const auto& [kappa, e] : sweep.finding->curve) kappas.add(kappa), error.add(e);
    }
    std::erase_if(errors, [](const auto& entry) { return entry.second.empty(); });
    const std::vector<std::int64_t> sizes(lengths.begin(), lengths.end());
    std::string figures, legend;
    bool any_sweep = false;
    for (const Facet& facet : all)
        if (errors.contains(facet.dtype))
            figures += draw(page, facet, kappas, errors.at(facet.dtype), sizes), any_sweep |= !facet.sweeps.empty();
    if (figures.empty()) return {};
    const auto key = [&](const std::string& what, auto show) {
        Svg sample(22, 14, what);
        show(sample);
        legend += fmt::format("<span>{}{}</span>", sample.str(), what);
    };
    for (std::size_t i = 0; i < sizes.size(); ++i)
        key(fmt::format("m = {}", sizes[i]), [&](Svg& s) { s.marker(11, 7, i, fmt::format("c{}", i % 6), ""); });
    if (!sizes.empty()) key("its bound", [](Svg& s) { s.line(0, 7, 22, 7, "bound c5"); });
    if (any_sweep) key("a sweep of kappa_slope", [](Svg& s) { s.line(0, 7, 22, 7, "sweep"); });
    return section("kappa", "Error against κ",
                   "The largest error of y over the data's condition κ = √(1 + μ²/(σ²+ε)), block size m, beside the "
                   "derived bound at that element. Flat: the mean "
                   "is kept wider than the data. Slope 1: it is rounded. Slope 2 would be a one-pass variance.",
                   "<p class=\"legend\">" + legend + "</p>\n<div class=\"facets\">\n" + figures + "</div>\n");
}

std::string strip_section(Page& page, bool derivatives) {
    const std::vector<Strip> all = strips(page, derivatives);
    if (all.empty()) return {};
    Decades ratios;
    for (const Strip& s : all)
        for (const double r : s.ratios) ratios.add(r);
    LogAxis x{-2, 1, strip_left, strip_right};
    if (!ratios.empty()) x.low = std::clamp(ratios.low(), -9, -2), x.high = std::clamp(ratios.high(), 1, 15);
    constexpr double row = 22, gap = 9, top = 26;
    double height = top;
    for (std::size_t i = 0; i < all.size(); ++i) height += row + (i == 0 || all[i].check != all[i - 1].check ? gap : 0);
    Svg svg(1080, height + 8, "error over bound of every finding, by check and implementation");
    for (const int e : x.ticks(9)) {
        const double at = x.at(std::pow(10, e));
        svg.line(at, top - 4, at, height, "grid");
        if (e != 0) svg.text(at, top - 10, power_of_ten(e), "tick middle");
    }
    svg.text(zero_at, top - 10, "0", "tick middle");
    svg.line(x.at(1), top - 6, x.at(1), height, "limit");
    svg.text(x.at(1), top - 10, "bound", "limit-label middle");
    svg.text(1078, top - 10, "worst of n", "tick end");
    double y = top;
    for (std::size_t i = 0; i < all.size(); ++i) {
        const Strip& s = all[i];
        const bool first = i == 0 || s.check != all[i - 1].check;
        if (first) svg.line(0, y + gap / 2, 1080, y + gap / 2, "rule");
        y += row + (first ? gap : 0);
        const double middle = y - row / 2;
        if (first) svg.text(0, middle + 4, s.check, "label strong");
        if (!s.oracle.empty() && (first || s.oracle != all[i - 1].oracle)) svg.text(112, middle + 4, s.oracle, "label");
        const std::size_t room = s.oracle.empty() ? 18 : 12;  // characters
        const std::string name =
            s.implementation.size() > room ? s.implementation.substr(0, room - 1) + "…" : s.implementation;
        svg.text(zero_at - 18, middle + 4, name, "label end");
        draw_strip(svg, page, s, x, middle);
    }
    constexpr std::string_view reading = "Right of the line is a failure; the mark is the worst case.";
    return section(derivatives ? "derivatives" : "checks",
                   derivatives ? "Derivative agreement" : "Error over bound, by check",
                   fmt::format("Error over bound of every finding{}. {}",
                               derivatives ? " about gradients, by check, oracle and implementation" : "", reading),
                   implementation_legend(page) + "<div class=\"scroll wide\">" + svg.str() + "</div>\n");
}

}  // namespace normlab::verify
