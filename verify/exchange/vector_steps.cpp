#include "verify/exchange/vector_steps.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/error.hpp"
#include "norms/names.hpp"

namespace normlab::verify {
namespace {

struct Known {
    std::string_view name;
    Quantity quantity;
};
constexpr Known outputs[] = {{"y", Quantity::y},
                             {"w", Quantity::y},
                             {"w_hat", Quantity::y},
                             {"dx", Quantity::dx},
                             {"dv", Quantity::dx},
                             {"dw", Quantity::dx},
                             {"dgamma", Quantity::dgamma},
                             {"dg", Quantity::dgamma},
                             {"dgain", Quantity::dgamma},
                             {"dbeta", Quantity::dbeta},
                             {"dtau", Quantity::dtau},
                             {"s", Quantity::s},
                             {"dresidual", Quantity::d_residual},
                             {"running_mean", Quantity::running_mean},
                             {"running_var", Quantity::running_spread},
                             {"running_sigma", Quantity::running_spread},
                             {"num_batches_tracked", Quantity::count},
                             {"save_mean", Quantity::mean},
                             {"batch_mean", Quantity::mean},
                             {"batch_var_biased", Quantity::var},
                             {"save_invstd", Quantity::rstd},
                             {"save_rstd", Quantity::rstd},
                             {"save_rrms", Quantity::rstd},
                             {"v_norm", Quantity::norm},
                             {"r", Quantity::r},
                             {"d", Quantity::d},
                             {"r_raw", Quantity::raw_r},
                             {"d_raw", Quantity::raw_d},
                             {"S", Quantity::S},
                             {"scale", Quantity::scale}};

// What an output is. Those of the double backward have two d in front of what the variant calls x, y and gamma.
std::optional<Quantity> quantity_of(std::string_view output, const ArrayNames& names) {
    if (const auto* known = std::ranges::find(outputs, output, &Known::name); known != std::end(outputs))
        return known->quantity;
    for (const auto& [array, quantity] : {std::pair(names.x, Quantity::ddx), std::pair(names.y, Quantity::ddy),
                                          std::pair(names.gamma, Quantity::ddgamma)})
        if (output == "dd" + std::string(array)) return quantity;
    return std::nullopt;
}

constexpr std::string_view multistep = "_multistep";

struct Name {
    // "running_mean_0": running_mean, 0; step "" in ops of one call, and for what all steps share
    std::string base, step;
};

// running_mean_in -> running_mean; of a multistep op x_eval -> x, eval; y0 -> y, 0; running_mean_0 -> running_mean, 0.
Name split(std::string_view name, bool steps) {
    for (std::string_view ending : {"_in", "_out"})
        if (name.ends_with(ending)) name.remove_suffix(ending.size());
    if (!steps) return {std::string(name), ""};
    if (constexpr std::string_view eval = "_eval"; name.ends_with(eval))
        return {std::string(name.substr(0, name.size() - eval.size())), "eval"};
    const std::size_t base = name.find_last_not_of("0123456789") + 1;
    const std::string step(name.substr(base));
    name = name.substr(0, base);
    if (!step.empty() && name.ends_with('_')) name.remove_suffix(1);
    return {std::string(name), step};
}

// A tensor's values as they lie in its file, in logical order.
std::vector<double> logical(const Problem& p, const std::vector<double>& file) {
    std::vector<double> v(file.size());
    // of another size: refused later
    for (std::size_t i = 0; i < v.size(); ++i) v[i] = file[std::ssize(file) == p.shape.size() ? memory_index(p, i) : i];
    return v;
}

// Where the elements of a view with these strides lie; of an axis of one element they say nothing.
Gaps gaps_of(const Problem& p, const VectorArray* a) {
    if (!a || a->strides.empty()) return {};
    Tensor view{nullptr, p.dtype, p.shape, p.layout};
    const auto step = [&](std::size_t axis) {
        return a->shape[axis] <= 1 ? 0 : a->strides[axis] == 0 ? expanded : a->strides[axis];
    };
    const bool last = p.layout == Layout::channels_last && a->shape.size() == 3;
    view.sample_stride = step(0), view.channel_stride = step(last ? 2 : 1);
    if (a->shape.size() == 3) view.position_stride = step(last ? 1 : 2);
    return view.gaps();
}

class Call {
public:
    Call(const VectorFile& v, std::string step)
        : vector_(v), step_(std::move(step)), steps_(v.op.ends_with(multistep)) {}

