#include "verify/exchange/fixed_settings.hpp"

#include <algorithm>
#include <functional>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "norms/names.hpp"
#include "norms/variants.hpp"

namespace normlab::verify {
namespace {

// clang-format off
constexpr Convention convention_table[] = {
    // name     old?   momentum  batch norm keeps            eps: batch, layer, rms          weight
    {"pytorch", false, 0.1,      Running::unbiased_variance, 1e-5, 1e-5, eps_of_the_dtype,   {}},
    {"keras",   true,  0.99,     Running::biased_variance,   1e-3, 1e-3, 1e-6,               {}},
    {"onnx",    true,  0.9,      Running::biased_variance,   1e-5, 1e-5, 1e-5,               {}},
    {"flax",    true,  0.99,     Running::biased_variance,   1e-5, 1e-6, 1e-6,               1e-12},
    {"paddle",  true,  0.9,      Running::biased_variance,   1e-5, 1e-5, 1e-5,               {}},
};
// clang-format on

double eps_in(const Convention& c, const Spec& own, DType dtype) {
    // of none of these libraries: l2 norm, weight standardization, filter response norm
    if (!own.plain() || (own.by_channel() && !own.centred() && !is_weights(own))) return own.eps;
    if (is_weights(own)) return c.weight_eps.value_or(own.eps);
    if (own.block.samples) return c.batch_eps;
    if (own.centred()) return c.layer_eps;
    return c.rms_eps == eps_of_the_dtype ? 2 * row_of(dtype).roundoff : c.rms_eps;
}

}  // namespace

std::span<const Convention> conventions() { return convention_table; }

const Convention* find_convention(std::string_view name) {
    const auto* found = std::ranges::find(convention_table, name, &Convention::name);
    if (found != std::end(convention_table)) return found;
    std::vector<std::string_view> names;
    for (const Convention& c : convention_table) names.push_back(c.name);
    throw Error(unknown("convention", name, names));
}

Spec FixedSettings::applied(Spec s, DType dtype) const {
    const Spec own = find_variant(s.variant).make();
    const bool has_forms = !own.plain();
    s.denominator = has_forms ? denominator.value_or(own.denominator) : own.denominator;
    s.divisor = has_forms ? divisor.value_or(own.divisor) : own.divisor;
    s.gamma_offset = gamma_offset, s.activation = activation;
    s.affine_set = affine_set, s.cast = cast;
    s.part = own.moments == Moments::mean_square ? part.value_or(own.part) : own.part;
    s = s.without_output();
    if (output && *output != dtype && arithmetic_dtype(*output) == arithmetic_dtype(dtype)) s.output = output;
    if (s.quantizes()) s.scale = scale, s.scale_power_of_two = scale_power_of_two, s.scale_inverse = scale_inverse;
    s.masked = mask != MaskPattern::none && !is_weights(s);
    s.param_dtype.reset();
    if (param_dtype && arithmetic_dtype(*param_dtype) == arithmetic_dtype(dtype)) s.param_dtype = param_dtype;
    s.residual = residual, s.residual_dtype.reset();
    if (residual_dtype && s.adds() && (*residual_dtype == dtype || *residual_dtype == arithmetic_dtype(dtype)))
        s.residual_dtype = residual_dtype;
    if (eps) s.eps = *eps;
    else if (convention) s.eps = eps_in(*convention, own, dtype);
    if (s.running == Running::none && own.running == Running::none) return s;
    if (running) s.running = *running;
    // a library's batch norm says nothing of what its batch renorm keeps
    else if (convention) s.running = own.correction == Correction::renorm ? own.running : convention->running;
    if (!momentum && !convention) return s;
    s.momentum = momentum ? parse_momentum(*momentum) : convention->momentum;
    if (s.momentum && weighs_old()) s.momentum = 1 - *s.momentum;
    return s;
}

Case FixedSettings::applied(Case c) const {
    const Spec own = find_variant(c.variant).make(), fixed = applied(c.spec(), c.dtype);
    c.denominator.reset(), c.divisor.reset(), c.gamma_offset.reset(), c.activation.reset();
    c.param_dtype = fixed.param_dtype, c.residual_dtype = fixed.residual_dtype, c.residual.reset();
    if (fixed.adds()) c.residual = fixed.residual;
    else c.ds = {};
    c.affine_set.reset(), c.cast.reset(), c.part.reset();
    if (fixed.part != own.part) c.part = fixed.part;
    c.scale.reset(), c.scale_power_of_two.reset(), c.scale_inverse.reset(), c.scale_value.reset();
    if (fixed.casts()) c.cast = fixed.cast;
    c.output = fixed.output;
    if (fixed.finds_scale()) c.scale = fixed.scale;
    if (fixed.scale_power_of_two) c.scale_power_of_two = 1;
    if (fixed.scale_inverse) c.scale_inverse = 1;
    c.mask = fixed.masked ? mask : MaskPattern::none;
    if (fixed.affine_set != own.affine_set) c.affine_set = fixed.affine_set;
    if (fixed.denominator != own.denominator) c.denominator = fixed.denominator;
    if (fixed.divisor != own.divisor) c.divisor = fixed.divisor;
    if (fixed.activates()) c.activation = fixed.activation;
    if (!fixed.thresholds()) c.tau = {};
    if (fixed.gamma_offset != own.gamma_offset) c.gamma_offset = fixed.gamma_offset;
    if (!any()) return c;
    c.eps.reset(), c.momentum.reset(), c.running.reset();
    if (fixed.eps != own.eps) c.eps = fixed.eps;
    if (fixed.running != own.running) c.running = fixed.running;
    if (fixed.running != Running::none && fixed.momentum != own.momentum)
        c.momentum = fixed.momentum ? fmt::format("{}", *fixed.momentum) : "none";
    return c;
}

void FixedSettings::require_takers(const std::vector<std::string>& chosen, const std::vector<DType>& dtypes) const {
    struct Option {
        std::string_view flag;
        bool given;
        std::function<bool(const Spec& own, DType)> fits;
    };
    const auto forms = [](const Spec& own, DType) { return !own.plain(); };
    const auto keeps = [](const Spec& own, DType) { return may_keep_state(own); };
    const Option options[] = {
        {"--denominator", denominator.has_value(), forms},
        {"--divisor", divisor.has_value(), forms},
        {"--running", running.value_or(Running::none) != Running::none, keeps},
        {"--momentum", momentum.has_value(), keeps},
        {"--part", part.has_value(), [](const Spec& own, DType) { return own.moments == Moments::mean_square; }},
        {"--mask", mask != MaskPattern::none, [&](const Spec& own, DType d) { return applied(own, d).masked; }},
        {"--param-dtype", param_dtype.has_value(),
         [&](const Spec& own, DType d) { return applied(own, d).param_dtype == param_dtype; }},
        {"--residual-dtype", residual_dtype.has_value(),
         [&](const Spec& own, DType d) { return applied(own, d).residual_dtype == residual_dtype; }},
        {"--output", output.has_value(), [&](const Spec& own, DType d) { return applied(own, d).output == output; }},
    };
    for (const Option& o : options) {
        if (!o.given) continue;
        std::vector<std::string> takers, types, here;
        std::vector<const Variant*> taken;
        for (const Variant* v : all_variants()) {
            if (std::ranges::none_of(kernel_dtypes, [&](DType d) { return o.fits(v->make(), d); })) continue;
            takers.emplace_back(v->name);
            if (chosen.empty() || std::ranges::find(chosen, v->name) != chosen.end()) taken.push_back(v);
        }
        if (taken.empty())
            throw Error(fmt::format("{} is for {}, of which --variant {} chooses none; without {} it is accepted",
                                    o.flag, in_words(takers), fmt::join(chosen, ","), o.flag));
        const auto fits = [&](DType d) { return o.fits(taken[0]->make(), d); };
        if (std::ranges::any_of(dtypes, fits)) continue;
        for (const DType d : kernel_dtypes)
            if (fits(d)) types.emplace_back(name_of(d));
        for (const DType d : dtypes) here.emplace_back(name_of(d));
        throw Error(fmt::format("{} is for data of {}, and those of {} are chosen; --dtype {} is accepted", o.flag,
                                in_words(types), in_words(here), fmt::join(types, ",")));
    }
}

std::string FixedSettings::refuses(const Problem& p) const {
    const Spec& s = p.spec;
    const Spec fixed = applied(s, p.dtype);
    if (!as_cases_say && (fixed.denominator != s.denominator || fixed.divisor != s.divisor))
        return "what the script divides by is fixed";
    if (!as_cases_say && fixed.activation != s.activation) return "the script's activation is fixed";
    if (!as_cases_say && fixed.gamma_offset != s.gamma_offset) return "the script's gamma_offset is fixed";
    if (!as_cases_say && fixed.affine_set != s.affine_set)
        return "the entries of the script's gamma and beta are fixed";
    if (!as_cases_say && fixed.cast != s.cast) return "where the script rounds x_hat is fixed";
    if (!as_cases_say && fixed.part != s.part) return "the part that the script's statistics are of is fixed";
    if (!as_cases_say && fixed.output != s.output) return "the type of the script's y is fixed";
    if (!as_cases_say && (fixed.scale != s.scale || fixed.scale_power_of_two != s.scale_power_of_two ||
                          fixed.scale_inverse != s.scale_inverse))
        return "the scale of the script's y is fixed";
    if (!as_cases_say && fixed.masked != s.masked) return "whether the script takes a mask is fixed";
    if (!as_cases_say && Problem{fixed, p.shape, p.dtype}.params() != p.params())
        return "the type of the script's gamma and beta is fixed";
    if (!as_cases_say &&
        (fixed.residual != s.residual || Problem{fixed, p.shape, p.dtype}.residuals() != p.residuals()))
        return "the script's residual is fixed";
    if (fixed.eps != s.eps) return "the script's eps is fixed";
    if (fixed.running != s.running) return "what the script keeps is fixed";
    if (s.running != Running::none && fixed.momentum != s.momentum) return "the script's momentum is fixed";
    return {};
}

}  // namespace normlab::verify
