#pragma once
// One problem run through an Operation in memory that is watched.

#include <functional>
#include <optional>

#include "norms/operation.hpp"
#include "system/guarded_memory.hpp"
#include "verify/check/exact.hpp"

namespace normlab::verify {

/// How a problem is run. The results are the same bits whatever is chosen here.
struct How {
    int threads = 1;             ///< 0: the implementation's default
    std::size_t offset = 0;      ///< every array begins this many of its elements beyond a multiple of 256 bytes
    std::size_t stagger = 0;     ///< and the k-th array k * stagger elements more
    bool in_place = false;       ///< y = x, dx = dy, s = residual
    std::uint8_t poison = 0xff;  ///< bytes that outputs hold before; the zones around arrays follow from it
    /// bytes that the workspace holds before the first forward and the first backward call
    std::uint8_t dirt = 0;
    /// the same plan runs forward on other numbers, in other memory, before forward and before backward
    bool interleaved = false;
    /// of forward, then of backward, from one plan and the same State; the results are the last one's
    int calls = 1;
    /// on the host: every array ends, or begins, at pages that cannot be touched, and inputs are to be read only, in
    /// place of offset, stagger and zones
    std::optional<system::GuardedMemory::Edge> edge = {};
};

/// Bytes that make outputs NaN in every dtype, and ones that make them huge.
inline constexpr std::uint8_t nan_poison = 0xff, huge_poison = 0x7b;

struct Breach {
    /// written outside an array; an input written; State moved in evaluation, or by backward; read outside an array, or
    /// touched when its call had ended
    enum Kind { outside, input, state, read } kind;
    std::string what;  ///< "y: 1 byte after its end was written"
};

struct WatchedRun {
    /// y, dx, dgamma, dbeta (s, d_residual), saved mean, var, rstd (r, d), own bytes, running mean and spread, count;
    /// ddx, ddy, ddgamma where the inputs call for the double backward and the implementation does not decline it
    std::vector<Array> results;
    std::vector<Breach> breaches;
};

/// Forward and backward on the implementation's device. Every array and the workspace lie between zones of 512 bytes or
/// more with a pattern; outputs and Saved are poisoned before each call.
WatchedRun run_watched(const Implementation& implementation, const Inputs<double>& inputs, const How& how = {});

/// The breaches of one kind as a finding.
Finding breaches_of(Breach::Kind kind, std::string_view quantity, const std::vector<Breach>& breaches);

/// `call` has to throw Error and to leave `state` and y, of the problem's shape, as they were.
Finding refused(std::string_view quantity, const Problem& problem, const State& state,
                const std::function<void(ConstTensor x, State& state, Tensor y)>& call);

}  // namespace normlab::verify
