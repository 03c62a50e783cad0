#pragma once
// The data set that needs no file: digits drawn from strokes.

#include "studies/data/dataset.hpp"

namespace normlab::data {

struct DigitsOptions {
    std::int64_t train = 12000, test = 2000;
    std::uint64_t seed = 1;
    double noise = 0.15;  ///< standard deviation of the pixels' noise
};

/// 28 x 28, ten classes in equal shares. Each sample is its digit's strokes (lines and parabolas) with every control
/// point moved, the whole turned, scaled, sheared and shifted, drawn with a pen of random width and darkness, crossed
/// by a stray stroke, with noise; all from the seed and the sample's number alone: training samples are numbers 0, 1,
/// ..., test samples have numbers of their own. +, -, *, / and sqrt only: the same bits on every platform that keeps
/// IEEE 754. Throws Error for counts below 1 or a noise outside [0, 1].
Split digits(const DigitsOptions& options = {});

}  // namespace normlab::data
