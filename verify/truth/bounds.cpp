#include "verify/truth/bounds.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>

#include "verify/truth/activation.hpp"
#include "verify/truth/elements.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {
namespace {

// Of n terms, or n that are not 0 by a mask: then a tree has the depth of the whole.
double chain(double n, Accumulation a, DType d, Limit limit, double whole = 0) {
    double l = n;
    if (a == Accumulation::tree || (a == Accumulation::kappa_free && d == DType::f64))
        l = 1 + std::log2(std::max({n, whole, 1.0}));
    if (a == Accumulation::f64 && d != DType::f64) l = 1 + n * 0x1p-29;
    if (a == Accumulation::pivot) l = n + 2;
    return limit == Limit::hard ? std::max(l, 1.0) : std::sqrt(std::max(l, 1.0));
}

}  // namespace

double error_of_rounding(double v, double error, DType dtype) {
    if (!is_kernel_dtype(dtype)) return error;
    const double right = rounded(v, dtype);
    const auto away = [&](double other) { return other == right ? 0 : std::min(0x1p300, std::abs(other - right)); };
    return std::max(away(rounded(v - error, dtype)), away(rounded(v + error, dtype)));
}

double sum_error(double terms, Accumulation accumulation, DType dtype, Limit limit) {
    const bool wide = accumulation == Accumulation::kappa_free && dtype != DType::f64 && dtype != DType::quad;
    return (wide ? 1 : chain(terms, accumulation, dtype, limit)) * unit_roundoff(dtype);
}

namespace {

bool all_equal(const truth::Block& b, const std::vector<double>& x) {
    return std::ranges::all_of(b.elements, [&](std::size_t i) { return x[i] == x[b.elements[0]]; });
}

// m times this number, which has so few digits that sums are exact in any order.
bool exact_sum(double v, double m, double u) {
    if (!std::isfinite(v)) return false;
    int exponent = 0;
    const auto digits = static_cast<std::uint64_t>(std::ldexp(std::abs(std::frexp(v, &exponent)), 53));
    return digits == 0 || static_cast<double>(digits >> std::countr_zero(digits)) * m <= 1 / u;
}

double size(const Quad& v) { return std::abs(static_cast<double>(v)); }
double size(const truth::Wide& v) { return std::abs(v.high); }

double size_of_entry(const std::vector<double>& v, std::size_t i, double absent) {
    return v.empty() ? absent : std::abs(v[i]);
}

// Bounds of one call, block by block. The letters are those of bounds.hpp.
class Derivation {
public:
    Derivation(const Inputs<double>& inputs, const truth::Result& truth, Accumulation accumulation, Limit limit,
               Repeats repeats)
        : in_(inputs), t_(truth), p_(inputs.problem), accumulation_(accumulation), limit_(limit), repeats_(repeats),
          y_dtype_(p_.spec.quantizes() ? arithmetic_dtype(p_.dtype) : p_.outputs()), u_(unit_roundoff(p_.dtype)),
          u_io_(storage_roundoff(p_.dtype)), tiny_(4 * row_of(p_.dtype).smallest_subnormal),
          tiny_wide_(4 * row_of(arithmetic_dtype(p_.dtype)).smallest_subnormal),
          in_f64_(p_.dtype != DType::quad &&
                  (accumulation == Accumulation::kappa_free || accumulation == Accumulation::f64)),
          u_factor_(p_.spec.gamma_offset != 0 && !inputs.gamma.empty() ? u_ : 0),
          kappa_free_(accumulation == Accumulation::kappa_free && p_.dtype != DType::f64),
          C_(static_cast<std::size_t>(p_.shape.C)), S_(static_cast<std::size_t>(p_.shape.S)),
          entries_(static_cast<std::size_t>(p_.affine_count())), entry_of_(affine_entries(p_)), sum_dy_(entries_),
          sum_dy_kappa_(entries_), sum_dy_x_hat_(entries_), terms_(entries_), underflows_(entries_),
          of_dz_in_dgamma_(entries_), of_dz_in_dbeta_(entries_), sum_below_(entries_), at_kinks_(entries_),
          terms_below_(entries_) {}

