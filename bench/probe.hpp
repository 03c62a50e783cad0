#pragma once
// What a few blocks and channels of a large tensor should come out as: plain loops over index sets in long double with
// compensated sums, from the definitions, sharing no code with what they judge. Truth in quad would take minutes on
// such tensors.

#include <unordered_map>
#include <vector>

#include "bench/call.hpp"
#include "verify/truth/bounds.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::bench {

/// The numbers of a full-size call on the host, in the problem's layout: x with a mean and a variance of its own in
/// every channel and sample, dy with components along 1 and x; residual and ds of a layer that has them.
struct Data {
    Data(const Problem& problem, std::uint64_t seed);
    Parameters parameters;
    Memory x, dy, residual, ds;
};

/// Elements of one block, or those of one channel, as a problem of their own for verify's bounds: which elements, what
/// the results should be.
struct Probe {
    std::string name;                  ///< "the block of n=0 c=3 s=7"
    std::vector<std::int64_t> places;  ///< of each element, in elements from the tensor's beginning
    std::int64_t block = 0;            ///< number in Saved
    std::int64_t channel = 0;          ///< the first of `in`
    std::vector<std::size_t> scales;   ///< number in all, of each that `in` has
    verify::Inputs<double> in;
    /// block: y, s, dx and, where the block is a channel, dgamma and dbeta; channel: dgamma and dbeta
    truth::Result expected;
    bool has_block = false, has_channel = false;
};

/// Blocks and channels of the first, the last and two random elements; fewer where blocks are larger than half a
/// million elements. backward: dx, dgamma and dbeta too. stat_batch is not supported, nor Residual::wide, nor
/// Scale::channels where a block has some channels alone.
std::vector<Probe> make_probes(const Problem& problem, const Data& data, bool backward, std::uint64_t seed);

}  // namespace normlab::bench
