// How large an error of the double backward may be. The letters are those of bounds.hpp. Errors are followed through
// the formulas of norm.hpp to first order, each sum with the sizes of its terms:
//   e_x    of x_hat      what the mean's error leaves (0 where it is not removed) + |x_hat| (e_rstd + 2 u)
//   e_rstd, e_r          relative; e_g = e_r + 2 u of g = gamma r dy;  L = l u + 2 u of a sum, relative to sum|terms|
//   A = (1/q) sum g x_hat, B = (1/q) sum v x_hat; |A| is the sum of the sizes in place of the sum, and so are |B|, |P|,
//   |h|, |T|:
//   A      (L + e_g) |A| + (1/q) sum|g| e_x                   B  L |B| + (1/q) sum|v| e_x
//   mean   [centred] (L + e_g) mean|g|, L mean|v|
//   P(a)   e_a + mean(e_a) + L mean|a| + |B_a| e_x + |x_hat| e_B + 3 u |P(a)|, where B_a = (1/q) sum a x_hat and
//          e_B = (1/q) sum (e_a |x_hat| + |a| e_x) + L |B_a|;  e_a = 0 for a = v
//   h      rstd (|g| e_B + |v| e_A) + (e_rstd + e_g + 4 u) |h|
//   T = (1/q) sum g P(v), that is (1/q) sum g v - mean(g) mean(v) - A B, in whatever form:
//          (L + e_g) (1/q) sum|g v| + e_mean(g) mean|v| + mean|g| e_mean(v) + e_A |B| + |A| e_B + 3 u |T|
//   ddy    |gamma| r rstd (e_P(v) + |P(v)| (e_rstd + e_r + 3 u)) + |u| (r (e_x + |x_hat| (e_r + 2 u)) + e_d + 2 u |d|)
//            + 2 u |terms|
//   ddgamma   sum r rstd |dy| (e_P(v) + |P(v)| (e_rstd + e_r + 3 u + l u)), l of the sum over the channel
//   ddx    rstd (e_P(h) + |P(h)| (e_rstd + 2 u)) + rstd^2 (e_x |T| + |x_hat| (e_T + (2 e_rstd + 3 u) |T|)) + 2 u
//   |terms|
// Of another denominator, whose slope is t = 2 s ds / dvar: |A| and |B| in P, h and ddx are t |A| and t |B|, off by t
// times the above and by the slope's own error, relatively, 2 max(l u kappa, dv) t + 2 u (bounds.hpp: 1.5 l u kappa t
// of itself); and T is t ((1/q) sum g v - (m/q) mean(g) mean(v) - t A B) - t^2 (t - 1) A B, with the sizes and the
// errors of its terms. At a floor, and where a deviation may be rounding alone, there is no bound. gamma_offset +
// gamma, for gamma, is off by u of itself: u more in e_g, in h, in T's first term, and of gamma in ddy. With statistics
// given, P(a) = a, and h = u dy is all of ddx. Four times all that, as of x_hat in bounds.hpp: for other orders, the
// few roundings more of other forms (rstd^3, gamma multiplied in last), and what is not of first order. Then u_io of
// the result, and what underflows.

#include <cmath>

#include "verify/truth/bounds.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {
namespace {

double size_of_quad(const Quad& v) { return std::abs(static_cast<double>(v)); }

constexpr double safety = 4;

class SecondDerivation {
public:
    SecondDerivation(Bounds& bounds, const Inputs<double>& in, const truth::Result& t, Accumulation accumulation,
                     Limit limit)
        : out_(bounds), in_(in), t_(t), p_(in.problem), accumulation_(accumulation), limit_(limit),
          u_(unit_roundoff(p_.dtype)), u_io_(storage_roundoff(p_.dtype)),
          tiny_(4 * row_of(p_.dtype).smallest_subnormal),
          tiny_wide_(4 * row_of(arithmetic_dtype(p_.dtype)).smallest_subnormal),
          entries_(static_cast<std::size_t>(p_.affine_count())), sizes_(entries_), terms_(entries_) {}

    void add() {
        out_.ddx.resize(in_.x.size()), out_.ddy.resize(in_.x.size()), out_.ddgamma.resize(entries_);
        const std::vector<BlockErrors> errors = block_errors(in_, t_, accumulation_, limit_);
        for (std::size_t k = 0; k < t_.blocks.size(); ++k) add_block(t_.blocks[k], errors[k]);
        for (std::size_t c = 0; c < entries_; ++c)
            out_.ddgamma[c] =
                safety * (out_.ddgamma[c] + sum_error(terms_[c], accumulation_, p_.dtype, limit_) * sizes_[c]) +
                tiny_wide_ + storage_roundoff(p_.params()) * std::abs(t_.ddgamma[c].high) +
                storage_underflow(p_.params());
    }

private:
    using Values = std::vector<double>;
    // An array over a block: sizes, and how far they may be off.
    struct Known {
        Values size, error;
    };
    // What its sums are, likewise: [centred] the mean, and that with x_hat.
    struct Sums {
        double mean = 0, mean_error = 0, along = 0, along_error = 0;
    };

    static double entry(const Values& v, std::size_t i, double absent) { return v.empty() ? absent : std::abs(v[i]); }

    Sums sums(const Known& a) const {
        Sums s;
        if (!p_.own_statistics()) return s;
        for (std::size_t k = 0; k < a.size.size(); ++k) {
            s.mean += a.size[k] / m_, s.mean_error += a.error[k] / m_;
            s.along += a.size[k] * x_hat_[k] / q_;
            s.along_error += (a.error[k] * x_hat_[k] + a.size[k] * e_x_[k]) / q_;
        }
        s.mean_error += L_ * s.mean, s.along_error = slope_ * (s.along_error + (L_ + slope_error_) * s.along);
        s.along *= slope_;
        if (!p_.spec.centred()) s.mean = s.mean_error = 0;
        return s;
    }