    Bounds bounds() {
        follow_slices();
        out_.y.resize(in_.x.size());
        if (has_dy()) {
            out_.dx.resize(in_.x.size());
            out_.dgamma.resize(entries_), out_.dbeta.resize(entries_);
            if (p_.spec.thresholds()) out_.dtau.resize(entries_);
            if (p_.spec.activates())
                for (std::vector<double>* v : {&dz_, &dz_error_}) v->resize(in_.x.size());
        }
        for (const truth::Block& b : t_.blocks) {
            const Errors e = errors(b);
            add_saved(b, e);
            add_y(b, e);
            if (has_dy()) add_dx(b, e);
            if (has_dy() && p_.spec.activates()) add_error_of_dz(b, e);
        }
        if (has_dy()) add_entries();
        if (p_.mode == Mode::train && p_.spec.running != Running::none && !t_.running_mean.empty()) add_running();
        return std::move(out_);
    }

    std::vector<BlockErrors> of_blocks() {
        follow_slices();
        std::vector<BlockErrors> all;
        for (const truth::Block& b : t_.blocks) {
            const Errors e = errors(b);
            BlockErrors of;
            of.x_hat = !p_.spec.centred() ? 0 : kappa_free_ ? 0x1p-46 * e.kappa : e.luk;
            of.rstd = (kappa_free_ ? of_variance(e) : e.dv / 2) + 3 * u_;
            of.r = !p_.has_correction() ? 0 : (e.r_free && !kappa_free_ ? e.dv / 2 : 0) + 4 * u_ + e.moved;
            of.d = e.renorm;
            of.sums = sum_error(e.m, p_.own_statistics() ? accumulation_ : Accumulation::tree, p_.dtype, limit_);
            if (p_.own_statistics() && !p_.spec.plain()) {
                of.slope = e.slope;
                if (p_.spec.denominator == Denominator::added)
                    of.slope_error = e.slope * (kappa_free_ ? 0x1p-45 * e.kappa_v : 2 * std::max(e.luk, e.dv)) + 2 * u_;
                if (e.kink != 0 || e.vanishes != 0) of.rstd = no_bound;
            }
            all.push_back(of);
        }
        return all;
    }

private:
    // What a block's results have in common.
    struct Errors {
        double m, s, r, d, kappa, lu, luk, dv;  // m: of the elements that its statistics are of
        double lu_all;                          // lu, of sums over all elements
        double kappa_v;                         // of the variance: kappa but for another divisor
        double slope;                           // of the denominator, 2 s ds / dvar
        double vanishes;  // where the deviations may be rounding alone: how many times sum g their product is
        double kink;      // 1 where a floor may be on either side, else 0
        double var_lost;  // of a variance below a floor, which s does not depend on
        double of_x_hat;  // what luk and dv are in units of l u, in sums over x_hat: 1 but about a pivot
        double of_one;
        bool d_free, r_free;    // not clipped
        double moved, moved_d;  // by running statistics that move slice after slice
        double renorm;          // renorm's share
        double reach;           // how far an error of the mean goes: into x_hat r and d
        bool arbitrary;         // x_hat: equal elements, nothing added to their variance, and a mean that rounds
        double inside;          // what underflows in r x_hat: before it is multiplied by 1 / s, and after
    };

    bool has_dy() const { return !in_.dy.empty(); }
    std::size_t channel_of(std::size_t i) const { return i / S_ % C_; }
    double gamma(std::size_t i) const { return std::abs(in_.factor(entry_of_[i])); }
    double beta(std::size_t i) const { return size_of_entry(in_.beta, entry_of_[i], 0); }
    double tau(std::size_t i) const { return in_.tau_of(entry_of_[i]); }