    // The input of this step, or that which all share; null: there is none.
    const VectorArray* input(std::string_view base) const {
        const VectorArray* shared = nullptr;
        for (const auto& [name, array] : vector_.inputs)
            if (const Name n = split(name, steps_); n.base == base) {
                if (n.step == step_) return &array;
                if (n.step.empty()) shared = &array;
            }
        return shared;
    }
    const VectorArray& needed(std::string_view base) const {
        if (const VectorArray* found = input(base)) return *found;
        refuse(fmt::format("has no input {}{}, which {} needs", base, step_, vector_.op));
    }
    // `count` values of a parameter or a running statistic; none: nothing.
    std::vector<double> values(std::string_view base, std::int64_t count) const {
        const VectorArray* found = input(base);
        if (!found) return {};
        if (static_cast<std::int64_t>(found->values.size()) != count)
            throw Error(
                fmt::format("{} has shape {}; {} values are accepted", base, io::shape_text(found->shape), count));
        return found->values;
    }

    Step step(const VectorFile& v, std::size_t number) const {
        const VectorAttributes& a = v.attributes;
        const Spec own = variant_of(v.op).make();
        const ArrayNames& names = array_names(own);
        const std::string of_y = "d" + std::string(names.y);
        const VectorArray& x = needed(names.x);
        Step out;
        Problem& p = out.in.problem;
        p.spec = spec(number);
        p.shape = shape(own, x.shape);
        p.dtype = v.dtype;
        p.mode = step_ == "eval" || !a.training.value_or(true) ? Mode::eval : Mode::train;
        if (p.mode == Mode::eval && !has_state() &&
            ((may_keep_state(own) && own.running == Running::none) || a.track_running_stats.value_or(false)))
            throw Error("evaluation needs running statistics; there are none");
        p.layout = v.attributes.layout;
        const auto output = [&](std::string_view base) -> const VectorArray* {
            const auto at = v.outputs.find(std::string(base));
            return at == v.outputs.end() ? nullptr : &at->second.array;
        };
        p.gaps = {gaps_of(p, &x), gaps_of(p, output(names.y)), gaps_of(p, input(of_y)),
                  gaps_of(p, output("d" + std::string(names.x)))};
        out.in.x = logical(p, x.values);
        const auto as_x = [&](std::string_view base) -> std::vector<double> {
            const VectorArray* found = input(base);
            if (!found) return {};
            if (found->shape != x.shape)
                throw Error(fmt::format("{} has shape {}, {} {}; the same is accepted", base,
                                        io::shape_text(found->shape), names.x, io::shape_text(x.shape)));
            return logical(p, found->values);
        };
        out.in.dy = as_x(of_y);
        if (p.spec.adds()) {
            needed("residual");
            out.in.residual = as_x("residual"), out.in.ds = as_x("ds");
        }
        for (const double m : values("mask", p.shape.N * p.shape.S)) {
            if (!(m >= 0 && m <= 255))
                throw Error(fmt::format("mask has a value of {}; 0, and 1 to 255 for what counts, are accepted", m));
            out.in.mask.push_back(static_cast<std::uint8_t>(std::ceil(m)));
        }
        if (p.spec.quantizes() && !p.spec.finds_scale()) {
            needed("scale");
            out.in.scale = values("scale", p.scale_count());
        }
        if (v.op.ends_with(double_backward)) {
            const bool weights = is_weights(own);
            const std::string_view of_dx = weights ? "p" : "v";
            needed(of_y);
            out.in.v = as_x(of_dx);
            out.in.u = values(weights ? "q" : "u", p.affine_count());
            if (!weights) out.in.w = values("w", p.affine_count());
            if (!out.in.twice() && p.shape.size() > 0) needed(of_dx);
        }
        out.in.gamma = values(names.gamma, p.affine_count());
        out.in.beta = values("beta", p.affine_count());
        if (p.spec.thresholds()) {
            needed("tau");
            out.in.tau = values("tau", p.affine_count());
        }
        check_affine(out.in);
        if (p.spec.running != Running::none) out.in.state = state(p.spec, p.shape.C);
        for (const auto& [name, output] : v.outputs) {
            const Name n = split(name, steps_);
            const std::optional<Quantity> quantity = quantity_of(n.base, names);
            if (!quantity) refuse(fmt::format("output {} is unknown", io::in_quotes(name)));
            const bool tensor = row_of(*quantity).per == Per::element;
            if (n.step == step_)
                out.targets.push_back(
                    {name, *quantity, output.source, tensor ? logical(p, output.array.values) : output.array.values});
        }
        return out;
    }

private:
    [[noreturn]] void refuse(const std::string& what) const { io::refuse(vector_.folder / "case.json", what); }

