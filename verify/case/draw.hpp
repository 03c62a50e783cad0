#pragma once
// The numbers of a case, from its seed: the same on every platform and in every build.

#include "verify/case/case.hpp"

namespace normlab::verify {

/// Counter-free generator with distributions of our own (the standard library's differ between vendors).
class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t bits();               ///< splitmix64 (Steele, Lea & Flood 2014)
    double uniform();                   ///< in (0, 1)
    double normal();                    ///< Box-Muller
    std::int64_t integer(std::int64_t low, std::int64_t high);   ///< both included
    std::vector<double> normals(std::size_t count, DType dtype);

private:
    std::uint64_t state_;
};

/// x: sigma * (z + channel and sample shifts) + sigma * sqrt(kappa^2 - 1) * (sign by case seed); dy: normal with components along 1 and x, so that both
/// means of the backward formula matter; gamma in +-[0.5, 2], beta normal; running statistics near the data's, or far from them. Real data replace x.
/// Throws Unsuitable if a value overflows the dtype.
Inputs<double> draw(const Case& c);

}  // namespace normlab::verify