    Errors errors(const truth::Block& b) const {
        Errors e{};
        e.m = repeats_.block * static_cast<double>(std::min(b.part, b.elements.size())), e.s = size(b.s),
        e.r = size(b.r), e.d = size(b.d);
        const double all = repeats_.block * static_cast<double>(b.elements.size()),
                     whole = std::max(all, repeats_.block * static_cast<double>(b.all.size()));
        const double l = p_.own_statistics() ? chain(e.m, accumulation_, p_.dtype, limit_, whole) : 1;
        e.lu_all = u_ * (p_.own_statistics() ? chain(all, accumulation_, p_.dtype, limit_, whole) : 1);
        e.kappa = b.kappa;
        // Then the mean is off by two roundings at most, of 1 / m and of a product with it.
        const bool equal = p_.own_statistics() && !b.elements.empty() && all_equal(b, in_.x);
        if (equal && exact_sum(in_.x[b.elements[0]], e.m, u_))
            e.kappa = std::min(b.kappa, 1 + 2 * b.kappa / (in_f64_ ? e.m : l));
        e.arbitrary =
            equal && e.s == 0 && !exact_sum(in_.x[b.elements[0]], e.m, in_f64_ ? unit_roundoff(DType::f64) : u_);
        const double q = b.divisor;
        e.kappa_v = p_.spec.centred() && q != e.m ? std::sqrt(1 + e.m / q * (e.kappa * e.kappa - 1)) : e.kappa;
        const double luk_v = l * u_ * e.kappa_v;
        e.lu = l * u_, e.luk = e.lu * e.kappa, e.dv = std::max(l * u_ + luk_v * luk_v, luk_v);
        e.of_one = e.kappa, e.of_x_hat = 1;
        if (accumulation_ == Accumulation::pivot && p_.own_statistics() && p_.spec.centred()) {
            const double kappa_p = kappa_of_pivot(b, e.m / q);
            e.luk = l * u_ * kappa_p * std::sqrt(q / e.m) + u_ * e.kappa,
            e.dv = std::max(2 * l * u_ * kappa_p * kappa_p, e.luk);
            e.of_one = e.luk / (l * u_), e.of_x_hat = e.dv / (l * u_);
        }
        of_denominator(b, l, luk_v, e);
        // A variance of one pass (a tree's may be one in double) may come out as 0, and what follows is not linear.
        // So may that of equal elements, where it is corrected by the sum of x - mean.
        if (e.dv > 0.25 && (accumulation_ == Accumulation::pivot || accumulation_ == Accumulation::tree || equal))
            e.luk = e.dv = no_bound, e.of_one = e.of_x_hat = no_bound / (l * u_);
        // clipped only if it still is when it moves by its own error
        e.d_free = size(b.raw_d) - 4 * e.luk * size(b.raw_r) < p_.spec.d_max;
        e.r_free = size(b.raw_r) * (1 - 2 * e.dv) < p_.spec.r_max && size(b.raw_r) * (1 + 2 * e.dv) > 1 / p_.spec.r_max;
        if (const auto k = static_cast<std::size_t>(&b - t_.blocks.data()); k < moves_.size()) {
            e.moved = moves_[k].sigma;
            const double running = size(b.raw_r) > 0 ? e.s / size(b.raw_r) : 0;  // sigma, before this slice
            if (e.d_free) e.moved_d = e.moved * size(b.raw_d) + (running > 0 ? moves_[k].mean / running : 0);
        }
        e.renorm = p_.has_correction() ? (e.d_free ? 4 * e.luk * size(b.raw_r) : 0) + 4 * u_ * e.d + e.moved_d : 0;
        e.reach = std::max({1.0, e.r, e.d_free && p_.has_correction() ? size(b.raw_r) : 0.0});
        e.inside = e.s == 0 ? 0 : (tiny_wide_ + tiny_wide_ / e.s) * std::max(1.0, e.r);
        return e;
    }

    void of_denominator(const truth::Block& b, double l, double luk_v, Errors& e) const {
        const double eps = p_.spec.eps, floor = p_.spec.denominator == Denominator::floor ? eps * eps : eps;
        const bool own = p_.own_statistics(), pivot = accumulation_ == Accumulation::pivot && p_.spec.centred();
        e.slope = 1, e.kink = e.vanishes = e.var_lost = 0;
        if (own && p_.spec.has_floor()) {
            e.kink = std::abs(size(b.var) - floor) <= 4 * e.dv * floor ? 1 : 0;
            if (size(b.var) < floor) e.slope = 0;
            if (e.slope == 0 && e.kink == 0 && !pivot && e.s > 0)  // 0 where a mask leaves too little
                below_floor(b, l, e);
        }
        if (!own || p_.spec.denominator != Denominator::added) return;
        e.slope = b.var == 0 ? 0 : e.s / std::sqrt(size(b.var));
        if (!pivot) e.dv = l * u_ + 2 * luk_v;
        else if (e.dv < no_bound)
            e.dv = 2 * (e.slope == 0 ? std::sqrt(e.dv) : std::min(std::sqrt(e.dv), e.dv * e.slope));
        if (e.slope == 0) e.vanishes = 1;
        else if (e.luk * e.slope > 0.25) e.vanishes = b.divisor;
    }

