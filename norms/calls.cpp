// What norm.hpp declares. A file without a header: an Operation serves its calls, and includes norm.hpp.
#include <limits>

#include <fmt/format.h>

#include "norms/element.hpp"
#include "norms/names.hpp"
#include "norms/operation.hpp"
#include "norms/running_stats.hpp"
#include "norms/staging.hpp"
#include "norms/views.hpp"

namespace normlab {
namespace {

void check_residual(const Spec& spec, bool given) {
    if (given && !spec.adds()) refuse("{} has no residual: no residual, s, ds or d_residual is accepted", spec.variant);
}

// A call as the implementation sees it: on its device, dense if it insists.
struct Call {
    Call(const Spec& spec, Mode mode, const ConstTensor& x, const CallGaps& gaps, const Implementation& implementation)
        : problem{spec, x.shape, x.dtype, x.layout, mode, implementation.device(), gaps.gaps()},
          implementation_(implementation) {
        if (x.device != Device::host && x.device != problem.device)
            refuse("x is on a {} device, but {} works on {} memory", name_of(x.device), implementation.name(),
                   name_of(problem.device));
        validate(problem);
        if (gaps.dense()) return;
        if (x.device != Device::host && !gaps.agree())
            refuse(
                "on a {} device residual and s lie as x does, ds and d_residual as dx; other strides are accepted "
                "on the host alone",
                name_of(x.device));
        pack = x.device == Device::host && (!gaps.agree() || !implementation.supports(problem));
        if (pack) problem.gaps = {};
    }
    Operation operation() const { return Operation(problem, implementation_); }
    Staging staging(const char* function) const {
        return Staging(problem.device, pack, !implementation_.origin().empty(), function);
    }

