#pragma once
// Inline drawings for a page: coordinates in the units of the view box, looks by CSS class.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace normlab::verify {

/// Decades low to high drawn from `from` to `to`. What lies outside is drawn at the nearer end; 0 at the low one.
struct LogAxis {
    int low = 0, high = 1;  ///< powers of ten
    double from = 0, to = 1;

    double at(double value) const;
    std::vector<int> ticks(int most) const;  ///< powers of ten, evenly apart, at most so many but never none
};

/// 10 to the power, as text with a raised exponent.
std::string power_of_ten(int exponent);

class Svg {
public:
    /// `label` says to those who cannot see it what is drawn.
    Svg(double width, double height, std::string_view label);

    void line(double x1, double y1, double x2, double y2, std::string_view css);
    void path(const std::vector<std::pair<double, double>>& points, std::string_view css, std::string_view title = {});
    void rect(double x, double y, double width, double height, std::string_view css, std::string_view title = {});
    /// css: start, middle or end among others, the anchor.
    void text(double x, double y, std::string_view content, std::string_view css);
    /// One of four shapes by number, so that colour is never all that tells series apart; a link where href is not
    /// empty.
    void marker(double x, double y, std::size_t shape, std::string_view css, std::string_view title,
                std::string_view href = {});

    std::string str() const { return body_ + "</svg>\n"; }

private:
    std::string body_;
};

}  // namespace normlab::verify
