#include "studies/runs/panels.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace normlab::studies {
namespace {

constexpr const char* colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};   // Okabe & Ito
constexpr int symbols[] = {7, 5, 9, 13, 6, 4, 8}, dashes[] = {1, 1, 1, 1, 2, 4, 3};

std::string data_of(const Curve& c, const std::string& name, double floor) {
    std::string text = fmt::format("${} << EOD\n", name);
    for (const Point& p : c.points) {
        const bool bar = std::isfinite(p.y.low) && std::isfinite(p.y.high);
        const double low = bar ? std::max(p.y.low, floor) : p.y.value, high = bar ? p.y.high : p.y.value;
        if (std::isfinite(p.y.value)) text += fmt::format("{} {} {} {}\n", p.x, p.y.value, low, high);
    }
    return text + "NaN NaN NaN NaN\nEOD\n";
}

// The parts of a plot command that draw the data block `name`.
std::string plot_of(const Curve& c, const std::string& name) {
    const auto style = static_cast<std::size_t>(c.style);
    const int dash = c.kind == Curve::Kind::bars ? dashes[style] : c.kind == Curve::Kind::dashed ? 2 : 1;
    const std::string title = c.title.empty() ? "notitle" : fmt::format("title '{}'", c.title), colour = fmt::format("lc rgb '{}'", colours[style]);
    const std::string line = fmt::format("${} using 1:2 with lines lw 1.6 dt {} {}", name, dash, colour);
    if (c.kind == Curve::Kind::bars)
        return fmt::format("{} notitle, ${} using 1:2:3:4 with yerrorbars pt {} ps 0.8 lw 1.3 {} {}", line, name, symbols[style], colour, title);
    if (c.kind == Curve::Kind::band)
        return fmt::format("${} using 1:3:4 with filledcurves fs transparent solid 0.18 noborder {} notitle, {} {}", name, colour, line, title);
    return line + " " + title;
}

}  // namespace

std::string multiplot(const std::string& title, int rows, int columns, const std::vector<Panel>& panels) {
    std::string text = fmt::format("set multiplot layout {},{} title '{}' margins {:.4f},{:.4f},{:.4f},{:.4f} spacing {:.4f},{:.4f}\n", rows, columns,
                                   title, 0.16 / columns, 1 - 0.06 / columns, 0.15 / rows,
                                   rows > 1 ? 1 - 0.19 / rows : 0.85, 0.2 / columns, 0.26 / rows);
    text += "set grid back lt 1 lw 0.5 lc rgb '#dddddd'\nset border 3\nset xtics nomirror\nset ytics nomirror\nset title offset 0,-0.6\n"
            "set errorbars small\n";
    for (std::size_t k = 0; k < panels.size(); ++k) {
        const Panel& p = panels[k];
        text += "unset logscale\nset format '%g'\nset xtics auto\nset xrange [*:*]\nset yrange [*:*]\nset key default\n"
                "set key samplen 2 spacing 1.05 noautotitle\n";
        text += fmt::format("set title '{}'\nset xlabel '{}'\nset ylabel '{}'\n{}", p.title, p.x, p.y, p.settings);
        std::string plot;
        for (std::size_t i = 0; i < p.curves.size(); ++i) {
            const std::string name = fmt::format("data{}_{}", k, i);
            text += data_of(p.curves[i], name, p.floor);
            plot += (i ? ", " : "") + plot_of(p.curves[i], name);
        }
        text += plot.empty() ? "set multiplot next\n" : "plot " + plot + "\n";
    }
    return text + "unset multiplot\n";
}

}  // namespace normlab::studies