    // What s is made of is eps alone: one rounding of it, one of its root and one of 1 / s.
    void below_floor(const truth::Block& b, double l, Errors& e) const {
        const double var = size(b.var), mean = p_.spec.centred() && e.kappa != 1 ? size(b.mean) : 0;
        const double from_mean = e.m / b.divisor * mean * mean, lu = l * u_;
        e.var_lost = std::max(lu * var + lu * lu * (var + from_mean), lu * std::sqrt(var * (var + from_mean))) +
                     e.m / b.divisor * row_of(arithmetic_dtype(p_.dtype)).smallest_normal;
        e.kappa = e.of_one = std::sqrt(var + mean * mean) / e.s;
        e.luk = lu * e.kappa, e.dv = 4 * u_;
    }

    static constexpr double no_bound = 0x1p300;

    // Of the worst pivot that may have been taken. Without a spread there is no bound: a large number.
    double kappa_of_pivot(const truth::Block& b, double m_over_q) const {
        const auto mean = static_cast<double>(b.mean);
        double distance = 0;
        for (std::size_t i : b.elements) distance = std::max(distance, std::abs(in_.x[i] - mean));
        if (!in_.state.mean.empty() && !b.elements.empty())
            distance = std::max(distance, std::abs(in_.state.mean[channel_of(b.elements[0])] - mean));
        return distance == 0 ? 1 : std::min(no_bound, std::hypot(1, std::sqrt(m_over_q) * distance / size(b.s)));
    }

    // What running statistics are off before a slice: the mean, and sigma relative to itself.
    struct Move {
        double mean = 0, sigma = 0;
    };

    // What a block's mean is off, relative to s, and its variance, relative to s^2.
    struct Lost {
        double mean, var;
    };
    Lost lost_by(const Errors& e) const {
        const double wide = unit_roundoff(DType::f64) * e.m * e.kappa;  // statistics summed and kept in f64
        const double wide_var = p_.spec.plain() ? wide : unit_roundoff(DType::f64) * e.m * (1 + 2 * e.kappa_v);
        return in_f64_ ? Lost{wide, wide_var} : Lost{e.luk, e.dv};
    }

    // Batch renorm's slices see running statistics that earlier slices have moved, with the errors of their own means
    // and sigmas. An average is off by no more than the worst of its terms, relative to itself where all are positive,
    // and by four roundings in f64 a step.
    void follow_slices() {
        if (!p_.has_correction() || p_.slices() == 1) return;
        std::vector<Move> moves, channels(C_);
        std::vector<double> largest(C_);
        for (std::size_t c = 0; c < C_; ++c) largest[c] = std::abs(in_.state.mean[c]);
        for (const truth::Block& b : t_.blocks) {
            const std::size_t c = moves.size() % C_;
            moves.push_back(channels[c]);
            if (b.elements.empty()) continue;
            const Errors e = errors(b);
            const Lost lost = lost_by(e);
            largest[c] = std::max(largest[c], size(b.mean));
            channels[c] = {std::max(channels[c].mean, 2 * lost.mean * e.s) + 0x1p-50 * largest[c],
                           std::max(channels[c].sigma, 2 * lost.var) + 0x1p-50};
        }
        moves_ = std::move(moves);
    }

    void add_saved(const truth::Block& b, const Errors& e) {
        constexpr double u64 = unit_roundoff(DType::f64);
        const auto [lost, lost_var] = lost_by(e);
        const double u = in_f64_ ? u64 : u_;
        // sigma rounded, squared, less eps
        const double given = p_.own_statistics() ? 0 : 4 * u * (e.s * e.s + p_.spec.eps);
        const double least = in_f64_ ? 0 : row_of(p_.dtype == DType::f64 ? p_.dtype : DType::f32).smallest_subnormal;
        const double of_mean = e.arbitrary ? (in_f64_ ? u64 * e.m : e.lu) * size(b.mean) : 0;
        out_.mean.push_back(2 * lost * e.s + 2 * of_mean + 0x1p-50 * size(b.mean) + least);
        const double far = p_.spec.denominator == Denominator::added ? std::max(1.0, (1 + lost_var / 4) / 2) : 1;
        const double of_var =
            e.var_lost > 0 ? (in_f64_ ? std::min(1.0, u64 / u_ * e.m) : 1) * e.var_lost : far * lost_var * e.s * e.s;
        out_.var.push_back(std::max(2 * of_var, given) + 4 * of_mean * of_mean * e.m / b.divisor +
                           0x1p-50 * size(b.var));
        out_.rstd.push_back(e.s > 0 ? 4 * (lost_var / 2 + 3 * u) / e.s : e.arbitrary ? no_bound : 0);
        // of s that is rounding alone r is anything within its limits, and d likewise
        out_.r.push_back(e.arbitrary ? no_bound : 4 * (e.r_free ? lost_var / 2 : 0) * e.r + (4 * u_ + e.moved) * e.r);
        out_.d.push_back(e.arbitrary ? no_bound : (e.d_free ? 4 * lost * size(b.raw_r) : 0) + 4 * u_ * e.d + e.moved_d);
    }

