#include "studies/runs/panels.hpp"

#include <fmt/format.h>

namespace normlab::studies {
namespace {

constexpr const char* colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};   // Okabe & Ito
constexpr int symbols[] = {7, 5, 9, 13, 6, 4, 8}, dashes[] = {1, 1, 1, 1, 2, 4, 3};

std::string data_of(const Curve& c, const std::string& name) {
    std::string text = fmt::format("${} << EOD\n", name);
    for (const Point& p : c.points) {
        const bool bar = std::isfinite(p.y.low) && std::isfinite(p.y.high);
        if (std::isfinite(p.y.value)) text += fmt::format("{} {} {} {}\n", p.x, p.y.value, bar ? p.y.low : p.y.value, bar ? p.y.high : p.y.value);
    }
    return text + "NaN NaN NaN NaN\nEOD\n";
}

}  // namespace

std::string powers_of_two(const std::vector<std::int64_t>& xs) {
    if (xs.empty()) return "";
    const auto first = static_cast<double>(xs.front()), last = static_cast<double>(xs.back());
    return fmt::format("set logscale x 2\nset xrange [{}:{}]\nset xtics (1,2,4,8,16,32,64,128,256,512,1024)\n", 0.85 * first, 1.18 * last);
}

std::string multiplot(const std::string& title, int rows, int columns, const std::vector<Panel>& panels) {
    std::string text = fmt::format("set multiplot layout {},{} title '{}' margins 0.08,0.985,0.11,0.88 spacing 0.09,0.16\n", rows, columns, title);
    text += "set grid back lt 1 lw 0.5 lc rgb '#dddddd'\nset border 3\nset xtics nomirror\nset ytics nomirror\nset title offset 0,-0.6\nset errorbars small\n";
    for (std::size_t k = 0; k < panels.size(); ++k) {
        const Panel& p = panels[k];
        text += "unset logscale\nset xtics auto\nset xrange [*:*]\nset yrange [*:*]\nset key default\nset key samplen 2 spacing 1.05 noautotitle\n";
        text += fmt::format("set title '{}'\nset xlabel '{}'\nset ylabel '{}'\n{}", p.title, p.x, p.y, p.settings);
        std::string plot;
        for (std::size_t i = 0; i < p.curves.size(); ++i) {
            const Curve& c = p.curves[i];
            const std::string name = fmt::format("data{}_{}", k, i);
            text += data_of(c, name);
            const char* colour = colours[c.style];
            plot += fmt::format("{}${} using 1:2 with lines lw 1.6 dt {} lc rgb '{}', ", plot.empty() ? "" : ", ", name, dashes[c.style], colour);
            plot += fmt::format("${} using 1:2:3:4 with yerrorbars pt {} ps 0.8 lw 1.3 lc rgb '{}' title '{}'", name, symbols[c.style], colour, c.title);
        }
        text += plot.empty() ? "set multiplot next\n" : "plot " + plot + "\n";
    }
    return text + "unset multiplot\n";
}

}  // namespace normlab::studies
