#include "studies/data/digits.hpp"

#include <algorithm>
#include <cmath>
#include <span>

#include <fmt/format.h>

#include "norms/tensor.hpp"
#include "system/random.hpp"

namespace normlab::data {
namespace {

constexpr std::int64_t side = 28;
constexpr std::uint64_t shapes = 3, pixels = 4;  // uses of random numbers, kept apart from the others of data/
constexpr std::int64_t first_test_sample = std::int64_t{1} << 32;  // the numbers of test samples

struct Point {
    double x, y;
};

// A stroke is a chain of parabolas: end, control, end, control, ..., end, in a unit square with y downwards.
using Stroke = std::span<const Point>;

constexpr Point zero[] = {{.5, .05}, {.9, .05}, {.9, .5},  {.9, .95}, {.5, .95},
                          {.1, .95}, {.1, .5},  {.1, .05}, {.5, .05}};
constexpr Point one_stem[] = {{.5, .05}, {.5, .5}, {.5, .95}}, one_flag[] = {{.28, .3}, {.42, .2}, {.5, .05}};
constexpr Point two[] = {{.15, .3}, {.2, .05},  {.5, .05}, {.85, .05}, {.8, .35},
                         {.7, .6},  {.15, .95}, {.5, .95}, {.88, .95}};
constexpr Point three[] = {{.15, .15}, {.35, .02}, {.55, .05}, {.85, .1},  {.78, .28}, {.7, .46},
                           {.42, .48}, {.9, .5},   {.82, .76}, {.6, 1.05}, {.12, .85}};
constexpr Point four_bent[] = {{.65, .05}, {.38, .35}, {.1, .65}, {.5, .65}, {.92, .65}},
                four_stem[] = {{.65, .05}, {.65, .5}, {.65, .95}};
constexpr Point five_top[] = {{.82, .06}, {.5, .06}, {.25, .06}, {.22, .25}, {.2, .45}},
                five[] = {{.2, .45}, {.85, .3}, {.82, .68}, {.75, 1.05}, {.15, .88}};
constexpr Point six[] = {{.75, .08}, {.2, .2},  {.15, .65}, {.15, .95}, {.5, .95}, {.85, .95},
                         {.85, .68}, {.8, .45}, {.5, .45},  {.2, .48},  {.15, .68}};
constexpr Point seven[] = {{.12, .07}, {.5, .07}, {.88, .07}, {.55, .45}, {.4, .95}},
                seven_bar[] = {{.3, .5}, {.5, .5}, {.72, .5}};
constexpr Point eight_top[] = {{.5, .48}, {.8, .44}, {.8, .26}, {.8, .05}, {.5, .05},
                               {.2, .05}, {.2, .26}, {.2, .44}, {.5, .48}};
constexpr Point eight_bottom[] = {{.5, .48},  {.88, .5},  {.87, .73}, {.85, .95}, {.5, .95},
                                  {.15, .95}, {.13, .73}, {.12, .5},  {.5, .48}};
constexpr Point nine[] = {{.25, .92}, {.8, .8},  {.85, .35}, {.85, .05}, {.5, .05}, {.15, .05},
                          {.15, .32}, {.2, .55}, {.5, .55},  {.8, .52},  {.85, .32}};

std::vector<Stroke> strokes_of(int digit, bool variant) {
    switch (digit) {
        case 0: return {zero};
        case 1: return variant ? std::vector<Stroke>{one_stem, one_flag} : std::vector<Stroke>{one_stem};
        case 2: return {two};
        case 3: return {three};
        case 4: return {four_bent, four_stem};
        case 5: return {five_top, five};
        case 6: return {six};
        case 7: return variant ? std::vector<Stroke>{seven, seven_bar} : std::vector<Stroke>{seven};
        case 8: return {eight_top, eight_bottom};
        default: return {nine};
    }
}

// The random numbers of one sample, one after the other.
class Draws {
public:
    explicit Draws(std::uint64_t seed, std::int64_t sample)
        : stream_{seed, shapes}, next_(static_cast<std::uint64_t>(sample) << 8) {}
    double uniform(double low, double high) { return low + (high - low) * stream_.uniform(next_++); }

private:
    random::Stream stream_;
    std::uint64_t next_;  // 256 a sample; the longest digit needs 46
};

// A pen of one width that leaves the darkest of what it passes.
struct Pen {
    double radius, darkness;
    float* image;

