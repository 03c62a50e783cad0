#pragma once
// Numbers that depend on a key and a counter alone, the same bits on host and device: Philox, and distributions in +,
// -, *, / and sqrt, which IEEE 754 rounds in one way only (no fused multiply-add: -ffp-contract=off, nvcc
// --fmad=false; no library function, since these differ).

#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <iterator>
#include <utility>
#include <vector>

#include "system/anywhere.hpp"

namespace normlab::random {

struct Words {
    std::uint32_t w[4];
};

/// Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"): a bijection of the
/// counter, chosen by the key. Its rounds are a fold, and not a loop, because GCC at -O2 leaves the loop as it is and
/// takes twice the time.
NORMLAB_ANYWHERE inline Words philox(Words counter, std::uint64_t key) {
    const auto round = [&](std::uint32_t number) {
        const std::uint32_t k0 = static_cast<std::uint32_t>(key) + number * 0x9E3779B9u,
                            k1 = static_cast<std::uint32_t>(key >> 32) + number * 0xBB67AE85u;
        const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter.w[0],
                            b = std::uint64_t{0xCD9E8D57u} * counter.w[2];
        counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.w[1] ^ k0, static_cast<std::uint32_t>(b),
                    static_cast<std::uint32_t>(a >> 32) ^ counter.w[3] ^ k1, static_cast<std::uint32_t>(a)}};
    };
    [&]<std::uint32_t... number>(std::integer_sequence<std::uint32_t, number...>) { (round(number), ...); }
    (std::make_integer_sequence<std::uint32_t, 10>());
    return counter;
}

/// highest x^n + ... + lowest, by Horner.
template <class... Coefficients>
NORMLAB_ANYWHERE double polynomial(double x, double highest, Coefficients... lower) {
    double sum = highest;
    ((sum = sum * x + lower), ...);
    return sum;
}

/// ln x for positive normal x: x = f * 2^e with f in [sqrt(1/2), sqrt(2)), ln f = 2 artanh(s), s = (f - 1) / (f + 1),
/// |s| < 0.1716: the series' 12 terms leave less than 2^-60 of it. Within 2 units in the last place.
NORMLAB_ANYWHERE inline double logarithm(double x) {
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    int exponent = static_cast<int>(bits >> 52) - 1022;  // f in [1/2, 1)
    bits = (bits & 0x000FFFFFFFFFFFFFull) | 0x3FE0000000000000ull;
    double f;
    std::memcpy(&f, &bits, sizeof f);
    if (f < 0.70710678118654752) {
        f = f + f;
        --exponent;
    }
    const double s = (f - 1) / (f + 1), q = s * s;
    const double sum = q * polynomial(q, 1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9,
                                      1.0 / 7, 1.0 / 5, 1.0 / 3);
    const double e = exponent;  // ln 2 in two parts; the first has 20 trailing zero bits, so that its product is exact
    return e * 0.69314718036912381649 + (2 * s + (2 * s * sum + e * 1.9082149292705877000e-10));
}

/// The lower quantile Phi^-1(p) <= 0 of the standard normal for p in (0, 1/2]: rational approximations by Wichura 1988
/// (Algorithm AS 241, PPND16), relative error about 1e-16.
NORMLAB_ANYWHERE inline double lower_normal_quantile(double p) {
    const double q = p - 0.5;
    if (q >= -0.425) {
        const double r = 0.180625 - q * q;
        const double top = polynomial(r, 2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
                                      4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
                                      1.3314166789178437745e2, 3.3871328727963666080e0);
        return q * top /
               polynomial(r, 5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
                          2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
                          4.2313330701600911252e1, 1.0);
    }
    double r = std::sqrt(-logarithm(p));
    if (r <= 5) {
        r -= 1.6;
        return -polynomial(r, 7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
                           1.27045825245236838258e0, 3.64784832476320460504e0, 5.76949722146069140550e0,
                           4.63033784615654529590e0, 1.42343711074968357734e0) /
               polynomial(r, 1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
                          1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940e0,
                          2.05319162663775882187e0, 1.0);
    }
    r -= 5;
    return -polynomial(r, 2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3,
                       2.65321895265761230930e-2, 2.96560571828504891230e-1, 1.78482653991729133580e0,
                       5.46378491116411436990e0, 6.65790464350110377720e0) /
           polynomial(r, 2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5,
                      7.86869131145613259100e-4, 1.48753612908506148525e-2, 1.36929880922735805310e-1,
                      5.99832206555887937690e-1, 1.0);
}