    void add_y(const truth::Block& b, const Errors& e) {
        for (std::size_t i : b.elements) {
            const double x_hat = size(t_.x_hat[i]), result = e.r * x_hat + e.d;
            double z = gamma(i) * (e.inside + u_factor_ * result + (e.arbitrary ? no_bound : 0));
            if (kappa_free_)
                z += 6 * u_ * (gamma(i) * result + beta(i)) +
                     (0x1p-46 * e.kappa * e.reach + of_variance(e) * x_hat) * gamma(i);
            else
                z += gamma(i) * (e.r * 4 * (e.luk + x_hat * (e.dv / 2 + 3 * u_)) + e.renorm) +
                     2 * u_ * (gamma(i) * result + beta(i));
            double y = p_.spec.activates() ? activated(i, z) : z;
            if (p_.spec.casts()) y = behind_cast(b, e, i);
            out_.y[i] = storage_roundoff(y_dtype_) * (std::isfinite(t_.y[i].high) ? size(t_.y[i]) : 0) +
                        4 * row_of(y_dtype_).smallest_subnormal + y;
        }
    }

    // What y is off where x_hat is rounded before gamma.
    double behind_cast(const truth::Block& b, const Errors& e, std::size_t i) const {
        const double x_hat = size(t_.x_hat[i]), factor = gamma(i),
                     hat = t_.x_hat[i].high * static_cast<double>(b.r) + static_cast<double>(b.d);
        double of_hat = e.inside + (e.arbitrary ? no_bound : 0);
        const double terms = e.r * x_hat + e.d;  // which may cancel
        if (kappa_free_) of_hat += 6 * u_ * terms + 0x1p-46 * e.kappa * e.reach + of_variance(e) * x_hat;
        else of_hat += e.r * 4 * (e.luk + x_hat * (e.dv / 2 + 3 * u_)) + e.renorm + 2 * u_ * terms;
        const double right = rounded(hat, p_.dtype), moved = error_of_rounding(hat, of_hat, p_.dtype);
        // a product that is infinite, or no number, is so in truth
        const double product = factor * (std::isfinite(right) ? std::abs(right) + moved : 0);
        const double z = factor * moved + (2 * u_ + u_factor_) * product + 2 * u_ * beta(i);
        if (!p_.spec.activates()) return z;
        const double beta = in_.beta.empty() ? 0 : in_.beta[entry_of_[i]];
        return truth::activation_errors(p_.spec.activation, in_.factor(entry_of_[i]) * right + beta, z, u_, tau(i)).y;
    }

    // What y is off where z is by `error`; dz, what stands for dy in the gradients, is kept. It is off by the slope's
    // error, by its product's rounding, and where that underflows.
    double activated(std::size_t i, double error) {
        const double z = t_.z[i].high;
        const auto [y, slope, by] = truth::activation_errors(p_.spec.activation, z, error, u_, tau(i));
        if (has_dy() && in_.dy[i] != 0) {
            const double to_y = std::abs(in_.dy[i]);
            if (slope > 0) at_kinks_[entry_of_[i]] += to_y;
            if (slope > 0 || by == 0) sum_below_[entry_of_[i]] += to_y, ++terms_below_[entry_of_[i]];
            dz_error_[i] = to_y * (slope + 2 * u_ * by) + tiny_wide_;
            dz_[i] = to_y * by + dz_error_[i];
        }
        return y;
    }
    double dy(std::size_t i) const { return dz_.empty() ? std::abs(in_.dy[i]) : dz_[i]; }

