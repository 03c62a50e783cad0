#pragma once
// How large an error may be: derived bounds, per element. Hard limits take the longest summation chain l; warnings take
// sqrt(l).
//
// u: unit roundoff of the compute precision (f32 for f32 and 16-bit data); u_io: of 16-bit storage, else 0; kappa:
// Block::kappa, 1 for equal elements of few digits, whose mean is exact; s: Block::s.
// l of a sum of n terms: n sequential, n + 2 about a pivot (below), log2 n tree, 1 + n 2^-29 for f64 sums of f32 data
// (2^-29 = u64/u32). Evaluation sums nothing: l = 1.
//   variance  dv <= max(l u + (l kappa u)^2, l kappa u)       two-pass; Welford and Chan merge (Chan, Golub & LeVeque
//     1983)
//   x_hat     4 [l u kappa + |x_hat| (dv / 2 + 3 u)]          mean's error l u kappa s, rstd's dv / 2 and three
//     roundings
//   y         |gamma| (r * that + renorm's share) + 2 u (|gamma x_hat| + |beta|) + u_io |y|
//   dx        8 l u kappa (1/s) [|g| + (1 + |x_hat|)(mean|g| + mean|g x_hat|)] + u_io |dx|,  g = gamma r dy, means
//     with divisor q
//   dx, given statistics: 8 u (1/s) |g| + u_io |dx|           rstd has three roundings, two products follow
//   dgamma    8 l u (kappa max(1, r, raw_r unless d is clipped) sum|dy| + sum|dy x_hat|),  dbeta  4 l u sum|dy|
//     sums over the elements of an entry (Spec::affine_set), l by their number. x_hat's error enters times r. Adding 0
//     rounds nothing: l counts the dy that are not 0; in dgamma it is no less than that of the block
//   Saved     mean 2 l u kappa s, var 2 dv s^2 (given as sigma: 4 u (s^2 + eps)), rstd 4 (dv / 2 + 3 u) / s, r
//     likewise, d as renorm's share; with u = 2^-53 where statistics are
//             declared to be in f64
// Other denominators and divisors (Spec::plain is false), with kappa_v = sqrt(1 + (m / q) mean^2 / s^2), since m of the
// mean's errors are in a sum of squares over q: dv as above with kappa_v. Eps added to the deviation, s = sqrt(var) +
// eps: sqrt(var) is a length, so that by the triangle inequality it is off by no more than the mean, l u kappa s, and
// half of l u of itself; hence dv = l u + 2 l u kappa_v, and var by (dv + dv^2 / 4) s^2. A floor moves s less than var
// does; below it s is off by the roundings of eps alone, dv = 4 u, and kappa = sqrt(var + mean^2) / s, since the mean
// is off by no more than l u times the block's root mean square. There var is off, absolutely, by what dv is with s =
// sqrt(var).
//   dx        12 max(l u kappa, dv) (1/s) [|g| + mean|g| + |w| G] + 12 l u kappa (1/s) [(t + |w|) t G + |w| (1/q)
//     sum|g| +
//     mean|g|],  G = (1/q) sum|g x_hat|, t = max(1, slope), w = slope x_hat, slope = 2 s ds / dvar
//     w G has rstd, x_hat and G off by 3.5 max each, and two roundings; x_hat by l u kappa, absolutely, times t G and,
//     inside G, times |w|; slope = s / sqrt(var) by 1.5 l u kappa t of itself. Where sqrt(var) is no larger than 4 l u
//     kappa s the deviations may be rounding alone, and w any vector of that length: 12 l u kappa sum|g| more (equal
//     elements: w = +-1, so the mean). Where the variance is within 4 dv of a floor, dx may be that of either side: the
//     term of x_hat, |x_hat| G / s, is in the bound.
// dgamma, dbeta and ddgamma of 16 bits (Spec::param_dtype) are rounded once more: their u_io of themselves, and half
// their smallest subnormal.
// A factor gamma_offset + gamma is rounded once: u |factor x_hat| more of y, u (1/s) [|g| + mean|g| + |w| G] of dx.
// Behind an activation y's bound, but for storage's rounding, is z's, e. Then y: max|act'| e over z +- e, and the
// function's own rounding; u_io |y|. The gradients: dz = dy act'(z) stands for dy, and is off by f = |dy| (max|act''| e
// + the slope's own rounding + 2 u |act'|): dx by (1/s) [|factor r f| + mean + |w| (1/q) sum |factor r f x_hat|] more,
// dgamma by sum f |r x_hat + d|, dbeta by sum f. Where relu's kink is within e of z, f is |dy|: either side's
// derivatives are within. activation.cpp has the roundings. A threshold's kink is at tau, which is read exactly.
// dtau sums dy where z < tau, and nothing of the other elements: 4 l u sum|dy| over these, as dbeta, with l of their
// number, and |dy| of each element that has the kink within e.
// With a residual all that is of s or, where forward sees the unrounded sum, of that in forward; x_hat and z are then
// others in backward, (s - mean) / sigma and what follows from it, and take their places in the bounds of gradients. s
// is right to the bit: one addition and one rounding of given numbers. d = ds + dx is a sum more, 2 u |d|, and rounded
// to two types: u_io of the data for dx, of the residual for d_residual.
// Where x_hat is rounded before gamma (Spec::cast) truth rounds its own, h. An implementation's lies within x_hat's
// bound e of h, and rounding is monotone: it rounds to a number from round(h - e) to round(h + e). In 16 bits these are
// one number, but where h lies within e of a tie; so y's bound has gamma times the larger distance of the two from
// round(h) in place of x_hat's error, and no more than y's roundings beside it: a layer that forgets to round is
// outside. e has the roundings of x_hat, of batch renorm's r |x_hat| + |d|: 2 u of it, 6 u where it is kappa-free.
// Gradients see x_hat, and the z of x_hat.
// About a pivot p, with kappa_p = sqrt(1 + (m / q) (mean - p)^2 / s^2): each x - p is rounded once, then summed, so
// that the mean is off by l u mean|x - p| <= l u sqrt(q / m) kappa_p s and by u |mean| <= u kappa s where p is added.
// The sum of squares is off by l u kappa_p^2 s^2, the square of the sum that is taken from it by twice that, so that
// dv <= 3 l u kappa_p^2. Hence l u sqrt(q / m) kappa_p + u kappa in place of l u kappa above, and dv = 2 l u kappa_p^2
// (var's bound is 2 dv). dx has 1 / s once and x_hat twice, each off by half of that: 2.25 dv more; with another
// denominator also slope: 3 dv in place of what 12 max(l u kappa, dv) has of dv. p is the value of the block that is
// furthest from the mean, or the running mean before the step if that is further: whichever it was. Renorm's share: d =
// (mean_B - mean) / sigma inherits the mean's error, 4 l u kappa raw_r, unless clipped; its own roundings 4 u |d|; and
// raw r's dv / 2 is in x_hat's. Where dv > 1/4 neither a pivot nor a tree has a bound: mean(x^2) - mean^2 in double,
// which promises a tree, is off by l 2^-53 kappa^2 s^2, which is less than l u kappa s^2 for kappa < 2^29 and more than
// s^2 from kappa = 2^26 / sqrt(l) on; rstd is then anything up to 1 / sqrt(eps). Declared kappa-free (f32 and 16-bit
// data): see kappa_free in bounds.cpp. Equal elements with a variance of
// 0 and nothing added to it have no bound either, unless their sum is exact: the mean's rounding, over its own size, is
// x_hat. To every bound half of the dtype's smallest subnormal is added for each rounding
// that may underflow: x - mean does, and loses 1 / s times as much of x_hat, which may itself; dgamma has that |dy|
// times, and dx has it in x_hat and inside mean(g x_hat).
// Statistics of a part (Spec::part), of layers whose mean stays: k elements for m in dv and in what is saved, m in sums
// of g x_hat. x_hat is then off relatively, by dv / 2 + 3.5 u, and may be of any size where it is not of the part, so
// that what bounds dx is written out. g / s has the errors of rstd, three roundings of 5.5 u with gamma's and those
// that follow; x_hat G / s that of rstd once and of x_hat twice, and l u of the sum: 1.5 dv + l u + 15.5 u, or 11 u
// where kappa-free statistics are rounded once.
//   dx        2 (1/s) [|g| (dv / 2 + 6 u) + [i < k] |x_hat| G (1.5 dv + l u + 16 u)], twice for other orders and for
//     what is not of first order;  kappa-free (1/s) [8 u |g| + 12 u [i < k] |x_hat| G + 2^-46 of both]
// With a mask m is the number of elements of the block that are left, and y and dx of the others have bounds of 0: they
// are 0, and with a residual dx is ds, rounded once. Adding a 0 rounds nothing; a tree is as deep as that of all
// elements.

