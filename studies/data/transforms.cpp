#include "studies/data/transforms.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "norms/tensor.hpp"
#include "system/random.hpp"

namespace normlab::data {
namespace {

// Uses of random numbers, kept apart from the others of data/.
constexpr std::uint64_t binarising = 1, noise = 2;

// x' = f(x, number of the element), with what was done said.
template <class F>
Dataset by_pixel(const Dataset& set, const std::string& what, F f) {
    Dataset out = set;
    for (std::size_t i = 0; i < out.x.size(); ++i) out.x[i] = static_cast<float>(f(static_cast<double>(out.x[i]), i));
    out.name += ", " + what;
    out.description += ", " + what;
    return out;
}

double clipped(double v) { return std::clamp(v, 0.0, 1.0); }

// A set of other images, H x W: pixel(i, j, image).
template <class F>
Dataset by_image(const Dataset& set, std::int64_t H, std::int64_t W, const std::string& what, F pixel) {
    Dataset out{set.name + ", " + what, set.description + ", " + what, H, W, set.classes, {}, set.labels};
    out.x.reserve(static_cast<std::size_t>(set.size() * H * W));
    for (std::int64_t n = 0; n < set.size(); ++n)
        for (std::int64_t i = 0; i < H; ++i)
            for (std::int64_t j = 0; j < W; ++j) out.x.push_back(pixel(i, j, set.x.data() + n * set.H * set.W));
    return out;
}

}  // namespace

Dataset binarise(const Dataset& set) {
    return by_pixel(set, "binarised at 0.5", [](double v, std::size_t) { return v >= 0.5 ? 1.0 : 0.0; });
}

Dataset binarise_at_random(const Dataset& set, std::uint64_t seed) {
    const random::Stream stream{seed, binarising};
    return by_pixel(set, fmt::format("binarised at random (seed {})", seed),
                    [&](double v, std::size_t i) { return stream.uniform(i) < v ? 1.0 : 0.0; });
}

Dataset halve(const Dataset& set) {
    if (set.H % 2 || set.W % 2)
        throw Error(fmt::format("{}: images of {} x {} to be halved; even sizes are accepted", set.name, set.H, set.W));
    return by_image(set, set.H / 2, set.W / 2, fmt::format("halved to {} x {}", set.H / 2, set.W / 2),
                    [&](std::int64_t i, std::int64_t j, const float* x) {
                        const float* p = x + 2 * i * set.W + 2 * j;
                        return (p[0] + p[1] + p[set.W] + p[set.W + 1]) / 4;
                    });
}

Dataset shift(const Dataset& set, std::int64_t down, std::int64_t right) {
    return by_image(set, set.H, set.W, fmt::format("shifted by ({}, {})", down, right),
                    [&](std::int64_t i, std::int64_t j, const float* x) {
                        const bool inside = i >= down && i - down < set.H && j >= right && j - right < set.W;
                        return inside ? x[(i - down) * set.W + j - right] : 0.0f;
                    });
}

Dataset contrast(const Dataset& set, double factor, double level) {
    if (!std::isfinite(factor) || !std::isfinite(level))
        throw Error(fmt::format("contrast {} at level {}; finite numbers are accepted", factor, level));
    return by_pixel(set, fmt::format("contrast {} at level {}", factor, level),
                    [&](double v, std::size_t) { return clipped(level + factor * v); });
}

Dataset add_noise(const Dataset& set, double deviation, std::uint64_t seed) {
    if (!(deviation >= 0) || !std::isfinite(deviation))
        throw Error(fmt::format("noise of deviation {}; a finite number of at least 0 is accepted", deviation));
    const random::Stream stream{seed, noise};
    return by_pixel(set, fmt::format("noise {} (seed {})", deviation, seed),
                    [&](double v, std::size_t i) { return clipped(v + deviation * stream.normal(i)); });
}

}  // namespace normlab::data