    // dx, dgamma and dbeta are linear in dz. Behind a kink the error may be all of the result, which is then rounded as
    // what it is, and not as truth: so it is here, and in add_entries, with the rounding of its own size.
    void add_error_of_dz(const truth::Block& b, const Errors& e) {
        double along_1 = 0, along_x_hat = 0;
        for (const std::size_t i : b.elements) {
            const std::size_t c = entry_of_[i];
            const double g = gamma(i) * e.r * dz_error_[i], x_hat = size(t_.x_hat[i]);
            along_1 += g / e.m, along_x_hat += g * x_hat / b.divisor;
            of_dz_in_dgamma_[c] += dz_error_[i] * (e.r * x_hat + e.d), of_dz_in_dbeta_[c] += dz_error_[i];
        }
        const bool own = p_.own_statistics();
        along_1 *= repeats_.block;  // e.m is of the larger block
        if (e.s == 0) return;
        for (std::size_t k = 0; k < b.elements.size(); ++k) {
            const std::size_t i = b.elements[k];
            const double means =
                (p_.spec.centred() ? along_1 : 0) + size(t_.x_hat[i]) * std::max(1.0, e.slope) * along_x_hat;
            out_.dx[i] += (1 + u_io_) * (gamma(i) * e.r * dz_error_[i] + (own && k < b.part ? means : 0)) / e.s;
        }
    }

    // What a variance that is not the textbook's adds to x_hat, relatively, where it is summed in f64.
    double of_variance(const Errors& e) const { return p_.spec.plain() ? 0 : 0x1p-46 * e.kappa_v; }

    // dx of other denominators and divisors; bounds.hpp has the derivation. sum_g and of_g_x_hat are over q, mean_g
    // over m.
    double dx_bound(const Errors& e, double q, double g, double x_hat, double sum_g, double of_g_x_hat) const {
        const double mean_g = p_.spec.centred() ? sum_g * q / e.m : 0, by = std::max(1.0, e.slope);
        const double w = x_hat * (e.kink != 0 ? 1 : e.slope), gw = of_g_x_hat * by;
        const double terms = g + mean_g + w * of_g_x_hat, inherited = (by + w) * of_g_x_hat * by + w * sum_g;
        const double vanished = e.vanishes * sum_g, either = e.kink * x_hat * of_g_x_hat;
        if (kappa_free_)
            return (either + 8 * u_ * terms + 0x1p-45 * e.kappa_v * (terms + inherited + gw + vanished)) / e.s;
        const double of_terms =
            accumulation_ == Accumulation::pivot ? 12 * e.luk + 3 * e.dv : 12 * std::max(e.luk, e.dv);
        return (either + of_terms * terms + 12 * e.luk * (inherited + vanished) + 12 * std::max(e.luk, e.lu) * mean_g) /
               e.s;
    }

    // dx where statistics are of a part; x_hat is 0 for what is not of it.
    double dx_bound_of_part(const Errors& e, double g, double x_hat, double of_g_x_hat) const {
        if (kappa_free_) return (8 * u_ * g + 12 * u_ * x_hat * of_g_x_hat + 0x1p-46 * (g + x_hat * of_g_x_hat)) / e.s;
        return 2 * ((e.dv / 2 + 6 * u_) * g + (1.5 * e.dv + e.lu_all + 16 * u_) * x_hat * of_g_x_hat) / e.s;
    }

