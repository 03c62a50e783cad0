#include "bench/model.hpp"

#include <algorithm>
#include <cmath>

#include "norms/names.hpp"

namespace normlab::bench {
namespace {

constexpr std::string_view directions[] = {"forward", "backward"}, caches[] = {"cold", "warm"};

double median(std::vector<double>& values) {
    const std::size_t half = values.size() / 2;
    std::ranges::sort(values);
    return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

std::string_view name_of(Direction v) { return directions[static_cast<std::size_t>(v)]; }
std::string_view name_of(Cache v) { return caches[static_cast<std::size_t>(v)]; }
Direction parse_direction(std::string_view word) {
    return static_cast<Direction>(place_of("direction", word, directions));
}
Cache parse_cache(std::string_view word) { return static_cast<Cache>(place_of("cache", word, caches)); }

std::size_t tensor_bytes(const Problem& p) { return static_cast<std::size_t>(p.shape.size()) * size_of(p.dtype); }

std::size_t y_bytes(const Problem& p) { return static_cast<std::size_t>(p.shape.size()) * size_of(p.outputs()); }

std::size_t call_bytes(const Problem& p, Direction direction) {
    const std::size_t all = tensors(direction, p.spec.adds()) * tensor_bytes(p);
    return direction == Direction::forward ? all - tensor_bytes(p) + y_bytes(p) : all;
}

std::size_t minimal_bytes(const Problem& p, Direction direction) {
    const std::size_t parameter = static_cast<std::size_t>(p.shape.C) * size_of(p.params()),
                      beta = p.spec.centred() ? 1 : 0;
    const bool forward = direction == Direction::forward;
    const std::size_t scales = forward ? static_cast<std::size_t>(p.scale_count()) * sizeof(float) : 0;
    return call_bytes(p, direction) + (forward ? 1 + beta : 2 + beta) * parameter + scales;
}

Sample summarize(std::vector<double> seconds) {
    if (seconds.empty()) throw Error("no timings; one or more is accepted");
    Sample s{median(seconds), 0};
    for (double& v : seconds) v = std::abs(v - s.median);
    if (s.median > 0) s.spread = median(seconds) / s.median;
    return s;
}

}  // namespace normlab::bench
