#pragma once
// What a variant is: a choice of block, moments, correction and running statistics. Kernels see this and never a name.

#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>

#include "norms/tensor.hpp"

namespace normlab {

/// Channels that have one scale (Scale::channels).
inline constexpr std::int64_t channels_of_a_scale = 128;

/// The axes that one block (the elements sharing one mean and one variance) spans. C = groups x channels of a group.
struct Axes {
    bool samples = false, groups = false, channels = false, positions = false;
    bool operator==(const Axes&) const = default;
};

enum class Moments {
    centred,      ///< mean removed; sigma^2 = mean of (x - mean)^2
    mean_square,  ///< mean not removed; sigma^2 = mean of x^2 (rms norm)
    norm          ///< mean not removed; sigma^2 = sum of x^2, the squared l2 norm (weight norm)
};
enum class Divisor {
    own,       ///< of the sum of squares: as moments says
    less_one,  ///< m - 1: the unbiased variance
    one        ///< 1: sums, fan_in times the variance
};
enum class Denominator {
    root,       ///< sqrt(sigma^2 + eps)
    added,      ///< sqrt(sigma^2) + eps
    floor,      ///< max(sqrt(sigma^2), eps)
    floor_root  ///< sqrt(max(sigma^2, eps))
};
enum class Activation {
    none,
    relu,       ///< max(z, 0); its derivative is 0 at 0
    silu,       ///< z / (1 + exp(-z))
    gelu,       ///< z Phi(z), with the error function
    gelu_tanh,  ///< z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2
    threshold   ///< max(z, tau), the thresholded linear unit; tau is learned, and has the entries of beta
};
/// Added to x before the norm: s = x + residual, which is a result of its own.
enum class Residual {
    none,
    stored,  ///< statistics, x_hat and backward see s as it is stored
    wide     ///< forward's statistics and x_hat see the sum before it is rounded to its type; backward sees s as stored
};
/// What gamma and beta have one entry of. An element uses the entry of its place; dgamma and dbeta of an entry sum over
/// the elements that use it, and no others. Entries lie row by row as written, whatever the layout of the data.
enum class AffineSet {
    channel,         ///< [C]
    element,         ///< [C, S]: elements of a sample, as layer norm over an image has them
    sample_channel,  ///< [N, C]: adaptive norms, whose gamma and beta another network gives for each sample
    group            ///< [G]: channel c is of group c / (C / G)
};
/// What is rounded to the data's type before it is multiplied by gamma.
enum class Cast {
    after,  ///< y alone
    before  ///< x_hat, of batch renorm with its r and d; then y
};
/// What a y of 8 bits has one scale of.
enum class Scale {
    given,    ///< y: one number, which the caller gives
    block,    ///< a block: an entry of Saved
    channels  ///< every 128 contiguous channels of a sample and position; the last of them may be fewer
};
enum class Correction { none, renorm };  ///< renorm: batch renormalization's r and d, constants in the backward pass
enum class Running { none, unbiased_variance, biased_variance, sigma };  ///< what State keeps beside the mean

/// y = gamma * x_hat + beta, x_hat = (x - mean) / sqrt(sigma^2 + eps), by block; gamma and beta are per channel in
/// every variant, unless affine_set says otherwise. Denominator says where else eps may go. Build one with a function
/// of norms/variants/ and change its fields as needed.
struct Spec {
    std::string_view variant;  ///< for messages only; must outlive the Spec (a literal)
    Axes block;
    Moments moments = Moments::centred;
    Correction correction = Correction::none;
    Running running = Running::none;  ///< none: evaluation uses the input's own statistics
    std::int64_t groups = 1;          ///< G; divides C
    double eps = 1e-5;
    std::optional<double> momentum = 0.1;  ///< weight of the new value, in [0, 1]; none: cumulative average
    /// samples normalised together when the block spans samples; divides N; 0: all N
    std::int64_t stat_batch = 0;
    double r_max = 3, d_max = 5;  ///< clipping of batch renormalization; r_max >= 1, d_max >= 0
    Denominator denominator = Denominator::root;
    Divisor divisor = Divisor::own;
    bool weights = false;  ///< x is the weights of a layer, gamma their lengths
    /// 0 or 1: gamma is stored less that. x_hat is multiplied by gamma_offset + gamma, formed in f32 (f64 for f64) and
    /// stored in no lower type; the gradient is that of the stored gamma. Where no gamma is given x_hat is left alone.
    std::int32_t gamma_offset = 0;
    /// Behind the norm: z takes y's place, is formed in f32 (f64 for f64) and stored in no lower type, and y = act(z)
    /// is rounded once. The backward pass forms z again, from x, what is saved, gamma and beta. At +-infinity act and
    /// its derivative are their limits: infinity and 0 (of a threshold tau), 1 and 0. A threshold has dz = dy where
    /// z >= tau and 0 elsewhere, and dtau of an entry is the sum of dy - dz over the elements that use it.
    Activation activation = Activation::none;
    /// Of gamma, beta and their gradients, where it is not that of the arithmetic: f32, bf16 or f16 beside data of any
    /// of these. They are read exactly; gradients are summed as without and rounded once.
    std::optional<DType> param_dtype = std::nullopt;
    /// s = x + residual, added in f32 (f64 for f64) and rounded once to residual_dtype, stands for x. Its gradient d is
    /// that of the norm and ds, the cotangent of s; dx and d_residual are d, each in its type.
    Residual residual = Residual::none;
    /// Of residual, s and their gradients, where it is not the data's: f32 beside data of 16 bits.
    std::optional<DType> residual_dtype = std::nullopt;
    AffineSet affine_set = AffineSet::channel;  ///< what gamma, beta and their gradients have one entry of
    /// before: y = factor * round(x_hat) + beta, where round is to the data's type; what follows it is formed in f32
    /// (f64 for f64) and rounded once more. Gradients, and the z that backward forms, are of x_hat itself.
    Cast cast = Cast::after;
    /// A mask [N, S], an input of every call, leaves positions of samples out, in all channels. There y = 0 and dx = 0,
    /// and no sum has what x and dy hold. m, also in q and in m / (m - 1) of running statistics, is the number of
    /// elements of the block that count. Where m = 0: mean, var and rstd are 0, of batch renorm r = 1 and d = 0, and
    /// State stays. Where m < 2 under a divisor of m - 1: var and rstd are 0, so that x_hat = 0.
    bool masked = false;
    /// Of y, where it is not the data's: f32, e4m3 or e5m2, beside data of f32 or 16 bits. Of 8 bits y = q * scale with
    /// q = round(y / scale), rounded once from f32 (behind an activation, if any), to nearest even; what is beyond the
    /// largest number of the type, an infinity too, is that number, and NaN stays NaN. Gradients are as without: dy is
    /// of the data's type, and the scale a constant.
    std::optional<DType> output = std::nullopt;
    /// block and channels: max(amax / largest, 1 / (largest * 512)), where amax is the largest finite |y| there and
    /// largest that of the type: a result.
    Scale scale = Scale::given;
    bool scale_power_of_two = false;  ///< of block and channels: rounded up to the next power of two
    bool scale_inverse = false;       ///< 1 / scale is what is given, or returned
    /// Of the m elements of a block the first k = ceil(part * m), in the order n, c, s whatever the layout, make
    /// sigma^2 = (1/k) sum x^2; x_hat is of all. In (0, 1], and other than 1 only with Moments::mean_square. With a
    /// mask m is the number of elements that count, and the first of them are taken.
    double part = 1;

