#pragma once
// Truth: what every implementation is judged by, the reference included, and sharing no code with any. Plain loops over
// index sets written down from the definitions of the variants, in two ways that a test holds against each other: by
// the tape, forward in quad precision and backward by differentiating that forward (tape.hpp); and by formula, in pairs
// of doubles, at 100 ns and 100 bytes an element (formula.cpp, which derives how far off it may be).

#include <limits>

#include "verify/truth/inputs.hpp"
#include "verify/truth/wide.hpp"

namespace normlab::truth {

/// One block (or one channel, where statistics come from State) and what error bounds need of it.
struct Block {
    std::vector<std::size_t> elements;  ///< logical indices; of those that count, where there is a mask
    std::vector<std::size_t> all = {};  ///< with a mask: those that do not, too
    Quad mean = 0, var = 0;             ///< var as in norm.hpp
    Quad s = 0;                         ///< sqrt(var + eps), another denominator, or the running sigma
    Quad r = 1, d = 0, raw_r = 1, raw_d = 0;
    double divisor = 1;  ///< q: what the block's sums are divided by
    /// where its statistics are of a part: how many of its elements they are of, the first ones
    std::size_t part = std::numeric_limits<std::size_t>::max();
    double kappa = 1;  ///< sqrt(1 + mean^2 / s^2), 1 where the mean is not removed
};

struct Result {
    std::vector<Block> blocks;
    std::vector<Wide> x_hat;                         ///< before r and d
    std::vector<Wide> y, dx, dgamma, dbeta;          ///< gradients only if inputs.dy is there
    std::vector<Wide> z;                             ///< before an activation; empty where there is none
    std::vector<Wide> running_mean, running_spread;  ///< after the call; spread: variance or sigma
    std::int64_t steps = 0;                          ///< of them: how often they have moved, what the count grows by
    std::vector<Wide> ddx, ddy, ddgamma;             ///< only where inputs call for the double backward
    std::vector<Wide> s, d_residual;                 ///< only with a residual
    std::vector<Wide> dtau;                          ///< only with a threshold
    /// what backward makes of the s that it reads, where forward's statistics saw other numbers; otherwise empty
    std::vector<Result> backward = {};
};

/// Logical indices of each block, in the order of Saved; of each channel where statistics come from State. With a mask
/// those that do not count, too.
std::vector<std::vector<std::size_t>> index_sets(const Problem& problem);

/// With a mask the formula leaves out the elements that do not count, and has a block of fewer. The tape has the whole
/// block, with weights of 1 and 0 in its sums, and y is the constant 0 for the others: that nothing of these is in dx,
/// dgamma and dbeta is what differentiating says.
/// Where statistics are of a part the formula leaves x_hat's term out of the other elements' dx; the tape has weights
/// of 1 and 0 in the sum of squares, and knows no more of it. With a residual the layer behind it sees s, which is
/// exact: two floats are added and rounded as the definition says. 0 / 0 is 0: a block with var + eps = 0 has x_hat = 0
/// and dx = 0. By formula where its bound suffices (may_use_formula). By the tape the double backward is differentiated
/// twice: S of norm.hpp is the derivative of the loss sum dy y along v in x, u in gamma and w in beta, so that ddx and
/// ddgamma are those of dx and dgamma, and ddy is that of y. A tape of dual numbers gives all three; nobody derived a
/// formula for them.
Result evaluate(const verify::Inputs<double>& inputs);

/// In quad precision; about 3 us and 1.5 KB an element of the largest block.
Result evaluate_by_tape(const verify::Inputs<double>& inputs);

/// In pairs of doubles.
Result evaluate_by_formula(const verify::Inputs<double>& inputs);

/// State after a call in training, rounded to f64: what a next call may be given, so that none depends on how right an
/// earlier one was.
State state_after(const verify::Inputs<double>& inputs, const Result& result);

/// The data are of f64 or narrower, and none of their numbers or products leaves the range of double.
bool may_use_formula(const verify::Inputs<double>& inputs);

}  // namespace normlab::truth