    bool has_state() const { return input("running_mean") || vector_.attributes.mean_initial; }

    Spec spec(std::size_t number) const {
        const VectorAttributes& a = vector_.attributes;
        Spec s = variant_of(vector_.op).make();
        if (a.eps) s.eps = *a.eps;
        if (a.has_momentum) s.momentum = a.momentum;
        if (a.groups) s.groups = *a.groups;
        if (a.denominator) s.denominator = *a.denominator;
        if (a.divisor) s.divisor = *a.divisor;
        s.gamma_offset = a.gamma_offset, s.activation = a.activation;
        s.param_dtype = a.param_dtype, s.residual = a.residual, s.residual_dtype = a.residual_dtype;
        s.affine_set = a.affine_set, s.cast = a.cast;
        s.part = a.part.value_or(s.part);
        s.output = a.output, s.scale = a.scale;
        s.scale_power_of_two = a.scale_power_of_two, s.scale_inverse = a.scale_inverse;
        s.masked = input("mask") != nullptr;
        const auto limit = [&](const std::vector<double>& limits, double own) {
            if (limits.empty()) return own;
            if (limits.size() > 1 && number >= limits.size() && step_ != "eval")
                refuse("r_max and d_max: one number, or one a step, is accepted");
            return limits[std::min(number, limits.size() - 1)];
        };
        s.r_max = limit(a.r_max, s.r_max);
        s.d_max = limit(a.d_max, s.d_max);
        if (s.correction == Correction::renorm)
            s.running = a.running_stat.value_or(input("running_sigma") ? Running::sigma : Running::unbiased_variance);
        else s.running = has_state() ? a.running_stat.value_or(Running::unbiased_variance) : Running::none;
        return s;
    }

    Shape shape(const Spec& spec, const std::vector<std::int64_t>& dims) const {
        const VectorAttributes& a = vector_.attributes;
        if (is_weights(spec)) return weight_shape(dims, a.dim);
        if (!is_by_sample(spec) || a.affine_set != AffineSet::channel) return activation_shape(dims, a.layout);
        const auto rank = static_cast<std::int64_t>(a.normalized_shape.size()),
                   normalized = a.normalized.value_or(rank);
        const Shape s = trailing_shape(dims, normalized);
        if (rank && !std::ranges::equal(a.normalized_shape, std::vector(dims.end() - normalized, dims.end())))
            throw Error(fmt::format("normalized_shape is ({}), but x has shape {}; its last dimensions are accepted",
                                    fmt::join(a.normalized_shape, ", "), io::shape_text(dims)));
        return s;
    }