    void add_dx(const truth::Block& b, const Errors& e) {
        double mean_g = 0, mean_g_x_hat = 0;
        for (std::size_t i : b.elements) {
            const double g = gamma(i) * e.r * dy(i);
            mean_g += g / b.divisor;
            mean_g_x_hat += g * size(t_.x_hat[i]) / b.divisor;
        }
        const bool own = p_.own_statistics();
        const double means = own ? mean_g + mean_g_x_hat : 0;
        for (std::size_t k = 0; k < b.elements.size(); ++k) {
            const std::size_t i = b.elements[k], c = entry_of_[i];
            const bool moves_s = own && k < b.part;
            const double x_hat = size(t_.x_hat[i]), dz = dy(i), g = gamma(i) * e.r * dz;
            sum_dy_[c] += dz;
            terms_[c] += dz != 0;
            sum_dy_kappa_[c] += e.of_one * e.reach * dz + (p_.spec.plain() ? 0 : e.kappa_v * x_hat * dz);
            sum_dy_x_hat_[c] += dz * (e.r * x_hat + e.d) * e.of_x_hat;
            underflows_[c] += dz * e.inside + (dz != 0 ? tiny_wide_ / 8 : 0);
            double& dx = out_.dx[i];
            dx = u_io_ * size(t_.dx[i]) + tiny_ + (1 + x_hat) * e.inside;
            if (e.arbitrary) dx = underflows_[c] = no_bound;
            if (e.s == 0) continue;
            if (own) dx += e.inside * (mean_g_x_hat + x_hat * mean_g) / e.s;
            if (u_factor_ > 0)
                dx += u_factor_ / e.s * (g + (moves_s ? mean_g + x_hat * std::max(1.0, e.slope) * mean_g_x_hat : 0));
            if (p_.spec.is_partial()) {
                dx += dx_bound_of_part(e, g, moves_s ? x_hat : 0, mean_g_x_hat);
            } else if (own && !p_.spec.plain()) {
                dx += dx_bound(e, b.divisor, g, x_hat, mean_g, mean_g_x_hat);
            } else if (kappa_free_)
                dx += 8 * u_ / e.s * (g + (own ? mean_g + x_hat * mean_g_x_hat : 0)) +
                      0x1p-46 * e.kappa / e.s * (1 + x_hat) * means;
            else if (own)
                dx += (8 * e.luk + (accumulation_ == Accumulation::pivot ? 2.25 * e.dv : 0)) / e.s *
                      (g + (1 + x_hat) * means);
            else dx += 8 * u_ / e.s * g;
        }
    }

    // One rounding to the type of parameters, where it is narrower.
    double stored(const std::vector<truth::Wide>& sums, std::size_t c) const {
        const DType params = p_.params();
        if (!is_narrow(params)) return 0;
        return repeats_.channel * storage_roundoff(params) * size(sums[c]) + storage_underflow(params);
    }

    void add_entries() {
        std::size_t largest = 0;
        for (const truth::Block& b : t_.blocks) largest = std::max(largest, b.elements.size());
        const double block = std::max(1.0, repeats_.block * static_cast<double>(largest));
        for (std::size_t c = 0; c < entries_; ++c) {
            const double terms = std::max(repeats_.channel * terms_[c], repeats_.least_terms);
            const double l = chain(std::max(terms, p_.own_statistics() ? block : 1), accumulation_, p_.dtype, limit_);
            const double l_dy = chain(terms, accumulation_, p_.dtype, limit_);
            out_.dgamma[c] = stored(t_.dgamma, c) + tiny_wide_ +
                             repeats_.channel *
                                 (underflows_[c] + (kappa_free_ ? 8 * u_ * sum_dy_x_hat_[c] + 0x1p-46 * sum_dy_kappa_[c]
                                                                : 8 * l * u_ * (sum_dy_kappa_[c] + sum_dy_x_hat_[c])));
            out_.dbeta[c] =
                stored(t_.dbeta, c) + tiny_wide_ + repeats_.channel * (kappa_free_ ? 2 : 4 * l_dy) * u_ * sum_dy_[c];
            const double and_stored =
                repeats_.channel * (1 + (is_narrow(p_.params()) ? storage_roundoff(p_.params()) : 0));
            out_.dgamma[c] += and_stored * of_dz_in_dgamma_[c];
            out_.dbeta[c] += and_stored * of_dz_in_dbeta_[c];
            if (out_.dtau.empty()) continue;
            const double l_below = chain(std::max(repeats_.channel * terms_below_[c], repeats_.least_terms),
                                         accumulation_, p_.dtype, limit_);
            out_.dtau[c] = stored(t_.dtau, c) + tiny_wide_ +
                           repeats_.channel * (kappa_free_ ? 2 : 4 * l_below) * u_ * sum_below_[c] +
                           and_stored * at_kinks_[c];
        }
    }

