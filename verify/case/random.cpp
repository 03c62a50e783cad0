#include "verify/case/random.hpp"

#include <cmath>
#include <numbers>

#include "verify/truth/inputs.hpp"

namespace normlab::verify {

std::uint64_t Random::bits() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double Random::uniform() { return (static_cast<double>(bits() >> 12) + 0.5) * 0x1p-52; }

double Random::normal() {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
}

std::int64_t Random::integer(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(bits() % static_cast<std::uint64_t>(high - low + 1));
}

std::vector<double> Random::normals(std::size_t count, DType dtype) {
    std::vector<double> v(count);
    for (double& e : v) e = rounded(normal(), dtype);
    return v;
}

}  // namespace normlab::verify
