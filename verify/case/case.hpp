#pragma once
// A case: everything that determines one run of one check, as a value and as the string that reruns it, for example
//   "group_norm reference f32 nchw train 2x6x5 G=3 seed=71 check=accuracy"
// What follows the shape there are its settings: each has a row in settings.cpp.

#include <memory>
#include <string>

#include "verify/case/steps.hpp"
#include "verify/truth/inputs.hpp"

namespace normlab::verify {

/// Thrown for a case whose numbers its dtype cannot hold: nothing is wrong, and nothing can be said.
struct Unsuitable : Error {
    using Error::Error;
};

enum class AffineUse { both, gamma, beta, none };
constexpr bool has_gamma(AffineUse use) { return use == AffineUse::both || use == AffineUse::gamma; }
constexpr bool has_beta(AffineUse use) { return use == AffineUse::both || use == AffineUse::beta; }

enum class StateKind {
    near,  ///< running statistics close to the data's: batch renorm inside its limits
    far,   ///< far off: batch renorm clipped
    at,    ///< r and d at their limits, to rounding: the upper ones in even channels, the lower ones in odd
    eps,   ///< as near, but the running variance is eps: to the last bit, or to rounding where sigma is kept
    zero   ///< as near, but the running variance is 0: a channel that was constant all along
};

/// Which results lie where an input did: y in x, and s in residual; dx in dy.
enum class InPlace { none, y, dx, both };

/// How the tensors of its calls lie: with gaps, other ones in each tensor, or dy expanded along axes, of which there
/// are one, two or all.
enum class Strides {
    dense,
    samples,  ///< gaps between samples
    sliced,   ///< and between rows: channels that are first, positions whose channels are last
    stepped,  ///< and between elements
    inputs,   ///< x and dy alone as samples
    outputs,  ///< y and dx alone as samples
    expanded,
    expanded_samples,
    expanded_channels,
    expanded_positions,
    expanded_samples_channels,  ///< and x, y and dx as samples, as with the next two
    expanded_samples_positions,
    expanded_channels_positions
};
constexpr int last_strides = static_cast<int>(Strides::expanded_channels_positions);

/// Which positions of samples a mask leaves in.
enum class MaskPattern {
    none,       ///< no mask
    tail,       ///< of each sample the first ones, of one all and of one, where there are more than two, nothing
    scattered,  ///< about two of three, by chance
    all,        ///< leaves all out
    one,        ///< one in each sample
    poisoned    ///< as scattered, and x and dy are NaN and infinite where it leaves them out
};

/// The gradients that backward is asked for, as bits: dx, dgamma, dbeta.
enum class Asked { none, dx, dgamma, dx_dgamma, dbeta, dx_dbeta, dgamma_dbeta, all };

/// How one array is filled: by a named pattern (patterns.hpp), or with these numbers in logical order.
struct Values {
    std::string pattern = "normal";
    std::vector<double> given;
    bool operator==(const Values&) const = default;
};

/// A tensor that a user brought; the case then does not draw its own.
struct RealData {
    std::vector<double> x, gamma, beta;  ///< logical order; gamma, beta empty: drawn
    Shape shape;
    DType dtype = DType::f32;
    std::optional<Layout> layout;  ///< what --layout said, where the case does not follow it
    std::string flags;             ///< the command line that loads it, for the rerun line
};

struct Case {
    std::string variant, implementation = "reference", check = "accuracy";
    DType dtype = DType::f64;
    Layout layout = Layout::channels_first;
    Mode mode = Mode::train;
    Shape shape;
    std::optional<std::int64_t> groups;  ///< unset: as all of these, the variant's own
    std::optional<double> eps, r_max, d_max;
    std::optional<std::string> momentum;  ///< a number, or "none"
    std::optional<Running> running;
    std::optional<Denominator> denominator;
    std::optional<Divisor> divisor;
    std::optional<std::int32_t> gamma_offset;
    std::optional<Activation> activation;
    std::optional<DType> param_dtype;
    std::optional<Residual> residual;
    std::optional<DType> residual_dtype;
    std::optional<AffineSet> affine_set;
    std::optional<Cast> cast;
    MaskPattern mask = MaskPattern::none;
    std::optional<DType> output;
    std::optional<Scale> scale;
    std::optional<std::int32_t> scale_power_of_two, scale_inverse;
    std::optional<double> scale_value;  ///< of a scale that is given; unset: drawn
    std::optional<double> part;
    std::int64_t stat_batch = 0;
    std::optional<Shape> tile;  ///< of the check tiled: the shape that repeats
    AffineUse affine = AffineUse::both;
    StateKind state = StateKind::near;
    /// of State before the call; unset: 3, or 0 where a check begins with a new State
    std::optional<std::int64_t> count;
    // of the check combinations: how it calls
    Asked asked = Asked::all;
    InPlace in_place = InPlace::none;
    std::int64_t misaligned = 0;  ///< elements that arrays begin beyond an aligned address
    std::int64_t threads = 1;     ///< 0: the implementation's default
    Strides strides = Strides::dense;
    std::vector<CaseStep> steps;  ///< of the check sequence: its calls, in order
    Values x, dy, gamma, beta;
    Values ds;                    ///< of a layer with a residual
    Values tau;                   ///< of a layer with a threshold
    double kappa = 1, sigma = 1;  ///< of the data drawn: mean about sigma * sqrt(kappa^2 - 1)
    double offset = 0;            ///< added to x
    std::uint64_t seed = 1;
    std::shared_ptr<const RealData> data;
    /// of the catalogue's entry that it belongs to, if any (a literal); not part of text()
    std::string_view name;

    Spec spec() const;
    Problem problem() const;
    bool operator==(const Case&) const = default;

    // text.cpp
    std::string text() const;   ///< only what differs from the defaults
    std::string rerun() const;  ///< the command line
};

/// The inverse of text() (text.cpp). Throws Error naming the offending word and what is accepted.
Case parse_case(std::string_view text);

/// A number that must be one: throws Error naming `what` and the text. Used for case strings and flags alike.
double parse_number(std::string_view what, const std::string& text, std::string_view accepted = "a number");
std::int64_t parse_integer(std::string_view what, const std::string& text);
std::uint64_t parse_seed(std::string_view what, const std::string& text);

/// "8x3x5" -> N, C, S; "8x3" has S = 1; further numbers multiply into S.
Shape parse_shape(const std::string& text);
std::string shape_text(const Shape& shape);

/// A momentum: a number, or none.
std::optional<double> parse_momentum(const std::string& text);

}  // namespace normlab::verify