    // The step's share of its blocks' bounds, and the roundings of the update.
    void add_running() {
        std::vector<double>&mean = out_.running_mean, &spread = out_.running_spread;
        mean.resize(C_), spread.resize(C_);
        for (std::size_t k = 0; k < t_.blocks.size(); ++k) {
            const truth::Block& block = t_.blocks[k];
            const auto m = static_cast<double>(block.elements.size()), s = static_cast<double>(block.s);
            if (block.elements.empty()) continue;
            const double bessel = p_.spec.running != Running::unbiased_variance ? 1 : m > 1 ? m / (m - 1) : 0;
            const double by_spread = p_.spec.running == Running::sigma
                                         ? (s > 0 ? out_.var[k] / s : std::sqrt(out_.var[k]))
                                         : bessel * out_.var[k];
            mean[k % C_] += out_.mean[k], spread[k % C_] += by_spread;
        }
        for (std::size_t c = 0; c < C_; ++c) {
            mean[c] += 0x1p-48 * size(t_.running_mean[c]) + 0x1p-1040;
            spread[c] += 0x1p-48 * size(t_.running_spread[c]) + 0x1p-1040;
            if (in_.state.mean.empty()) continue;
            mean[c] += 0x1p-48 * std::abs(in_.state.mean[c]);
            spread[c] += 0x1p-48 * std::abs(in_.state.var.empty() ? in_.state.sigma[c] : in_.state.var[c]);
        }
    }

    const Inputs<double>& in_;
    const truth::Result& t_;
    const Problem& p_;
    Accumulation accumulation_;
    Limit limit_;
    Repeats repeats_;
    // of the dtype, and of that which it is computed in
    DType y_dtype_;  // that y is rounded to, with no scale
    double u_, u_io_, tiny_, tiny_wide_;
    bool in_f64_;
    double u_factor_;  // of the sum that x_hat is multiplied by
    bool kappa_free_;
    std::size_t C_, S_, entries_;
    std::vector<std::size_t> entry_of_;                                              // each element's
    std::vector<double> sum_dy_, sum_dy_kappa_, sum_dy_x_hat_, terms_, underflows_;  // of each entry of gamma and beta
    std::vector<double> of_dz_in_dgamma_, of_dz_in_dbeta_;                           // likewise
    std::vector<double> sum_below_, at_kinks_, terms_below_;  // behind a threshold: dy where z may be below it
    std::vector<double> dz_, dz_error_;  // behind an activation: the size of dz and its error, of each element
    std::vector<Move> moves_;            // of each block, where slices follow each other
    Bounds out_;
};

// Those of the layer behind the sum, with the roundings of d.
Bounds with_residual(const Inputs<double>& in, const truth::Result& t, Accumulation accumulation, Limit limit,
                     Repeats repeats) {
    const Inputs<double> seen = in.without_residual(in.seen());
    Bounds bounds = Derivation(seen, t, accumulation, limit, repeats).bounds();
    bounds.s.resize(in.x.size());
    if (in.dy.empty()) return bounds;
    if (!t.backward.empty()) {
        Bounds of = Derivation(seen, t.backward[0], accumulation, limit, repeats).bounds();
        bounds.dx = std::move(of.dx), bounds.dgamma = std::move(of.dgamma), bounds.dbeta = std::move(of.dbeta);
        bounds.dtau = std::move(of.dtau);
    }
    const auto rounding = [](DType dtype, double v) {
        return storage_roundoff(dtype) * v + 4 * row_of(dtype).smallest_subnormal;
    };
    const DType data = in.problem.dtype, sums = in.problem.residuals();
    for (std::size_t i = 0; i < bounds.dx.size(); ++i) {
        const double d = size(t.dx[i]);
        if (!in.counts(i)) {  // it is ds
            bounds.dx[i] = sums == data ? 0 : rounding(data, d), bounds.d_residual.push_back(0);
            continue;
        }
        if (!in.ds.empty()) bounds.dx[i] += 2 * unit_roundoff(data) * d;
        bounds.d_residual.push_back(bounds.dx[i] - rounding(data, d) + rounding(sums, d));
    }
    return bounds;
}

}  // namespace

Bounds error_bounds(const Inputs<double>& in, const truth::Result& t, Accumulation accumulation, Limit limit,
                    Repeats repeats) {
    if (in.problem.spec.adds()) return with_residual(in, t, accumulation, limit, repeats);
    Bounds bounds = Derivation(in, t, accumulation, limit, repeats).bounds();
    if (!t.ddx.empty()) add_second_bounds(bounds, in, t, accumulation, limit);
    return bounds;
}

std::vector<BlockErrors> block_errors(const Inputs<double>& in, const truth::Result& t, Accumulation accumulation,
                                      Limit limit) {
    return Derivation(in, t, accumulation, limit, {}).of_blocks();
}

}  // namespace normlab::verify
