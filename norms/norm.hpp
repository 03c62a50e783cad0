#pragma once
// The whole operation: forward, backward, fold and recalibrate, for every variant and every implementation.
//
// Formulas, the same for all variants. A block of m elements shares one mean and one variance; q = m (q = 1 for
// Moments::norm):
//   mean    = (1/m) sum x (0 where not centred),  var = (1/q) sum (x - mean)^2,  rstd = 1 / sqrt(var + eps) (0 where
//     var + eps = 0)
//   x_hat   = (x - mean) * rstd,  with batch renorm x_hat * r + d,  y = gamma * x_hat + beta
//   dx      = rstd * (g - [centred] mean(g) - x_hat * (1/q) sum g * x_hat),  g = gamma * dy (renorm: gamma * r * dy,
//     and x_hat before r, d)
//   dgamma  = sum dy * x_hat (renorm: after r and d),  dbeta = sum dy, over all elements of a channel (of an entry)
// Another denominator than sqrt(var + eps), or another q (Spec::denominator, Spec::divisor): rstd is 1 / it, and
// x_hat's term in dx has the factor 2 sigma d sigma / d var (slope_of in norms/running_stats.hpp).
// In evaluation of variants that keep State, mean and var come from State, and dx = gamma * rstd * dy.
// Double backward: the gradients of S = <dx, v> + <dgamma, u> + <dbeta, w> by x, dy and gamma; by beta it is 0. r, d
// and State are constants. With P(a) = a - [centred] mean(a) - x_hat * (1/q) sum a * x_hat:
//   ddy     = gamma * r * rstd * P(v) + u * (x_hat * r + d) + w
//   ddgamma = sum r * rstd * dy * P(v) over all elements of a channel
//   ddx     = rstd * P(h) - rstd^2 * x_hat * (1/q) sum g * P(v),
//             h = r * u * dy - rstd * (g * (1/q) sum v * x_hat + v * (1/q) sum g * x_hat)
//   statistics from State:  ddy = gamma * rstd * v + u * x_hat + w,  ddgamma = sum rstd * dy * v,  ddx = rstd * dy * u
// Ioffe & Szegedy 2015; Ioffe 2017 (renorm); Ba et al. 2016; Wu & He 2018; Salimans & Kingma 2016 (weight norm: x is v,
// gamma is g, y is w).
//
// Where gamma is stored less an offset (Spec::gamma_offset), y and g have gamma_offset + gamma for it.
// With a residual (Spec::residual): s = x + residual, a result, stands for x above. d = ds + dx, where ds is the
// cotangent of s; dx and d_residual are d. Backward has s. There is no double backward of it.
// Behind an activation (Spec::activation): z is y above, y = act(z), and dz = dy act'(z) stands for dy. There is no
// double backward of it. A threshold has y = max(z, tau), dz = dy where z >= tau and 0 elsewhere, and dtau = sum (dy -
// dz) over an entry; tau and dtau are of beta's type and entries.
// Where gamma and beta have another entry than one a channel (Spec::affine_set), an element has the gamma and beta of
// its entry, and dgamma, dbeta and ddgamma of an entry sum over the elements that use it.
// Where x_hat is rounded before gamma (Spec::cast), y = gamma * round(x_hat) + beta, with round to the data's type, of
// batch renorm round(x_hat * r + d). Everything else is of x_hat itself.
// With a mask (Spec::masked), an array of N*S bytes in the order [n][s]: where its byte is 0, in all channels y = 0 and
// dx = 0, and no sum has anything of x and dy; m is the number of elements of a block that count. s is written
// everywhere, and d is ds where dx is 0. In evaluation with State y and dx are set to 0, and nothing else changes.
// There is no double backward of it.
// Where y has another type than the data (Spec::output), it is rounded to that alone, and lies in memory of its own. Of
// 8 bits it is stored as q = round(y / scale), which saturates; the scale is given, or found and returned. Gradients
// are of y before that. gamma, beta and their gradients have a type of their own (Problem::params()): f32, or f64 for
// f64, unless the Spec says otherwise. They are read exactly; gradients are summed in f32 or wider and rounded once.
// Views may have strides (norms/tensor.hpp): what lies between their elements is neither read nor written. dy alone may
// be expanded, that is have strides of 0, and each of its elements counts as if it were stored; dx is then not dy. An
// implementation that has no strides gets dense copies.
// Pointers are host pointers. Arrays of parameters are contiguous, Problem::affine_count() elements of
// Problem::params(). Aliasing: y may be x, dx may be dy and s may be residual (same view); other overlaps are not
// allowed. An empty tensor (a dimension is 0) gives empty y and dx, zero dgamma, dbeta and dtau, and leaves State
// alone. Every function throws Error for wrong arguments before anything is written.

