#include "studies/runs/panels.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace normlab::studies {
namespace {

constexpr const char* colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#555555"};   // Okabe & Ito, and grey
constexpr int marks[] = {7, 5, 9, 13, 11, 15, 6};

// The plot command's parts that draw a curve, its data in the block `name`.
std::string commands(const Curve& c, const std::string& name) {
    const auto colour = static_cast<std::size_t>(c.colour) % std::size(colours);
    const std::string look = fmt::format("lw 1.8 dt {} lc rgb '{}'", c.dash, colours[colour]), title = c.title.empty() ? "notitle" : fmt::format("title '{}'", c.title);
    const std::string line = fmt::format("${} using 1:2 with lines {} {}", name, look, title);
    if (c.kind == Curve::Kind::line) return line;
    if (c.kind == Curve::Kind::band)
        return fmt::format("${} using 1:3:4 with filledcurves fs transparent solid 0.18 noborder lc rgb '{}' notitle, {}", name, colours[colour], line);
    return fmt::format("${0} using 1:2 with lines {1} notitle, ${0} using 1:2:3:4 with yerrorbars pt {2} ps 0.8 lw 1.4 dt 1 lc rgb '{3}' {4}", name, look, marks[colour], colours[colour],
                       title);
}

std::string data(const Curve& c, const std::string& name, double floor) {
    std::string text = fmt::format("${} << EOD\n", name);
    for (const Point& p : c.points) {
        const bool bounded = std::isfinite(p.y.low) && std::isfinite(p.y.high);
        if (std::isfinite(p.y.value)) text += fmt::format("{} {} {} {}\n", p.x, p.y.value, bounded ? std::max(p.y.low, floor) : p.y.value, bounded ? p.y.high : p.y.value);
    }
    return text + "NaN NaN NaN NaN\nEOD\n";
}

}  // namespace

Figure panels_figure(const std::string& title, int columns, const std::vector<Panel>& panels) {
    const int rows = (static_cast<int>(panels.size()) + columns - 1) / columns;
    Figure figure{"", 460 * columns, 330 * rows + 40};
    const double left = 70.0 / figure.width, bottom = 50.0 / figure.height;
    figure.script = fmt::format("set multiplot layout {},{} title '{}' margins {},{},{},{} spacing {},{}\n", rows, columns, title, left, 1 - 15.0 / figure.width, bottom,
                                1 - 65.0 / figure.height, 85.0 / figure.width, 85.0 / figure.height);
    figure.script += "set grid back lt 1 lw 0.5 lc rgb '#dddddd'\nset border 3\nset xtics nomirror\nset ytics nomirror\nset title offset 0,-0.6\nset ylabel offset 0.8,0\n"
                     "set xlabel offset 0,0.4\n";
    for (std::size_t i = 0; i < panels.size(); ++i) {
        const Panel& p = panels[i];
        std::string plot;
        for (std::size_t k = 0; k < p.curves.size(); ++k) {
            const std::string name = fmt::format("data{}_{}", i, k);
            figure.script += data(p.curves[k], name, p.floor);
            plot += (k ? ", " : "plot ") + commands(p.curves[k], name);
        }
        figure.script += fmt::format("unset logscale\nset format '%g'\nset xtics auto\nset xrange [*:*]\nset yrange [*:*]\nset key default\nset key samplen 2 spacing 1.1 noautotitle\n"
                                     "set title '{}'\nset xlabel '{}'\nset ylabel '{}'\n{}\n{}\n",
                                     p.title, p.x, p.y, p.settings, plot.empty() ? "set multiplot next" : plot);
    }
    figure.script += "unset multiplot\n";
    return figure;
}

}  // namespace normlab::studies