/// each with mean 0 and variance 1; the exponential is 1 less than a standard one
enum class Distribution { normal, exponential, uniform };

/// One value from 64 bits: 53 of them are a probability in (0, 1), by halves, so that both tails are equally fine (to
/// 8.29 sigma).
NORMLAB_ANYWHERE inline double variate(Distribution distribution, std::uint64_t bits) {
    const double half = (static_cast<double>(bits >> 12) + 0.5) * 0x1p-53;  // in (0, 1/2)
    const bool upper = (bits & 1u) != 0;
    if (distribution == Distribution::normal) {
        const double z = lower_normal_quantile(half);
        return upper ? -z : z;
    }
    const double u = upper ? 1 - half : half;
    if (distribution == Distribution::uniform) return (u - 0.5) * 3.4641016151377545871;  // sqrt(12)
    return -logarithm(u) - 1;
}

/// The numbers of one purpose: the i-th depends on `seed`, `purpose` and i alone, so that they can be drawn in any
/// order and by any thread.
struct Stream {
    std::uint64_t seed = 1;
    std::uint64_t purpose = 0;  ///< keeps apart what must be independent

    NORMLAB_ANYWHERE std::uint64_t bits(std::uint64_t i) const {
        const Words words = philox({{static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(i >> 32),
                                     static_cast<std::uint32_t>(purpose), static_cast<std::uint32_t>(purpose >> 32)}},
                                   seed);
        return std::uint64_t{words.w[1]} << 32 | words.w[0];
    }
    /// In (0, 1).
    NORMLAB_ANYWHERE double uniform(std::uint64_t i) const {
        return (static_cast<double>(bits(i) >> 12) + 0.5) * 0x1p-52;
    }
    NORMLAB_ANYWHERE double normal(std::uint64_t i) const { return variate(Distribution::normal, bits(i)); }
    /// 0 ... n - 1, each with a probability within 2^-52 of 1 / n.
    NORMLAB_ANYWHERE std::int64_t below(std::int64_t n, std::uint64_t i) const {
        return static_cast<std::int64_t>(uniform(i) * static_cast<double>(n));
    }
};

}  // namespace normlab::random

namespace normlab {

/// A stream's numbers one after the other.
class Random {
public:
    explicit Random(std::uint64_t seed, std::uint64_t purpose = 0) : stream_{seed, purpose} {}
    std::uint64_t bits() { return stream_.bits(next_++); }
    double uniform() { return stream_.uniform(next_++); }
    double normal() { return stream_.normal(next_++); }
    /// both included
    std::int64_t integer(std::int64_t low, std::int64_t high) { return low + stream_.below(high - low + 1, next_++); }
    bool chance(double p) { return uniform() < p; }

    std::uint64_t place() const { return next_; }  ///< of the next number in the stream
    void skip(std::uint64_t count) { next_ += count; }

    std::vector<double> normals(std::size_t count) {
        std::vector<double> v(count);
        for (double& e : v) e = normal();
        return v;
    }
    template <class Array>
    auto one_of(const Array& v) {
        return std::data(v)[integer(0, static_cast<std::int64_t>(std::size(v)) - 1)];
    }
    template <class T>
    T one_of(std::initializer_list<T> v) {
        return std::data(v)[integer(0, static_cast<std::int64_t>(v.size()) - 1)];
    }

private:
    random::Stream stream_;
    std::uint64_t next_ = 0;
};

}  // namespace normlab
