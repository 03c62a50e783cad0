#pragma once
// Results beside numbers that were worked out by hand.

#include <vector>

#include "tests/catch.hpp"
#include "verify/truth/wide.hpp"

namespace normlab::verify {

using Numbers = std::vector<double>;

// Approx allows a share of the number; 1e-15, nine roundings of f64 at 1, is for what cancels to 0.
inline void same(const Numbers& got, const Numbers& right) {
    REQUIRE(got.size() == right.size());
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(right[i]).margin(1e-15));
}

inline void same(const std::vector<truth::Wide>& got, const Numbers& right) {
    Numbers v;
    for (const truth::Wide& w : got) v.push_back(w.high);
    same(v, right);
}

}  // namespace normlab::verify
