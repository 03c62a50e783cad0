#include "studies/runs/panels.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace normlab::studies {
namespace {

// Okabe & Ito
constexpr const char* colours[] = {"#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"};
constexpr int symbols[] = {7, 5, 9, 13, 6, 4, 8}, dashes[] = {1, 1, 1, 1, 2, 4, 3};

// About five between two ends less than a factor of 4 apart.
std::string even_ticks(double least, double most) {
    const double size = std::pow(10, std::floor(std::log10(most - least))), part = (most - least) / size;
    const double step = size * (part < 2 ? 0.25 : part < 4 ? 0.5 : part < 8 ? 1 : 2);
    std::string ticks;
    for (double at = std::ceil(least / step); at * step <= most; ++at)
        ticks += fmt::format("{}{:.6g}", ticks.empty() ? "" : ",", at * step);
    return ticks;
}

// Room for the key above the largest value.
std::string y_range(const Panel& p) {
    if (p.range == Panel::Range::automatic)
        return "set yrange [*:*]\nset key default\nset key samplen 2 spacing 1.05 noautotitle\n";
    const std::string key = "set key top right opaque horizontal maxcols 3 samplen 2 spacing 1.05 noautotitle\n";
    double least = HUGE_VAL, most = 0;
    for (const Curve& c : p.curves)
        for (const Point& point : c.points)
            if (std::isfinite(point.y.value) && point.y.value > 0)
                least = std::min(least, point.y.value), most = std::max(most, point.y.value);
    if (most == 0) return key + "set yrange [0:1]\n";
    if (p.range == Panel::Range::errors) return key + fmt::format("set yrange [0:{}]\n", 1.45 * most);
    least *= 0.8;
    return key + fmt::format("set logscale y\nset ytics ({})\nset yrange [{}:{}]\n",
                             most < 4 * least ? even_ticks(least, most) : "0.1,0.2,0.5,1,2,3,5,7,10,15,20,30,50,70,100",
                             least, most * std::pow(most / least, 0.5));
}

std::string data_of(const Curve& c, const std::string& name, double floor, double beside) {
    std::string text = fmt::format("${} << EOD\n", name);
    for (const Point& p : c.points) {
        const bool bar = std::isfinite(p.y.low) && std::isfinite(p.y.high);
        if (std::isfinite(p.y.value))
            text += fmt::format("{} {} {} {}\n", p.x * beside, p.y.value, bar ? std::max(p.y.low, floor) : p.y.value,
                                bar ? p.y.high : p.y.value);
    }
    return text + "NaN NaN NaN NaN\nEOD\n";
}

// The parts of a plot command that draw the data block `name`.
std::string plot_of(const Curve& c, const std::string& name) {
    using Kind = Curve::Kind;
    const auto style = static_cast<std::size_t>(c.style);
    const int dash = c.kind == Kind::bars ? dashes[style] : c.kind == Kind::dashed ? 2 : 1;
    const std::string title = c.title.empty() ? "notitle" : fmt::format("title '{}'", c.title),
                      colour = fmt::format("lc rgb '{}'", colours[style]);
    const std::string line = fmt::format("${} using 1:2 with lines lw 1.6 dt {} {}", name, dash, colour);
    if (c.kind == Kind::bars)
        return fmt::format("{} notitle, ${} using 1:2:3:4 with yerrorbars pt {} ps 0.8 lw 1.3 {} {}", line, name,
                           symbols[style], colour, title);
    if (c.kind == Kind::band)
        return fmt::format("${} using 1:3:4 with filledcurves fs transparent solid 0.18 noborder {} notitle, {} {}",
                           name, colour, line, title);
    return line + " " + title;
}

}  // namespace

std::string powers_of_two(const std::vector<std::int64_t>& xs) {
    if (xs.empty()) return "";
    const auto first = static_cast<double>(xs.front()), last = static_cast<double>(xs.back());
    return fmt::format("set logscale x 2\nset xrange [{}:{}]\nset xtics (1,2,4,8,16,32,64,128,256,512,1024)\n",
                       0.8 * first, 1.25 * last);
}

Figure multiplot(const std::string& title, int columns, const std::vector<Panel>& panels) {
    const int rows = (static_cast<int>(panels.size()) + columns - 1) / columns;
    const int width = (columns > 2 ? 420 : 560) * columns, height = 360 * rows + 50;
    std::string text =
        fmt::format("set multiplot layout {},{} title '{}' margins {},{},{},{} spacing {},{}\n", rows, columns, title,
                    60.0 / width, 1 - 24.0 / width, 50.0 / height, 1 - 65.0 / height, 80.0 / width, 85.0 / height);
    text += "set grid back lt 1 lw 0.5 lc rgb '#dddddd'\nset border 3\nset title offset 0,-0.6\nset errorbars small\n";
    for (std::size_t k = 0; k < panels.size(); ++k) {
        const Panel& p = panels[k];
        text +=
            "unset logscale\nset format '%g'\nset xtics auto nomirror\nset ytics auto nomirror\nset xrange [*:*] "
            "noreverse\n" +
            y_range(p);
        text += fmt::format("set title '{}'\nset xlabel '{}' offset 0,0.3\nset ylabel '{}' offset 0.6,0\n{}", p.title,
                            p.x, p.y, p.settings);
        std::string plot;
        for (std::size_t i = 0; i < p.curves.size(); ++i) {
            const std::string name = fmt::format("data{}_{}", k, i);
            const double place = static_cast<double>(i) - static_cast<double>(p.curves.size() - 1) / 2;
            text += data_of(p.curves[i], name, p.floor, p.range == Panel::Range::automatic ? 1 : 1 + 0.022 * place);
            plot += (i ? ", " : "") + plot_of(p.curves[i], name);
        }
        text += plot.empty() ? "set multiplot next\n" : "plot " + plot + "\n";
    }
    return {text + "unset multiplot\n", width, height};
}

}  // namespace normlab::studies
