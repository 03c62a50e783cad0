#pragma once
// What a row of the table is made of: bytes that must move, and statistics of repeated timings.

#include <cstddef>
#include <string_view>
#include <vector>

#include "norms/spec.hpp"

namespace normlab::bench {

enum class Direction { forward, backward };
std::string_view name_of(Direction);          // forward backward
Direction parse_direction(std::string_view);  ///< throws Error naming the accepted words

enum class Cache { cold, warm };
std::string_view name_of(Cache);  // cold warm
Cache parse_cache(std::string_view);

/// Bytes of x, or of any other tensor of the problem.
std::size_t tensor_bytes(const Problem& problem);

/// Tensors that a call reads or writes: forward x and y, backward x, dy and dx. With a residual forward x, residual, s
/// and y, backward s, dy, ds and dx: d_residual is dx to the bit where both are of one type, and one array serves both.
constexpr std::size_t tensors(Direction d, bool adds = false) {
    if (d == Direction::forward) return adds ? 4 : 2;
    return adds ? 4 : 3;
}

/// Bytes of y, which may be of another type.
std::size_t y_bytes(const Problem& problem);

/// Bytes of these tensors together.
std::size_t call_bytes(const Problem& problem, Direction direction);

/// The least that any implementation moves between memory and cores: each tensor once, the parameters and, of a y of 8
/// bits, the scales: forward gamma and beta; backward gamma, dgamma and dbeta (weight norm and rms norm: no beta).
/// Statistics are not counted.
std::size_t minimal_bytes(const Problem& problem, Direction direction);

/// Of repeated timings in seconds.
struct Sample {
    double median = 0;
    double spread = 0;  ///< median absolute deviation from the median, as a part of it
};

/// Throws Error for an empty list. The median of an even number of values is the mean of the middle two.
Sample summarize(std::vector<double> seconds);

/// Spreads above this are called noise.
constexpr double noisy = 0.10;

}  // namespace normlab::bench