    void check_affine(const Inputs<double>& in) const {
        const Spec& spec = in.problem.spec;
        if (!vector_.attributes.affine || is_weights(spec) || vector_.expect_error) return;
        const AffineUse use = *vector_.attributes.affine;
        const bool gamma = use == AffineUse::both || use == AffineUse::gamma,
                   beta = use == AffineUse::beta || (use == AffineUse::both && has_beta(spec));
        if (gamma != !in.gamma.empty() && in.problem.affine_count() > 0)
            refuse(fmt::format("affine says that there is {} gamma, the inputs that there is {}", gamma ? "a" : "no",
                               gamma ? "none" : "one"));
        if (beta && in.beta.empty() && in.problem.affine_count() > 0)
            refuse("affine says that there is a beta, the inputs that there is none");
    }

    State state(const Spec& s, std::int64_t C) const {
        const VectorAttributes& a = vector_.attributes;
        State out = initial_state(s, C);
        const bool sigma = s.running == Running::sigma;
        std::vector<double>& spread = sigma ? out.sigma : out.var;
        if (input("running_mean")) {
            needed(sigma ? "running_sigma" : "running_var");
            out.mean = values("running_mean", C);
            spread = values(sigma ? "running_sigma" : "running_var", C);
        } else {
            std::ranges::fill(out.mean, a.mean_initial.value_or(0));
            std::ranges::fill(spread, a.spread_initial.value_or(1));
        }
        const std::vector<double> count = values("num_batches_tracked", 1);
        out.count = count.empty() ? a.batches_initial : static_cast<std::int64_t>(count[0]);
        return out;
    }

    const VectorFile& vector_;
    std::string step_;
    bool steps_;
};

}  // namespace

const Variant& variant_of(std::string_view op) {
    std::vector<std::string> ops;
    for (const Variant* v : all_variants())
        for (const std::string_view ending : {std::string_view(), multistep, double_backward}) {
            if (ending == multistep && v->make().running == Running::none) continue;
            ops.push_back(std::string(v->name) + std::string(ending));
            if (ops.back() == op) return *v;
        }
    throw Error(unknown("op", op, std::vector<std::string_view>(ops.begin(), ops.end())));
}

std::vector<Step> steps_of(const VectorFile& v) {
    constexpr std::string_view inputs[] = {
        "x",  "v",    "w",    "dy",           "dw",          "dw_hat",        "gamma",
        "g",  "gain", "beta", "running_mean", "running_var", "running_sigma", "num_batches_tracked",
        "p",  "q",    "u",    "residual",     "ds",          "mask",          "scale",
        "tau"};
    const bool steps = v.op.ends_with(multistep);
    std::set<std::string> given;
    for (const auto& [name, array] : v.inputs) {
        const Name n = split(name, steps);
        if (std::ranges::find(inputs, n.base) == std::end(inputs))
            io::refuse(v.folder / "case.json", unknown("input", name, inputs));
        if (n.base == "x") given.insert(n.step);
    }
    std::vector<std::string> order;
    if (!steps) order = {""};
    for (std::int64_t k = 0;
         steps && k < v.attributes.steps.value_or(static_cast<std::int64_t>(given.size() - given.contains("eval")));
         ++k) {
        order.push_back(std::to_string(k));
        if (!given.contains(order.back())) break;  // Call names what is missing
    }
    if (steps && given.contains("eval")) order.emplace_back("eval");
    std::size_t number = 0, compared = 0;
    std::vector<Step> all;
    for (const std::string& name : order) {
        all.push_back(Call(v, name).step(v, number++));
        compared += all.back().targets.size();
    }
    if (compared != v.outputs.size())
        io::refuse(v.folder / "case.json",
                   fmt::format("{} of its outputs belong to no step", v.outputs.size() - compared));
    return all;
}

}  // namespace normlab::verify