#include "verify/truth/inputs.hpp"

namespace normlab::truth {
struct Block;
struct Result;  // truth.hpp, whose Quad most of those who know bounds can do without
}  // namespace normlab::truth

namespace normlab::verify {

struct Bounds {
    /// per element, per entry of gamma and beta; dx, dgamma, dbeta only if inputs.dy is there
    std::vector<double> y, dx, dgamma, dbeta;
    std::vector<double> mean, var, rstd, r, d;  ///< of each block's saved statistics
    /// after one call in training, where the variant keeps them; not of a tensor that repeats
    std::vector<double> running_mean, running_spread;
    std::vector<double> ddx, ddy, ddgamma;        ///< only where inputs call for the double backward
    std::vector<double> s = {}, d_residual = {};  ///< only with a residual
    std::vector<double> dtau = {};                ///< only with a threshold
};

enum class Limit { hard, warning };

/// How often the inputs stand in a larger tensor that repeats them: in each of its blocks, in each of its channels.
struct Repeats {
    double block = 1, channel = 1;
    double least_terms = 0;  ///< of sums of dy over a channel, where fewer are known not to be 0
};

/// Bounds of the larger tensor's results, where it repeats: sums are that much longer.
Bounds error_bounds(const Inputs<double>& inputs, const truth::Result& truth, Accumulation accumulation,
                    Limit limit = Limit::hard, Repeats repeats = {});

/// Beyond double's range where the block has no bound: at the floor of a denominator, where either side's derivatives
/// may be given, and where eps is added to a deviation that may be rounding alone.
/// What a block's statistics may be off by, and l u of sums over it: all that the bounds of its results are made of
/// (bounds_twice.cpp).
struct BlockErrors {
    double x_hat = 0;  ///< by the mean alone
    double rstd = 0;   ///< relative
    double r = 0;      ///< relative
    double d = 0;
    double sums = 0;                    ///< relative to the sum of the terms' sizes
    double slope = 1, slope_error = 0;  ///< 2 s ds / dvar, and relatively
};
std::vector<BlockErrors> block_errors(const Inputs<double>& inputs, const truth::Result& truth,
                                      Accumulation accumulation, Limit limit = Limit::hard);
/// How far the rounding to this type of a number that is off by `error` may be from that of v: no_bound at most.
double error_of_rounding(double v, double error, DType dtype);

/// l u of a sum of so many terms.
double sum_error(double terms, Accumulation accumulation, DType dtype, Limit limit = Limit::hard);

/// Those of the double backward: ddx, ddy and ddgamma of `bounds`.
void add_second_bounds(Bounds& bounds, const Inputs<double>& inputs, const truth::Result& truth,
                       Accumulation accumulation, Limit limit);

}  // namespace normlab::verify