    /// The same layer, with a y of the data's type.
    Spec without_output() const {
        Spec s = *this;
        s.output.reset(), s.scale = Scale::given, s.scale_power_of_two = s.scale_inverse = false;
        return s;
    }
    bool quantizes() const { return output && size_of(*output) == 1; }
    /// The scale is a result.
    bool finds_scale() const { return scale != Scale::given; }
    bool casts() const { return cast == Cast::before; }
    bool is_partial() const { return part != 1; }
    /// How many of the m elements of a block its statistics are of; the product is rounded to a double.
    double part_of(double m) const { return is_partial() ? std::ceil(part * m) : m; }
    bool adds() const { return residual != Residual::none; }
    bool activates() const { return activation != Activation::none; }
    /// tau is an input of every call, and dtau a gradient.
    bool thresholds() const { return activation == Activation::threshold; }
    bool centred() const { return moments == Moments::centred; }
    /// What x_hat is multiplied by, of a gamma that is given.
    template <class T>
    constexpr T factor(const T& gamma) const {
        return gamma_offset == 0 ? gamma : T(T(gamma_offset) + gamma);
    }
    /// q, what the sum of squares of a block of m elements is divided by.
    double divisor_of(double m) const {
        if (divisor == Divisor::less_one) return m - 1;
        return divisor == Divisor::one || moments == Moments::norm ? 1 : part_of(m);
    }
    /// Whether a block in which m elements count has a variance. A mask may leave too few.
    constexpr bool has_variance(double m) const { return m > (divisor == Divisor::less_one ? 1 : 0); }
    /// Below some sigma^2 it is eps alone that divides, and there dx has no term of x_hat.
    constexpr bool has_floor() const {
        return denominator == Denominator::floor || denominator == Denominator::floor_root;
    }
    /// k of f(a x; a^k eps) = f(x; eps).
    constexpr int eps_degree() const {
        return denominator == Denominator::root || denominator == Denominator::floor_root ? 2 : 1;
    }
    /// The textbook's denominator of its own variance.
    constexpr bool plain() const { return denominator == Denominator::root && divisor == Divisor::own; }
    /// A block lies in one channel and has all of its positions: the blocks for which a channel can keep running
    /// statistics.
    bool by_channel() const { return !block.groups && !block.channels && block.positions; }

