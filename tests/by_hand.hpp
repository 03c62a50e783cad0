#pragma once
// Results beside numbers that were worked out by hand.

#include <vector>

#include "norms/registry.hpp"
#include "tests/catch.hpp"
#include "verify/faults/naming.hpp"
#include "verify/truth/truth.hpp"

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

struct ByHand {
    Numbers y, dx, dgamma, dbeta;
};

// Of the reference, of the planted faults' layer and of both ways to truth; `more` judges what else they have.
template <class F>
void judge(const Inputs<double>& in, const ByHand& right, F more) {
    const auto all = [&](const auto& got) {
        same(got.y, right.y), same(got.dx, right.dx), same(got.dgamma, right.dgamma), same(got.dbeta, right.dbeta);
        more(got);
    };
    for (const Implementation* implementation : {&find_implementation("reference"), &faults::implementation(nullptr)}) {
        CAPTURE(implementation->name());
        all(run(*implementation, in));
    }
    for (const truth::Result& t : {truth::evaluate_by_tape(in), truth::evaluate_by_formula(in)}) all(t);
}

}  // namespace normlab::verify
