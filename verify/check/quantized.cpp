#include "verify/check/quantized.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "verify/check/compare.hpp"
#include "verify/check/exact.hpp"

namespace normlab::verify {
namespace {

// What uses one scale, and what that may be.
struct SharedScale {
    double amax = 0, least = 0, most = 0;
    bool finite = true;
};

class Quantized {
public:
    Quantized(const Inputs<double>& in, const truth::Result& t, const std::vector<double>& bound,
              const Outputs<double>& out)
        : p_(in.problem), spec_(p_.spec), type_(row_of(*spec_.output)), t_(t), bound_(bound), out_(out),
          entry_(t.y.size()), parts_(out.scale.size()) {
        for (std::size_t i = 0; i < entry_.size(); ++i) entry_[i] = p_.scale_entry(i);
        for (std::size_t b = 0; spec_.scale == Scale::block && b < t.blocks.size(); ++b)
            for (const std::size_t i : t.blocks[b].all.empty() ? t.blocks[b].elements : t.blocks[b].all) entry_[i] = b;
        for (std::size_t i = 0; spec_.finds_scale() && i < entry_.size(); ++i) {
            SharedScale& part = parts_[entry_[i]];
            const double size = std::abs(t.y[i].high);
            if (!(size + bound[i] <= largest_f32)) part.finite = false;
            part.amax = std::max(part.amax, size);
            part.least = std::max(part.least, size - bound[i]), part.most = std::max(part.most, size + bound[i]);
        }
    }

    Finding y(const std::vector<double>& soft) const {
        std::vector<double> got = out_.y, bound(got.size()), warning(soft.size());
        std::vector<truth::Wide> right = t_.y;
        for (std::size_t i = 0; i < got.size(); ++i) {
            const double scale = scale_of(i), end = type_.largest * scale, size = std::abs(t_.y[i].high);
            if (!is_judged(i)) got[i] = 0, right[i] = truth::Wide(0.0);
            else if (size > end) right[i] = truth::Wide(std::copysign(end, t_.y[i].high));
            const auto rounded_off = [&](double b) {
                return b + type_.roundoff * (std::min(size, end) + b) + type_.smallest_subnormal / 2 * scale;
            };
            bound[i] = rounded_off(bound_[i]);
            if (!soft.empty()) warning[i] = rounded_off(soft[i]);
        }
        Problem wide = p_;
        wide.dtype = DType::f32;
        Finding f = compare("y", wide, got, right, bound, warning);
        f.rounding *= type_.roundoff / u;
        return f;
    }

    Finding q() const {
        std::size_t wrong = 0;
        std::string first;
        for (std::size_t i = 0; i < out_.q.size(); ++i) {
            const double y = t_.y[i].high;
            double low = least_of(y - bound_[i], i), high = -least_of(-(y + bound_[i]), i);
            if (std::isnan(y)) low = high = y;
            else if (!is_judged(i) || std::isnan(low) || std::isnan(high)) continue;
            const double got = out_.q[i];
            if (std::isnan(y) ? std::isnan(got) : got >= low && got <= high) continue;
            if (wrong++ > 0) continue;
            first = fmt::format("{}: {}, but y is {:.9g} and the scale {:.9g}: {}", element_text(p_, i), got, y,
                                out_.scale[entry_[i]], low == high ? shown(low) : shown(low) + " to " + shown(high));
        }
        return none_of("q", wrong, first);
    }

    Finding scale() const {
        Finding worst = measured("scale", 0, 0);
        for (std::size_t k = 0; k < parts_.size(); ++k) {
            if (!parts_[k].finite) continue;
            const double got = out_.scale[k], slack = (spec_.scale_inverse ? 6 : 4) * u,
                         right = stored(parts_[k].amax, 0), one = stored(parts_[k].least, -slack),
                         other = stored(parts_[k].most, slack);
            double error = std::abs(got - right);
            int exponent = 0;
            if (spec_.scale_power_of_two && std::frexp(got, &exponent) != 0.5) error = infinite;
            const double bound = std::max(std::abs(one - right), std::abs(other - right));
            if (Finding::ratio(error, bound) <= worst.ratio() && !worst.where.empty()) continue;
            worst = measured("scale", error, bound, fmt::format("scale {}: {:.9g}, truth {:.9g}", k, got, right));
        }
        return worst;
    }

private:
    static constexpr double u = unit_roundoff(DType::f32), largest_f32 = row_of(DType::f32).largest,
                            infinite = std::numeric_limits<double>::infinity();

    static std::string shown(double v) { return fmt::format("{}", v); }

    // What an element is multiplied by, as it was returned.
    double scale_of(std::size_t i) const {
        const double stored = out_.scale[entry_[i]];
        return spec_.scale_inverse ? 1 / stored : stored;
    }
    bool is_judged(std::size_t i) const {
        const double scale = scale_of(i);
        return parts_[entry_[i]].finite && !std::isnan(t_.y[i].high) && scale > 0 && std::isfinite(scale);
    }

    // The least number that y's quotient may be rounded to.
    double least_of(double y, std::size_t i) const {
        if (y < -largest_f32) y = -infinite;  // in f32
        const double quotient = y / scale_of(i);
        return rounded(std::isinf(quotient) ? quotient : quotient - 4 * u * std::abs(quotient), type_.type);
    }

    // The scale of such an amax, off by this much of itself, as it is stored.
    double stored(double amax, double off) const {
        double scale = std::max(amax / type_.largest, 1 / (type_.largest * 512)) * (1 + off);
        int exponent = 0;
        if (spec_.scale_power_of_two && std::frexp(scale, &exponent) > 0.5) scale = std::ldexp(1.0, exponent);
        return spec_.scale_inverse ? 1 / scale : scale;
    }

    const Problem& p_;
    const Spec& spec_;
    const DTypeRow& type_;
    const truth::Result& t_;
    const std::vector<double>& bound_;
    const Outputs<double>& out_;
    std::vector<std::size_t> entry_;
    std::vector<SharedScale> parts_;
};

}  // namespace

std::vector<Finding> judge_quantized(const Inputs<double>& in, const truth::Result& truth,
                                     const std::vector<double>& hard, const std::vector<double>& soft,
                                     const Outputs<double>& out) {
    const Quantized judge(in, truth, hard, out);
    std::vector<Finding> all{judge.y(soft), judge.q()};
    if (in.problem.spec.finds_scale()) all.push_back(judge.scale());
    return all;
}

}  // namespace normlab::verify