    bool operator==(const Spec&) const = default;
};

/// Where the tensors of a call lie: slices of larger ones. residual and s lie as x does; ds, d_residual and the tensors
/// of the double backward beside x and dy as dx does. dy alone may be expanded.
struct TensorGaps {
    Gaps x = {}, y = {}, dy = {}, dx = {};
    bool operator==(const TensorGaps&) const = default;
};

/// Everything that decides whether and how an implementation serves a call, but the pointers.
struct Problem {
    Spec spec;
    Shape shape;
    DType dtype = DType::f32;
    Layout layout = Layout::channels_first;
    Mode mode = Mode::train;
    Device device = Device::host;
    TensorGaps gaps = {};

    bool operator==(const Problem&) const = default;
    bool dense() const { return gaps == TensorGaps{}; }
    /// A tensor of this problem: of its shape and layout, on its device.
    Tensor tensor(void* data, DType type, const Gaps& between) const {
        return Tensor{data, type, shape, layout, device}.with(between);
    }

    /// The type of gamma, beta and their gradients: f32 (f64 for f64) unless the Spec says otherwise.
    DType params() const { return spec.param_dtype.value_or(arithmetic_dtype(dtype)); }
    /// The type of residual, s and their gradients: the data's unless the Spec says otherwise.
    DType residuals() const { return spec.residual_dtype.value_or(dtype); }
    /// The type of y: the data's unless the Spec says otherwise.
    DType outputs() const { return spec.output.value_or(dtype); }
    /// Scales of a y of 8 bits; 0 where it has none.
    std::int64_t scale_count() const;
    /// That of the logical element i, and the number of its block.
    std::size_t scale_entry(std::size_t i) const;
    std::size_t block_of(std::size_t i) const;
    /// Forward's statistics see other numbers than those that are stored for backward.
    bool sees_unrounded() const { return spec.residual == Residual::wide && is_narrow(residuals()); }
    /// Entries of gamma, beta and their gradients.
    std::int64_t affine_count() const;
    /// That which logical element i = (n * C + c) * S + s uses.
    std::size_t affine_entry(std::size_t i) const {
        const auto C = static_cast<std::size_t>(shape.C), S = static_cast<std::size_t>(shape.S);
        switch (spec.affine_set) {
            case AffineSet::element: return i % (C * S);
            case AffineSet::sample_channel: return i / S;
            case AffineSet::group: return i / S % C / static_cast<std::size_t>(channels_per_group());
            default: return i / S % C;
        }
    }
    /// Statistics come from the input itself (training, or no running statistics), not from State.
    bool own_statistics() const { return mode == Mode::train || spec.running == Running::none; }
    /// r and d are computed and kept: batch renorm in training.
    bool has_correction() const { return spec.correction == Correction::renorm && mode == Mode::train; }
    std::int64_t samples_per_slice() const { return own_statistics() && spec.stat_batch ? spec.stat_batch : shape.N; }
    /// Number of normalisation batches in N: 1 but with stat_batch.
    std::int64_t slices() const { return own_statistics() && spec.stat_batch ? shape.N / spec.stat_batch : 1; }
    std::int64_t channels_per_group() const { return shape.C / spec.groups; }
    /// m, the number of elements in a block.
    std::int64_t block_size() const;
    /// q, what the sum of squares of a block is divided by.
    double divisor() const { return spec.divisor_of(static_cast<double>(block_size())); }
    /// Entries in Saved: one for each block, or one for each channel when statistics come from State; none for an empty
    /// tensor.
    std::int64_t statistics_count() const;
};

/// Throws Error, naming the value and what is accepted, for: negative dimensions, C % groups != 0, eps negative or not
/// finite, momentum outside [0, 1], stat_batch where blocks do not span samples or, where statistics come from the
/// input, N % stat_batch != 0, a gamma_offset that is neither 0 nor 1, an affine_set or a cast that is none, a
/// param_dtype whose arithmetic is not that of the data, a residual_dtype without a residual, or that is neither the
/// data's nor that of the arithmetic, data or parameters of 8 bits, an output that is none of f32, e4m3 and e5m2 or
/// beside data of f64, a scale without an output of 8 bits, a power of two of a scale that is given, a part outside (0,
/// 1], or other than 1 of another layer than one of a mean of squares with the textbook's denominator and divisor,
/// r_max < 1, d_max < 0, running statistics where blocks are not by_channel and centred, or with another denominator or
/// divisor than the textbook's, batch renorm without them, one element a block where m - 1 divides, one value a channel
/// where training needs more (batch norm, batch renorm and instance norm with m = 1, whatever a mask leaves), gaps that
/// are negative, x, y or dx expanded, and a mask of weights.
void validate(const Problem& problem);

}  // namespace normlab
