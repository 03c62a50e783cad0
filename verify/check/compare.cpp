#include "verify/check/compare.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "norms/names.hpp"

namespace normlab::verify {

void require_finite_dx(const truth::Result& truth, DType dtype) {
    if (std::ranges::any_of(truth.dx, [&](const Quad& v) { return abs(v) > row_of(dtype).largest; }))
        throw Unsuitable(fmt::format("dx overflows {}", name_of(dtype)));
}

// Nine digits tell numbers of f32 and less apart, seventeen those of f64 (running and saved statistics too).
static std::string against_truth(double got, double truth, DType dtype) {
    const std::string a = fmt::format("{:.9g}", got), b = fmt::format("{:.9g}", truth);
    return dtype == DType::f64 || (a == b && got != truth) ? fmt::format("{:.17g}, truth {:.17g}", got, truth)
                                                           : fmt::format("{}, truth {}", a, b);
}

Finding compare(std::string_view quantity, const Problem& p, const std::vector<double>& got,
                const std::vector<Quad>& truth, const std::vector<double>& bound, const std::vector<double>& warning) {
    Finding worst_of{std::string(quantity)};
    if (got.size() != truth.size() || got.size() != bound.size()) {
        worst_of.verdict = Verdict::fail;
        worst_of.where = fmt::format("{} values where {} are expected", got.size(), truth.size());
        return worst_of;
    }
    double worst_ratio = -1;
    for (std::size_t i = 0; i < got.size(); ++i) {
        const auto value = static_cast<double>(truth[i]);
        const bool overflows = std::isinf(got[i]) && std::signbit(got[i]) == std::signbit(value) &&
                               !(std::abs(value) + bound[i] <= row_of(p.dtype).largest);
        Finding f = measured(quantity, overflows ? 0 : static_cast<double>(abs(Quad(got[i]) - truth[i])), bound[i]);
        if (!warning.empty() && f.error > warning[i]) worst_of.warning = true;
        const double ratio = std::isnan(f.error) ? std::numeric_limits<double>::infinity() : f.ratio();
        if (ratio <= worst_ratio) continue;
        worst_ratio = ratio;
        const auto C = static_cast<std::size_t>(p.shape.C), S = static_cast<std::size_t>(p.shape.S);
        f.where = got.size() == C && C != static_cast<std::size_t>(p.shape.size())
                      ? fmt::format("c={}: {}", i, against_truth(got[i], value, p.dtype))
                      : fmt::format("n={} c={} s={}: {}", i / (C * S), i / S % C, i % S,
                                    against_truth(got[i], value, p.dtype));
        f.warning = worst_of.warning;
        f.rounding = std::max(unit_roundoff(p.dtype), storage_roundoff(p.dtype)) * std::abs(value);
        worst_of = f;
    }
    return worst_of;
}

}  // namespace normlab::verify
