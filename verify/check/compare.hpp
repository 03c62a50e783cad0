#pragma once
// Results against truth. A header of its own for the sake of those who know checks and never see truth.

#include "verify/check/check.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {

/// How far `got` is from truth. 0 for an infinity where truth, or what its bound allows, is beyond the dtype's largest,
/// and for NaN where truth is NaN.
double error_of(double got, const truth::Wide& truth, double bound, DType dtype);

/// got against truth, element by element. Their number, of entries of gamma
/// and beta or N*C*S, decides how `where` names the element.
Finding compare(std::string_view quantity, const Problem& problem, const std::vector<double>& got,
                const std::vector<truth::Wide>& truth, const std::vector<double>& bound,
                const std::vector<double>& warning = {});

/// Throws Unsuitable where some dx overflows its dtype, for checks that sum over them.
void require_finite_dx(const truth::Result& truth, DType dtype);

template <class T = double>
std::vector<truth::Wide> wides(const std::vector<T>& v) {
    std::vector<truth::Wide> out;
    for (const T& e : v) out.emplace_back(e);
    return out;
}

}  // namespace normlab::verify
