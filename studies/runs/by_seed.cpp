#include "studies/runs/by_seed.hpp"

#include <functional>
#include <vector>

namespace normlab::studies {
namespace {

template <class F>
BySeed combined(const BySeed& a, const BySeed& b, F f) {
    BySeed all;
    for (const auto& [seed, value] : a.values)
        if (const auto other = b.values.find(seed); other != b.values.end()) all.values[seed] = f(value, other->second);
    return all;
}

}  // namespace

BySeed BySeed::operator-(const BySeed& other) const { return combined(*this, other, std::minus()); }
BySeed BySeed::operator+(const BySeed& other) const { return combined(*this, other, std::plus()); }

BySeed BySeed::operator*(double factor) const {
    BySeed all = *this;
    for (auto& [seed, value] : all.values) value *= factor;
    return all;
}

BySeed BySeed::without(std::int64_t seed) const {
    BySeed rest = *this;
    rest.values.erase(seed);
    return rest;
}

double BySeed::mean() const { return mean_of(*this).value; }

Interval mean_of(const BySeed& values) {
    std::vector<double> list;
    for (const auto& [seed, value] : values.values) list.push_back(value);
    return mean_of(std::span<const double>(list));
}

void put(std::map<std::string, Interval>& measures, const std::string& name, const BySeed& values) {
    if (!values.empty()) measures[name] = mean_of(values);
}

}  // namespace normlab::studies
