#pragma once
// Settings that a script has built in. Its cases all have them, and a check that asks for others is no question to it.

#include <span>
#include <string>

#include "verify/case/case.hpp"

namespace normlab::verify {

/// What another library does by default, a row of docs/conventions.md each.
struct Convention {
    std::string_view name;
    bool weighs_old;  ///< what its momentum weighs; here it is the new value
    double momentum;  ///< in its own terms
    Running running;  ///< that batch norm keeps
    double batch_eps, layer_eps, rms_eps;
    std::optional<double> weight_eps;  ///< none: it has none
};
/// rms_eps of a library that takes the number type's own epsilon.
inline constexpr double eps_of_the_dtype = -1;

std::span<const Convention> conventions();

/// Throws Error naming the nearest.
const Convention* find_convention(std::string_view name);

struct FixedSettings {
    const Convention* convention = nullptr;
    std::optional<double> eps;
    std::optional<std::string> momentum;  ///< in the convention's terms: a number, or "none"
    std::optional<Running> running;
    /// Options; where nothing is said the script has none of them, and the variant's own denominator and divisor.
    std::optional<Denominator> denominator;
    std::optional<Divisor> divisor;
    std::int32_t gamma_offset = 0;
    Activation activation = Activation::none;
    std::optional<DType> param_dtype;  ///< beside data that it goes with
    Residual residual = Residual::none;
    std::optional<DType> residual_dtype;  ///< likewise
    AffineSet affine_set = AffineSet::channel;
    Cast cast = Cast::after;
    std::optional<DType> output;  ///< where the data's arithmetic is its own, and no other type; 8 bits beside f32
    Scale scale = Scale::given;   ///< of 8 bits, as Spec has it
    bool scale_power_of_two = false, scale_inverse = false;
    std::optional<double> part;  ///< of layers that divide by a root mean square; where nothing is said the variant's
    MaskPattern mask = MaskPattern::none;  ///< of layers that may have one
    bool strided = false;                  ///< calls whose tensors are views with strides are asked for, too
    bool as_cases_say = false;             ///< of options: no case is refused for them

    bool any() const { return convention || eps || momentum || running; }
    bool weighs_old() const { return convention && convention->weighs_old; }

    /// The case with them. Momentum and what is kept go to layers that keep running statistics.
    Case applied(Case c) const;

    /// Throws Error where a setting is given that none of these variants in these dtypes can have; none: all variants.
    void require_takers(const std::vector<std::string>& variants, const std::vector<DType>& dtypes) const;

    /// Why the problem is none of this script; empty: it is one.
    std::string refuses(const Problem& problem) const;

private:
    Spec applied(Spec spec, DType dtype) const;
};

}  // namespace normlab::verify