    Known projected(const Known& a, const Sums& s) const {
        Known out = a;
        for (std::size_t k = 0; k < a.size.size(); ++k) {
            out.size[k] += s.mean + x_hat_[k] * s.along;
            out.error[k] += s.mean_error + s.along * e_x_[k] + x_hat_[k] * s.along_error + 3 * u_ * out.size[k];
        }
        return out;
    }

    void add_block(const truth::Block& b, const BlockErrors& e) {
        const std::size_t m = b.elements.size();
        const double rstd = b.s == 0 ? 0 : 1 / size_of_quad(b.s), r = size_of_quad(b.r), d = size_of_quad(b.d);
        q_ = b.divisor, L_ = e.sums + 2 * u_, m_ = static_cast<double>(m), slope_ = e.slope,
        slope_error_ = e.slope_error;
        x_hat_.resize(m), e_x_.resize(m);
        Known g{Values(m), Values(m)}, v = g, h = g;
        for (std::size_t k = 0; k < m; ++k) {
            const std::size_t i = b.elements[k], c = p_.affine_entry(i);
            x_hat_[k] = std::abs(t_.x_hat[i].high);
            e_x_[k] = e.x_hat + x_hat_[k] * (e.rstd + 2 * u_);
            g.size[k] = std::abs(in_.factor(c)) * r * std::abs(in_.dy[i]);
            g.error[k] = (e.r + 2 * u_ + u_factor_) * g.size[k];
            v.size[k] = entry(in_.v, i, 0);
        }
        const Sums of_g = sums(g), of_v = sums(v);
        const Known P = projected(v, of_v);
        const double of_means = slope_ * m_ / q_, both = slope_ == 1 ? 1 : 1 + std::abs(slope_ - 1);
        double T = of_g.along * of_v.along * both + of_g.mean * of_v.mean * of_means,
               T_error = of_means * (of_g.mean_error * of_v.mean + of_g.mean * of_v.mean_error) +
                         both * (of_g.along_error * of_v.along + of_g.along * of_v.along_error);
        for (std::size_t k = 0; k < m; ++k) {
            const std::size_t i = b.elements[k], c = p_.affine_entry(i);
            const double of_u = r * entry(in_.u, c, 0) * std::abs(in_.dy[i]);
            h.size[k] = rstd * (g.size[k] * of_v.along + v.size[k] * of_g.along) + of_u;
            h.error[k] = rstd * (g.size[k] * of_v.along_error + v.size[k] * of_g.along_error) +
                         (e.rstd + e.r + 6 * u_ + u_factor_) * h.size[k];
            const double gv = slope_ * g.size[k] * v.size[k] / q_;
            T += gv, T_error += (L_ + e.r + 2 * u_ + u_factor_) * gv;
        }
        T_error += (3 * u_ + slope_error_) * T;
        if (!p_.own_statistics()) T = T_error = 0;
        const Known Ph = projected(h, sums(h));
        const double inside = tiny_wide_ * (1 + rstd) * (1 + rstd);
        for (std::size_t k = 0; k < m; ++k) {
            const std::size_t i = b.elements[k], c = p_.affine_entry(i);
            const double with_u = entry(in_.u, c, 0), dy = std::abs(in_.dy[i]),
                         of_P = P.error[k] + P.size[k] * (e.rstd + e.r + 3 * u_),
                         ddy_size = std::abs(in_.factor(c)) * r * rstd * P.size[k] + with_u * (r * x_hat_[k] + d) +
                                    entry(in_.w, c, 0),
                         ddx_size = rstd * Ph.size[k] + rstd * rstd * x_hat_[k] * T;
            const double ddy = std::abs(in_.factor(c)) * r * rstd * (of_P + u_factor_ * P.size[k]) +
                               with_u * (r * (e_x_[k] + x_hat_[k] * (e.r + 2 * u_)) + e.d + 2 * u_ * d) +
                               2 * u_ * ddy_size;
            const double ddx = rstd * (Ph.error[k] + Ph.size[k] * (e.rstd + 2 * u_)) +
                               rstd * rstd * (e_x_[k] * T + x_hat_[k] * (T_error + (2 * e.rstd + 3 * u_) * T)) +
                               2 * u_ * ddx_size;
            const double underflow = tiny_ + inside * (1 + x_hat_[k]);
            out_.ddy[i] = safety * ddy + u_io_ * std::abs(t_.ddy[i].high) + underflow;
            out_.ddx[i] = safety * ddx + u_io_ * std::abs(t_.ddx[i].high) + underflow;
            out_.ddgamma[c] += r * rstd * dy * of_P;
            sizes_[c] += r * rstd * dy * P.size[k];
            terms_[c] += dy != 0;
        }
    }

    Bounds& out_;
    const Inputs<double>& in_;
    const truth::Result& t_;
    const Problem& p_;
    Accumulation accumulation_;
    Limit limit_;
    double u_, u_io_, tiny_, tiny_wide_;
    std::size_t entries_;
    Values sizes_, terms_;                                                        // of each entry of ddgamma
    double u_factor_ = p_.spec.gamma_offset != 0 && !in_.gamma.empty() ? u_ : 0;  // of gamma_offset + gamma
    // of the block at hand
    double q_ = 1, L_ = 0, m_ = 1, slope_ = 1, slope_error_ = 0;
    Values x_hat_, e_x_;
};

}  // namespace

void add_second_bounds(Bounds& bounds, const Inputs<double>& in, const truth::Result& t, Accumulation accumulation,
                       Limit limit) {
    SecondDerivation(bounds, in, t, accumulation, limit).add();
}

}  // namespace normlab::verify