    void line(Point a, Point b) const {
        const double reach = radius + 1, dx = b.x - a.x, dy = b.y - a.y, length = dx * dx + dy * dy;
        const auto from = [&](double v) { return static_cast<std::int64_t>(std::clamp(v - reach, 0.0, double{side})); };
        const auto to = [&](double v) {
            return static_cast<std::int64_t>(std::clamp(v + reach + 1, 0.0, double{side}));
        };
        for (std::int64_t i = from(std::min(a.y, b.y)); i < to(std::max(a.y, b.y)); ++i)
            for (std::int64_t j = from(std::min(a.x, b.x)); j < to(std::max(a.x, b.x)); ++j) {
                const double x = static_cast<double>(j) + 0.5 - a.x, y = static_cast<double>(i) + 0.5 - a.y;
                const double along = length > 0 ? std::clamp((x * dx + y * dy) / length, 0.0, 1.0) : 0;
                const double u = x - along * dx, v = y - along * dy,
                             ink = darkness * std::clamp(radius + 0.5 - std::sqrt(u * u + v * v), 0.0, 1.0);
                float& pixel = image[i * side + j];
                pixel = std::max(pixel, static_cast<float>(ink));
            }
    }
    void parabola(Point a, Point control, Point b) const {
        constexpr int pieces = 8;
        Point before = a;
        for (int k = 1; k <= pieces; ++k) {
            const double t = k / double{pieces}, s = 1 - t;
            const Point p{s * s * a.x + 2 * s * t * control.x + t * t * b.x,
                          s * s * a.y + 2 * s * t * control.y + t * t * b.y};
            line(before, p);
            before = p;
        }
    }
};

void draw(int digit, std::int64_t sample, const DigitsOptions& o, float* image) {
    Draws draws(o.seed, sample);
    const bool variant = draws.uniform(0, 1) < 0.5;
    // The turn by an angle of tangent 2t / (1 - t^2), up to 26 degrees; then stretching, shearing and shifting.
    const double t = draws.uniform(-0.23, 0.23), cosine = (1 - t * t) / (1 + t * t), sine = 2 * t / (1 + t * t);
    const double wide = draws.uniform(9, 17), high = draws.uniform(14, 21), shear = draws.uniform(-0.35, 0.35);
    const double right = side / 2.0 + draws.uniform(-3, 3), down = side / 2.0 + draws.uniform(-3, 3);
    const Pen pen{draws.uniform(0.6, 1.7), draws.uniform(0.5, 1), image};
    const auto placed = [&](Point p) {
        const double x = (p.x - 0.5 + draws.uniform(-0.1, 0.1)) * wide,
                     y = (p.y - 0.5 + draws.uniform(-0.1, 0.1)) * high, slanted = x + shear * y;
        return Point{right + cosine * slanted - sine * y, down + sine * slanted + cosine * y};
    };
    for (const Stroke& stroke : strokes_of(digit, variant)) {
        Point end = placed(stroke[0]);
        for (std::size_t k = 1; k + 1 < stroke.size(); k += 2) {
            const Point control = placed(stroke[k]), next = placed(stroke[k + 1]);
            pen.parabola(end, control, next);
            end = next;
        }
    }
    const Point a{draws.uniform(0, side), draws.uniform(0, side)},
        b{a.x + draws.uniform(-8, 8), a.y + draws.uniform(-8, 8)};
    Pen{0.7, draws.uniform(0.3, 0.8), image}.line(a, b);  // the stray stroke

    // Noise of a triangular law: the sum of two uniform numbers of 16 bits, of which a draw of 64 bits has four;
    // variance (2^32 - 1) / 6 of a unit.
    const random::Stream noise{o.seed, pixels};
    const double unit = o.noise / std::sqrt(4294967295.0 / 6);
    for (std::int64_t p = 0; p < side * side; p += 2) {
        const std::uint64_t bits = noise.bits(static_cast<std::uint64_t>(sample * side * side / 2 + p / 2));
        const auto number = [&](int k) { return static_cast<double>(bits >> (16 * k) & 0xFFFF); };
        for (int k = 0; k < 2; ++k) {
            float& pixel = image[p + k];
            pixel = static_cast<float>(
                std::clamp(static_cast<double>(pixel) + unit * (number(2 * k) + number(2 * k + 1) - 65535), 0.0, 1.0));
        }
    }
}

Dataset drawn(const DigitsOptions& o, std::int64_t count, std::int64_t first_sample, const char* word) {
    Dataset set{fmt::format("digits {}", word), {}, side, side, 10, {}, {}};
    set.x.assign(static_cast<std::size_t>(count * side * side), 0.0f);
    for (std::int64_t n = 0; n < count; ++n) {
        set.labels.push_back(static_cast<std::int32_t>(n % 10));
        draw(set.labels.back(), first_sample + n, o, set.x.data() + n * side * side);
    }
    set.description =
        fmt::format("digits drawn from strokes (embedded; seed {}, noise {}), {} {} samples of {} x {}, 10 classes",
                    o.seed, o.noise, count, word, side, side);
    return set;
}

}  // namespace

Split digits(const DigitsOptions& o) {
    if (o.train < 1 || o.test < 1)
        throw Error(fmt::format("{} training and {} test digits; at least 1 is accepted", o.train, o.test));
    if (!(o.noise >= 0 && o.noise <= 1))
        throw Error(fmt::format("noise {} of the digits; 0 to 1 is accepted", o.noise));
    return {drawn(o, o.train, 0, "train"), drawn(o, o.test, first_test_sample, "test")};
}

}  // namespace normlab::data
