#include "verify/check/compare.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "verify/check/exact.hpp"

namespace normlab::verify {

void require_finite_dx(const truth::Result& truth, DType dtype) {
    if (std::ranges::any_of(truth.dx, [&](const truth::Wide& v) { return std::abs(v.high) > row_of(dtype).largest; }))
        throw Unsuitable(fmt::format("dx overflows {}", name_of(dtype)));
}

// Nine digits tell numbers of f32 and less apart, seventeen those of f64 (running and saved statistics too).
static std::string against_truth(double got, double truth, DType dtype) {
    const std::string a = fmt::format("{:.9g}", got), b = fmt::format("{:.9g}", truth);
    return dtype == DType::f64 || (a == b && got != truth) ? fmt::format("{:.17g}, truth {:.17g}", got, truth)
                                                           : fmt::format("{}, truth {}", a, b);
}

double error_of(double got, const truth::Wide& truth, double bound, DType dtype) {
    // on the infinity's side of truth the bound reaches beyond the largest number
    if (std::isinf(got) && !(std::copysign(1.0, got) * truth.high + bound <= row_of(dtype).largest)) return 0;
    if (std::isnan(got) && std::isnan(truth.high)) return 0;  // of an x_hat beyond the data's type, and a gamma of 0
    return truth::distance(got, truth);
}

Finding compare(std::string_view quantity, const Problem& p, const std::vector<double>& got,
                const std::vector<truth::Wide>& truth, const std::vector<double>& bound,
                const std::vector<double>& warning) {
    Finding worst_of{std::string(quantity)};
    if (got.size() != truth.size() || got.size() != bound.size()) {
        worst_of.verdict = Verdict::fail;
        worst_of.where = fmt::format("{} values where {} are expected", got.size(), truth.size());
        return worst_of;
    }
    double worst_ratio = -1;
    std::size_t at = 0;
    bool beyond = false;  // the warning
    for (std::size_t i = 0; i < got.size(); ++i) {
        const double error = error_of(got[i], truth[i], bound[i], p.dtype);
        beyond |= !warning.empty() && error > warning[i];
        const double ratio = Finding::ratio(error, bound[i]);
        if (ratio <= worst_ratio) continue;
        worst_ratio = ratio, at = i;
        worst_of = measured(quantity, error, bound[i]);
    }
    if (got.empty()) return worst_of;
    worst_of.warning = beyond;
    worst_of.rounding = std::max(unit_roundoff(p.dtype), storage_roundoff(p.dtype)) * std::abs(truth[at].high);
    const bool of_entry = std::ssize(got) == p.affine_count() && std::ssize(got) != p.shape.size();
    const std::string place = of_entry ? entry_text(p, at) : element_text(p, at);
    worst_of.where = fmt::format("{}: {}", place, against_truth(got[at], truth[at].high, p.dtype));
    return worst_of;
}

}  // namespace normlab::verify
