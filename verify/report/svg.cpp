#include "verify/report/svg.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "verify/report/xml.hpp"

namespace normlab::verify {
namespace {

// Ends an element, with the text that is shown on hovering.
std::string end_of(std::string_view name, std::string_view title) {
    return title.empty() ? "/>" : fmt::format("><title>{}</title></{}>", xml_text(title), name);
}

}  // namespace

double LogAxis::at(double value) const {
    const double exponent = value > 0 ? std::log10(value) : value == 0 ? low : high;  // NaN: high
    return from + (to - from) * (std::clamp(exponent, double(low), double(high)) - low) / (high - low);
}

std::vector<int> LogAxis::ticks(int most) const {
    const int step = std::max(1, (high - low + most - 1) / most);
    std::vector<int> out;
    for (int e = high / step * step; e >= low; e -= step)
        if (e <= high) out.push_back(e);
    return out;
}

std::string power_of_ten(int exponent) {
    constexpr std::string_view digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    if (exponent == 0) return "1";
    std::string text = exponent < 0 ? "10⁻" : "10";
    for (const char d : std::to_string(std::abs(exponent))) text += digits[d - '0'];
    return text;
}

Svg::Svg(double width, double height, std::string_view label)
    : body_(fmt::format("<svg viewBox=\"0 0 {:.4g} {:.4g}\" role=\"group\" aria-label=\"{}\">", width, height,
                        xml_text(label))) {}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view css) {
    body_ += fmt::format("<line x1=\"{:.5g}\" y1=\"{:.5g}\" x2=\"{:.5g}\" y2=\"{:.5g}\" class=\"{}\"/>", x1, y1, x2, y2,
                         css);
}

void Svg::path(const std::vector<std::pair<double, double>>& points, std::string_view css, std::string_view title) {
    std::string d;
    for (const auto& [x, y] : points) d += fmt::format("{}{:.5g} {:.5g}", d.empty() ? "M" : "L", x, y);
    body_ += fmt::format("<path d=\"{}\" class=\"{}\"", d, css) + end_of("path", title);
}

void Svg::rect(double x, double y, double width, double height, std::string_view css, std::string_view title) {
    body_ += fmt::format("<rect x=\"{:.5g}\" y=\"{:.5g}\" width=\"{:.5g}\" height=\"{:.5g}\" class=\"{}\"", x, y, width,
                         height, css) +
             end_of("rect", title);
}

void Svg::text(double x, double y, std::string_view content, std::string_view css) {
    body_ += fmt::format("<text x=\"{:.5g}\" y=\"{:.5g}\" class=\"{}\">{}</text>", x, y, css, xml_text(content));
}

void Svg::marker(double x, double y, std::size_t shape, std::string_view css, std::string_view title,
                 std::string_view href) {
    constexpr std::string_view shapes[] = {"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z", "m-3.5-3.5h7v7h-7z",
                                           "m0-4.6l4.4 7.6h-8.8z", "m0-4.8l4.8 4.8-4.8 4.8-4.8-4.8z"};
    if (!href.empty()) body_ += fmt::format("<a href=\"{}\">", xml_text(href));
    body_ +=
        fmt::format("<path d=\"M{:.5g} {:.5g}{}\" class=\"point {}\"", x, y, shapes[shape % std::size(shapes)], css) +
        end_of("path", title);
    if (!href.empty()) body_ += "</a>";
}

}  // namespace normlab::verify