#include <span>
#include <vector>

#include "norms/state.hpp"

namespace normlab {

class Implementation;

/// mean 0, variance (or sigma) 1, count 0; all empty where spec.running is none.
State initial_state(const Spec& spec, std::int64_t channels);

/// The implementation used when none is named.
const Implementation& default_implementation();

/// y = norm(x). Resizes and fills `saved`. `state` is needed where spec.running is not none: evaluation reads it,
/// training reads and updates it (momentum, bias and order as in norms/running_stats.hpp). With stat_batch the result
/// is that of one call for each slice, in order. Throws Error also where the implementation declines the problem, with
/// its reason. `added` is needed where spec.residual is not none, `mask` where spec.masked, `affine.tau` behind a
/// threshold, and `scale`, Problem::scale_count() numbers, where y is of 8 bits.
void forward(const Spec& spec, Mode mode, ConstTensor x, Affine affine, State* state, Saved& saved, Tensor y,
             const Implementation& implementation = default_implementation(), Added added = {}, Mask mask = nullptr,
             float* scale = nullptr);

/// Gradients of a loss, given dy = d loss / d y and the `saved` of a forward call of the same implementation.
/// With a residual x is the s that forward gave, and ds = d loss / d s, or null: 0. The mask is forward's.
void backward(const Spec& spec, Mode mode, ConstTensor x, ConstTensor dy, Affine affine, const Saved& saved,
              Gradients gradients, const Implementation& implementation = default_implementation(), ConstTensor ds = {},
              Mask mask = nullptr);

/// The gradients of S = <dx, v> + <dgamma, u> + <dbeta, w>, dx, dgamma and dbeta being what `backward` gives for the
/// same arguments: ddx by x, ddy by dy, ddgamma by gamma (taken as 1 where it is absent). beta is not read. Nothing
/// overlaps. Throws Declined (norms/operation.hpp) where the implementation has none for this problem, with its reason.
void backward_backward(const Spec& spec, Mode mode, ConstTensor x, ConstTensor dy, Affine affine, const Saved& saved,
                       Cotangents cotangents, SecondGradients gradients,
                       const Implementation& implementation = default_implementation());

/// Evaluation as one affine map for each channel: y = scale * x + shift.
struct ChannelMap {
    std::vector<double> scale, shift;
};

/// scale = gamma / sqrt(var + eps) (Running::sigma: gamma / sigma), shift = beta - scale * mean. gamma and beta are of
/// `params`. Throws Error where the variant keeps no running statistics. norms/fold.hpp folds into a layer's weights.
ChannelMap fold(const Spec& spec, const State& state, Affine affine, DType params);

/// Applies a folded map in f64 and rounds once to y's type. In f32, y = scale * x + shift would cancel where the mean
/// is large, and lose a factor kappa = sqrt(1 + mean^2 / var) of accuracy.
void apply(const ChannelMap& map, ConstTensor x, Tensor y);

/// How `recalibrate` averages over batches.
enum class Average {
    /// E[x] = mean of mu_B, Var[x] = mean of m/(m-1) var_B: every batch (instance norm: every sample) counts once,
    /// whatever its size (Ioffe & Szegedy 2015, Alg. 2)
    paper,
    /// the moments of all elements together, by Chan's merge: every element counts once; unbiased over the total count;
    /// in instance norm that includes the variance between instances
    pooled
};

/// Population statistics from a stream of batches, to be used in evaluation in place of moving averages. Average says
/// how batches of unequal sizes count. With Running::biased_variance there is no factor m/(m-1). With Running::sigma,
/// sigma = sqrt(biased variance + eps) is averaged over batches (paper), or is that of the pooled variance (pooled).
/// With stat_batch each slice is a batch.
class Population {
public:
    Population(const Spec& spec, std::int64_t channels, Average average);

    /// One batch [N, C, S] through `implementation`, in training mode; running statistics of the layer are not touched.
    /// Throws Error if C differs, or if the batch has one value a channel.
    void add(ConstTensor x, const Implementation& implementation = default_implementation());

    /// Throws Error if no batch was added.
    State state() const;

private:
    void merge(std::int64_t m, std::int64_t channel, double mean, double var);

    Spec spec_;
    Average average_;
    std::int64_t batches_ = 0;
    std::vector<double> elements_, mean_, spread_;  // pooled: spread_ is the sum of squares about mean_
};

/// All batches at once. See Population.
State recalibrate(const Spec& spec, std::span<const ConstTensor> batches, Average average,
                  const Implementation& implementation = default_implementation());

}  // namespace normlab
