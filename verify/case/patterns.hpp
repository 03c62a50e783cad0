#pragma once
// The names of the ways to fill an array of a case: "x=spike", "dy=ones", "gamma=zero". fill.cpp has what they do.
//
// x, block by block, times sigma, plus offset:
//   normal       draw.hpp's: normal deviates with shifts of channels and samples
//   grid         whole numbers from -4 to 4: x + offset is exact
//   constant     0: all equal offset
//   ulp          constant but for one element, which is the next value above
//   spike        1 but for one 1e4
//   outlier      normal, the first element of a block 1e4 away
//   sorted       normal, ascending
//   alternating  +1, -1, +1, ... by place
//   pairs        whole numbers d, -d, e, -e, ...: mean exactly offset; an odd last one is 0
//   tag          the logical index of the element: no two are equal
//   uniform      in (0, 1)
//   tail         0 but for two pairs +d, -d, one of them at the end of the block, d a power of 2 that makes
//                the variance about 1: a sum that loses an element, or the count, is off by a quarter and more, however
//                long it is
//   assorted     blocks in turn constant, normal, normal and 1000 times smaller, 1 but for one 100: who computes
//                several blocks at a time may decide by one of them
//   edges        0, -0, subnormals, the smallest normal number, 1 and its neighbour, powers of two, both signs
// dy: normal (draw.hpp's), ones, zero, x_hat, y, grid, tail (0 but for 1 in few places of each channel, most of them
// near its end: a sum over rows that loses one of them is off by a tenth and more), large (|drawn| * 2^13 in f16, *
// 2^90 or less elsewhere: sums of them leave the range of 16 bits, not that of dgamma and dbeta). gamma: normal (in
// +-[0.5, 2]), ones, zero, negative, mixed (one entry of three 0), large (times 2^16: y of f16 leaves the range).
// beta: normal, zero. ds, with a residual: normal, none (absent). tau, of a threshold: normal (about beta, so that
// about half of z are below it), beta (that of its entry, where z is when x_hat is 0), between (in the widest gap
// between the z of its entry that has an eighth to a half of them below it), low, high (-1000 and 1000: few z are on
// the other side).

#include <span>
#include <string_view>

namespace normlab::verify {

inline constexpr std::string_view x_patterns[] = {"normal",  "grid",   "constant",    "ulp",     "spike",
                                                  "outlier", "sorted", "alternating", "pairs",   "tag",
                                                  "uniform", "edges",  "tail",        "assorted"};
inline constexpr std::string_view dy_patterns[] = {"normal", "ones", "zero", "x_hat", "y", "grid", "tail", "large"};
inline constexpr std::string_view gamma_patterns[] = {"normal", "ones", "zero", "negative", "mixed", "large"};
inline constexpr std::string_view beta_patterns[] = {"normal", "zero"};
inline constexpr std::string_view ds_patterns[] = {"normal", "none"};
inline constexpr std::string_view tau_patterns[] = {"normal", "beta", "between", "low", "high"};

}  // namespace normlab::verify
