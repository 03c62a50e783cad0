#pragma once
// Data sets made from others. Each adds what it did to name and description; values stay in [0, 1]. Throw Error for
// settings that make no sense.

#include "studies/data/dataset.hpp"

namespace normlab::data {

Dataset binarise(const Dataset& set);                                ///< 1 where x >= 0.5, else 0
Dataset binarise_at_random(const Dataset& set, std::uint64_t seed);  ///< 1 with probability x
/// mean of each 2x2: 28 x 28 -> 14 x 14; H and W even
Dataset halve(const Dataset& set);
Dataset shift(const Dataset& set, std::int64_t down, std::int64_t right);     ///< 0 comes in from outside
Dataset contrast(const Dataset& set, double factor, double level = 0);        ///< level + factor * x, clipped
Dataset add_noise(const Dataset& set, double deviation, std::uint64_t seed);  ///< x + normal, clipped

}  // namespace normlab::data