    Problem problem;
    bool pack = false;

private:
    const Implementation& implementation_;
};

StateView checked_state(const Problem& problem, State* state) {
    const Spec& spec = problem.spec;
    if (spec.running == Running::none) return {};
    if (!state) refuse("{} keeps running statistics ({}): a State is needed", spec.variant, name_of(spec.running));
    const bool sigma = spec.running == Running::sigma;
    const auto C = static_cast<std::size_t>(problem.shape.C);
    const std::vector<double>& spread = sigma ? state->sigma : state->var;
    if (state->mean.size() != C || spread.size() != C)
        refuse(
            "{}: State holds {} means and {} {}, but x has C = {} channels; initial_state(spec, C) makes one that fits",
            spec.variant, state->mean.size(), spread.size(), sigma ? "sigmas" : "variances", C);
    if (problem.has_correction())
        for (std::size_t c = 0; c < C; ++c)
            if (!(running_sigma(spec, spread[c]) > 0))
                refuse("{}: the running {} of channel {} is {}; r and d divide by sigma, a positive one is accepted",
                       spec.variant, sigma ? "sigma" : "variance", c, spread[c]);
    return {state->mean.data(), sigma ? nullptr : state->var.data(), sigma ? state->sigma.data() : nullptr,
            &state->count};
}

std::size_t bytes_of(const std::vector<double>& v) { return v.size() * sizeof(double); }

std::size_t bytes_of_parameters(const Problem& p) {
    return static_cast<std::size_t>(p.affine_count()) * size_of(p.params());
}

Affine staged(Staging& staging, const Affine& a, const Call& call, Device device) {
    const std::size_t bytes = bytes_of_parameters(call.problem);
    return {staging.in("gamma", a.gamma, bytes, device), staging.in("beta", a.beta, bytes, device),
            staging.in("tau", a.tau, bytes, device)};
}

Mask staged(Staging& staging, Mask mask, const Call& call, Device device) {
    const Shape& shape = call.problem.shape;
    return staging.in("mask", mask, static_cast<std::size_t>(shape.N * shape.S), device);
}

// Of a gradient's call: what its forward call left, checked and then staged.
void check_saved(const Call& call, const Saved& saved, const Implementation& implementation) {
    const Spec& spec = call.problem.spec;
    const auto blocks = static_cast<std::size_t>(call.problem.statistics_count());
    const std::size_t corrections = call.problem.has_correction() ? blocks : 0;
    const Saves saves = implementation.saves();
    const auto fits = [&](const std::vector<double>& v, bool wanted) { return v.size() == (wanted ? blocks : 0); };
    if (!fits(saved.mean, saves.mean) || !fits(saved.var, saves.var) || !fits(saved.rstd, saves.rstd) ||
        saved.r.size() != corrections || saved.d.size() != corrections)
        refuse(
            "{}: Saved holds {} means, {} variances, {} rstds and {} r, but this {} call has {} blocks and {} r; what "
            "forward filled for the same "
            "x, spec and mode is accepted",
            spec.variant, saved.mean.size(), saved.var.size(), saved.rstd.size(), saved.r.size(),
            name_of(call.problem.mode), blocks, corrections);
}

void check_opaque(const Operation& operation, const Saved& saved, const Implementation& implementation) {
    if (saved.opaque.size() != operation.opaque_bytes())
        refuse(
            "{}: Saved holds {} bytes of the implementation's own, but {} keeps {}; what its own forward filled is "
            "accepted",
            operation.problem().spec.variant, saved.opaque.size(), implementation.name(), operation.opaque_bytes());
}

ConstSavedView staged(Staging& staging, const Saved& saved) {
    const auto in = [&](const char* name, const std::vector<double>& v) {
        return v.empty() ? nullptr : staging.in(name, v.data(), bytes_of(v));
    };
    return {in("saved mean", saved.mean), in("saved var", saved.var),
            in("saved rstd", saved.rstd), in("saved r", saved.r),
            in("saved d", saved.d),       staging.in("saved opaque", saved.opaque.data(), saved.opaque.size())};
}

StateView staged(Staging& staging, const StateView& s, const Problem& problem) {
    const std::size_t bytes = static_cast<std::size_t>(problem.shape.C) * sizeof(double);
    const auto use = problem.mode == Mode::train ? Staging::Use::write : Staging::Use::kept;
    const auto reached = [&](const char* name, double* data) {
        return staging.out(name, data, bytes, Device::host, use);
    };
    return {reached("running mean", s.mean), reached("running var", s.var), reached("running sigma", s.sigma), s.count};
}

}  // namespace

State initial_state(const Spec& spec, std::int64_t channels) {
    if (spec.running == Running::none) return {};
    const auto C = static_cast<std::size_t>(channels);
    State s{std::vector<double>(C, 0.0), {}, {}, 0};
    (spec.running == Running::sigma ? s.sigma : s.var).assign(C, 1.0);
    return s;
}

void forward(const Spec& spec, Mode mode, ConstTensor x, Affine affine, State* state, Saved& saved, Tensor y,
             const Implementation& implementation, Added added, Mask mask, float* scale) {
    check_view("x", x, x);
    check_view("y", y, x, spec.output.value_or(x.dtype));
    if (y.dtype != x.dtype && y.data == x.data && y.data)
        refuse("{}: y is {} and lies where x does; memory of its own is accepted", spec.variant, name_of(y.dtype));
    if (spec.quantizes() && !scale) refuse("{}: y of 8 bits has no scale; memory for one is accepted", spec.variant);
    if (!spec.quantizes() && scale) refuse("{}: y that is not of 8 bits has a scale; null is accepted", spec.variant);
    check_residual(spec, added.residual.data || added.s.data);
    if (x.shape.size() > 0) check_mask(spec, mask), check_threshold(spec, affine.tau);
    check_place("y", y, "x", x);
    CallGaps gaps({x.gaps(), y.gaps(), y.gaps(), x.gaps()});  // a gradient as what it is one of
    if (spec.adds()) {
        const DType sums = spec.residual_dtype.value_or(x.dtype);
        check_view("residual", added.residual, x, sums), check_view("s", added.s, x, sums);
        check_place("s", added.s, "residual", added.residual);
        gaps.as(x.gaps(), added.residual), gaps.as(x.gaps(), added.s);
    }
    const Call call(spec, mode, x, gaps, implementation);
    const StateView running = checked_state(call.problem, state);
    if (x.shape.size() == 0) {
        saved = {};
        return;
    }
    Operation operation = call.operation();
    const auto blocks = static_cast<std::size_t>(call.problem.statistics_count());
    constexpr double unwritten = std::numeric_limits<double>::quiet_NaN();
    const Saves saves = implementation.saves();
    saved.mean.assign(saves.mean ? blocks : 0, unwritten);
    saved.var.assign(saves.var ? blocks : 0, unwritten);
    saved.rstd.assign(saves.rstd ? blocks : 0, unwritten);
    for (auto* v : {&saved.r, &saved.d}) v->assign(call.problem.has_correction() ? blocks : 0, unwritten);
    saved.opaque.assign(operation.opaque_bytes(), std::byte{});

    Staging staging = call.staging("forward");
    const auto out = [&](const char* name, std::vector<double>& v) {
        return v.empty() ? nullptr : staging.out(name, v.data(), bytes_of(v));
    };
    const SavedView kept{
        out("saved mean", saved.mean), out("saved var", saved.var),
        out("saved rstd", saved.rstd), out("saved r", saved.r),
        out("saved d", saved.d),       staging.out("saved opaque", saved.opaque.data(), saved.opaque.size())};
    if (void* guarded = staging.workspace(operation.workspace_bytes())) operation.use_workspace(guarded);
    operation.forward(staging.in("x", x), staged(staging, affine, call, x.device),
                      staged(staging, running, call.problem), kept, staging.out("y", y),
                      spec.adds() ? Added{staging.in("residual", added.residual), staging.out("s", added.s)} : Added{},
                      staged(staging, mask, call, x.device),
                      staging.out("scale", scale, static_cast<std::size_t>(call.problem.scale_count()) * sizeof(float),
                                  x.device, spec.finds_scale() ? Staging::Use::write : Staging::Use::kept));
    staging.finish();
}

void backward(const Spec& spec, Mode mode, ConstTensor x, ConstTensor dy, Affine affine, const Saved& saved,
              Gradients gradients, const Implementation& implementation, ConstTensor ds, Mask mask) {
    Tensor &dx = gradients.dx, &d_residual = gradients.d_residual;
    check_residual(spec, ds.data || d_residual.data);
    if (x.shape.size() > 0) check_mask(spec, mask), check_threshold(spec, affine.tau, gradients.dtau);
    ConstTensor data = x;  // with a residual x is s, which may have another type than the data
    if (spec.adds()) data.dtype = dy.dtype;
    const DType sums = spec.residual_dtype.value_or(data.dtype);
    check_view(spec.adds() ? "s" : "x", x, data, spec.adds() ? sums : x.dtype);
    check_view("dy", dy, data, true);
    CallGaps gaps({x.gaps(), x.gaps(), dy.gaps(), gaps_of_first({dx, ds, d_residual, x})});
    const auto look_at = [&](const char* name, const ConstTensor& t, DType dtype) {
        if (!t.data) return;
        check_view(name, t, data, dtype);
        gaps.as(gaps.gaps().dx, t);
    };
    look_at("dx", dx, data.dtype), look_at("ds", ds, sums), look_at("d_residual", d_residual, sums);
    check_place("dx", dx, "dy", dy);
    const Call call(spec, mode, data, gaps, implementation);
    const std::size_t parameter_bytes = bytes_of_parameters(call.problem);
    check_saved(call, saved, implementation);
    Operation operation = call.operation();
    check_opaque(operation, saved, implementation);

    Staging staging = call.staging("backward");
    const ConstSavedView kept = staged(staging, saved);
    const Gradients wanted{dx.data ? staging.out("dx", dx) : Tensor{},
                           staging.out("dgamma", gradients.dgamma, parameter_bytes, x.device),
                           staging.out("dbeta", gradients.dbeta, parameter_bytes, x.device),
                           d_residual.data ? staging.out("d_residual", d_residual) : Tensor{},
                           staging.out("dtau", gradients.dtau, parameter_bytes, x.device)};
    if (void* guarded = staging.workspace(operation.workspace_bytes())) operation.use_workspace(guarded);
    operation.backward(staging.in(spec.adds() ? "s" : "x", x), staging.in("dy", dy),
                       staged(staging, affine, call, x.device), kept, wanted,
                       ds.data ? staging.in("ds", ds) : ConstTensor{}, staged(staging, mask, call, x.device));
    staging.finish();
}

void backward_backward(const Spec& spec, Mode mode, ConstTensor x, ConstTensor dy, Affine affine, const Saved& saved,
                       Cotangents cotangents, SecondGradients gradients, const Implementation& implementation) {
    check_view("x", x, x);
    check_view("dy", dy, x, true);
    const ConstTensor others[] = {cotangents.v, gradients.ddx, gradients.ddy};
    CallGaps gaps({x.gaps(), x.gaps(), dy.gaps(), gaps_of_first({others[0], others[1], others[2], x})});
    for (const auto& [name, t] : {std::pair("v", &others[0]), {"ddx", &others[1]}, {"ddy", &others[2]}}) {
        if (!t->data) continue;
        check_view(name, *t, x);
        gaps.as(gaps.gaps().dx, *t);
    }
    const Call call(spec, mode, x, gaps, implementation);
    const std::size_t parameter_bytes = bytes_of_parameters(call.problem);
    check_saved(call, saved, implementation);
    Operation operation = call.operation();
    check_opaque(operation, saved, implementation);
    if (const Support s = operation.supports_backward_backward(); !s)
        throw Declined(fmt::format("{} declines double backward: {}", implementation.name(), s.reason));

    Staging staging = call.staging("backward_backward");
    const ConstSavedView kept = staged(staging, saved);
    const Cotangents with{cotangents.v.data ? staging.in("v", cotangents.v) : ConstTensor{},
                          staging.in("u", cotangents.u, parameter_bytes, x.device),
                          staging.in("w", cotangents.w, parameter_bytes, x.device)};
    const SecondGradients wanted{gradients.ddx.data ? staging.out("ddx", gradients.ddx) : Tensor{},
                                 gradients.ddy.data ? staging.out("ddy", gradients.ddy) : Tensor{},
                                 staging.out("ddgamma", gradients.ddgamma, parameter_bytes, x.device)};
    if (void* guarded = staging.workspace(operation.workspace_bytes())) operation.use_workspace(guarded);
    const Affine gamma_alone{staging.in("gamma", affine.gamma, parameter_bytes, x.device), nullptr};
    operation.backward_backward(staging.in("x", x), staging.in("dy", dy), gamma_alone, kept, with, wanted);
    staging.finish();
}

ChannelMap fold(const Spec& spec, const State& state, Affine affine, DType params) {
    if (spec.running == Running::none)
        refuse("{} keeps no running statistics: its evaluation is no fixed map and cannot be folded", spec.variant);
    if (spec.adds())
        refuse("{} with a residual is no affine map of x and cannot be folded; without one it is accepted",
               spec.variant);
    if (spec.activates())
        refuse("{} with {} behind it is no affine map and cannot be folded; without an activation it is accepted",
               spec.variant, name_of(spec.activation));
    if (spec.affine_set != AffineSet::channel)
        refuse("{} with a gamma for each {} cannot be folded into a map a channel; affine_set = channel is accepted",
               spec.variant, name_of(spec.affine_set));
    if (spec.casts())
        refuse("{} that rounds x_hat before gamma is no affine map and cannot be folded; cast = after is accepted",
               spec.variant);
    if (spec.masked)
        refuse("{} with a mask is no affine map a channel and cannot be folded; masked = false is accepted",
               spec.variant);
    if (spec.output)
        refuse("{} with a y of {} cannot be folded, as a folded map gives one of its own; no output is accepted",
               spec.variant, name_of(*spec.output));
    const bool sigma = spec.running == Running::sigma;
    const std::size_t C = state.mean.size();
    if ((sigma ? state.sigma : state.var).size() != C)
        refuse("{}: State does not fit Running::{}", spec.variant, name_of(spec.running));
    ChannelMap map{std::vector<double>(C), std::vector<double>(C)};
    for (std::size_t c = 0; c < C; ++c) {
        const auto i = static_cast<std::int64_t>(c);
        const double s = running_sigma(spec, sigma ? state.sigma[c] : state.var[c]);
        const double gamma = affine.gamma ? spec.factor(read_element<double>(affine.gamma, params, i)) : 1;
        map.scale[c] = s == 0 ? 0 : gamma / s;
        map.shift[c] = (affine.beta ? read_element<double>(affine.beta, params, i) : 0) - map.scale[c] * state.mean[c];
    }
    return map;
}

void apply(const ChannelMap& map, ConstTensor x, Tensor y) {
    check_view("x", x, x);
    check_view("y", y, x);
    if (map.scale.size() != static_cast<std::size_t>(x.shape.C))
        refuse("the folded map has {} channels, but x has C = {}; the same number is accepted", map.scale.size(),
               x.shape.C);
    for (std::int64_t n = 0; n < x.shape.N; ++n)
        for (std::int64_t c = 0; c < x.shape.C; ++c)
            for (std::int64_t s = 0; s < x.shape.S; ++s)
                write_element(
                    y.data, y.dtype, y.offset(n, c, s),
                    map.scale[static_cast<std::size_t>(c)] * read_element<double>(x.data, x.dtype, x.offset(n, c, s)) +
                        map.shift[static_cast<std::size_t>(c)]);
}

}  // namespace normlab
