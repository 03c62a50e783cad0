#pragma once
// Numbers by chance, in sequence.

#include <cstdint>
#include <initializer_list>
#include <ranges>
#include <vector>

#include "norms/tensor.hpp"

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
    bool chance(double p) { return uniform() < p; }

    template <class Range>
    auto one_of(const Range& v) { return std::ranges::begin(v)[integer(0, std::ssize(v) - 1)]; }
    template <class T>
    T one_of(std::initializer_list<T> v) { return v.begin()[integer(0, std::ssize(v) - 1)]; }

private:
    std::uint64_t state_;
};

}  // namespace normlab::verify
