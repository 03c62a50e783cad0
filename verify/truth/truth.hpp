#pragma once
// Truth: what every implementation is judged by, the reference included, and sharing no code with any. Plain loops over
// index sets written down from the definitions of the variants, forward in quad precision; backward by differentiating
// that forward (tape.hpp).

#include "norms/quad.hpp"
#include "verify/truth/inputs.hpp"

namespace normlab::truth {

/// One block (or one channel, where statistics come from State) and what error bounds need of it.
struct Block {
    std::vector<std::size_t> elements;  ///< logical indices
    Quad mean = 0, var = 0;             ///< var as in norm.hpp
    Quad s = 0;                         ///< sqrt(var + eps), or the running sigma
    Quad r = 1, d = 0, raw_r = 1, raw_d = 0;
    double divisor = 1;  ///< q: what the block's sums are divided by
    double kappa = 1;    ///< sqrt(1 + mean^2 / s^2), 1 where the mean is not removed
};

struct Result {
    std::vector<Block> blocks;
    std::vector<Quad> x_hat;                         ///< before r and d
    std::vector<Quad> y, dx, dgamma, dbeta;          ///< gradients only if inputs.dy is there
    std::vector<Quad> running_mean, running_spread;  ///< after the call; spread: variance or sigma
};

/// Logical indices of each block, in the order of Saved; of each channel where statistics come from State.
std::vector<std::vector<std::size_t>> index_sets(const Problem& problem);

/// 0 / 0 is 0: a block with var + eps = 0 has x_hat = 0 and dx = 0.
Result evaluate(const verify::Inputs<double>& inputs);

}  // namespace normlab::truth
