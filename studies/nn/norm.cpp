#include "studies/nn/norm.hpp"

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/running_stats.hpp"
#include "norms/variants.hpp"

namespace normlab::nn {
namespace {

const char* name_of(StatisticsFrom which) {
    switch (which) {
        case StatisticsFrom::moving: return "moving";
        case StatisticsFrom::moving_biased: return "moving_biased";
        case StatisticsFrom::population: return "population";
        case StatisticsFrom::batch: return "batch";
    }
    throw Error("unknown statistics");
}

}  // namespace

Norm::Norm(const Setup& setup, std::int64_t channels, const Spec& spec, const NormOptions& options)
    : Layer(setup), spec_(spec), options_(options), implementation_(find_implementation(options.implementation)),
      channels_(channels) {
    if (is_weights(spec))
        throw Error(
            fmt::format("{} is of weights, not of activations: it is an option of dense and conv", spec.variant));
    if (implementation_.device() != backend().device())
        throw Error(fmt::format("{} works on {} memory, but the net is on a {} device", implementation_.name(),
                                name_of(implementation_.device()), name_of(backend().device())));
    if (options.affine) {
        for (auto* p : {&gamma_, &beta_}) {
            p->emplace(Parameter{p == &gamma_ ? "gamma" : "beta", array(), array()});
            (*p)->value.resize({1, channels}), (*p)->gradient.resize({1, channels});
            (*p)->value.fill(p == &gamma_ ? 1 : 0), (*p)->gradient.fill(0);
        }
    }
    if (!keeps_running()) return;
    const std::size_t bytes = 2 * static_cast<std::size_t>(channels) * sizeof(double);
    moving_ = Memory(backend().device(), bytes), given_ = Memory(backend().device(), bytes);
    const State initial = initial_state(spec_, channels);
    if (spec_.running == Running::unbiased_variance && implementation_.saves().mean && implementation_.saves().var)
        biased_ = initial;
    set_state(StatisticsFrom::moving, initial);
}

std::string Norm::name() const {
    const std::string batch = spec_.stat_batch ? fmt::format(" in batches of {}", spec_.stat_batch) : "";
    const std::string groups = spec_.groups > 1 ? fmt::format(" G={}", spec_.groups) : "";
    return fmt::format("{}{}{} ({})", spec_.variant, groups, batch, implementation_.name());
}

std::vector<Parameter*> Norm::parameters() {
    if (!gamma_) return {};
    return {&*gamma_, &*beta_};
}

Affine Norm::affine() const {
    if (!gamma_) return {};
    return {gamma_->value.tensor().data, beta_->value.tensor().data};
}

Norm::Way Norm::way(const Pass& pass) const {
    if (!keeps_running()) return Way::train;
    switch (pass.task) {
        case Task::train: return frozen_ ? Way::given : Way::train;
        case Task::evaluate: return evaluation_ == StatisticsFrom::batch ? Way::batch : Way::given;
        default: return Way::batch;
    }
}

Norm::Prepared& Norm::prepared(const Dims& dims, Way way, const Pass& pass) {
    Spec spec = spec_;
    if (way == Way::train && options_.schedule) options_.schedule->apply(spec, pass.step);
    if (way == Way::batch) spec.correction = Correction::none, spec.running = Running::none;
    const auto key = std::tuple(dims.N, dims.positions(), way);
    const auto found = prepared_.find(key);
    if (found != prepared_.end()) {
        const Spec& had = found->second.operation.problem().spec;
        if (had.r_max == spec.r_max && had.d_max == spec.d_max) return found->second;
    }
    Operation operation({.spec = spec,
                         .shape = {dims.N, dims.C, dims.positions()},
                         .dtype = setup().dtype,
                         .layout = Layout::channels_last,
                         .mode = way == Way::given ? Mode::eval : Mode::train,
                         .device = backend().device()},
                        implementation_, {setup().threads, backend().stream()});
    if (found != prepared_.end()) {  // other limits of r and d: what is saved has the same size
        found->second.operation = std::move(operation);
        return found->second;
    }
    SavedMemory saved(operation);
    return prepared_.emplace(key, Prepared{std::move(operation), std::move(saved)}).first->second;
}

StateView Norm::moving() {
    auto* mean = static_cast<double*>(moving_.data());
    double* spread = mean + channels_;
    if (spec_.running == Running::sigma) return {mean, nullptr, spread, &moving_count_};
    return {mean, spread, nullptr, &moving_count_};
}

StateView Norm::given() {
    StateView view = moving();
    if (evaluation_ == StatisticsFrom::moving) return view;
    const State& state = *kept(evaluation_);
    const std::size_t half = state.mean.size() * sizeof(double);
    given_.upload(std::as_bytes(std::span(state.mean)));
    given_.upload(std::as_bytes(std::span(spec_.running == Running::sigma ? state.sigma : state.var)), half);
    given_count_ = state.count;
    (view.sigma ? view.sigma : view.var) = static_cast<double*>(given_.data()) + channels_;
    view.mean = static_cast<double*>(given_.data()), view.count = &given_count_;
    return view;
}

void Norm::forward(const Array& x, Array& y, const Pass& pass) {
    if (x.dims().C != channels_)
        throw Error(fmt::format("{}: x has {} channels; {} are accepted", name(), x.dims().C, channels_));
    const Way how = way(pass);
    Prepared& p = prepared(x.dims(), how, pass);
    if (pass.task == Task::population && measuring_) measuring_->add(HostView(x).tensor, implementation_);
    y.resize(x.dims());
    const StateView state = !keeps_running() || how == Way::batch ? StateView{}
                            : how == Way::given                   ? given()
                                                                  : moving();
    p.operation.forward(x.tensor(), affine(), state, p.saved.view(), y.tensor());
    if (how == Way::train && biased_) track_biased(p);
    last_ = &p;
}

void Norm::backward(const Array& x, const Array&, const Array& dy, Array* dx) {
    if (!last_) throw Error(fmt::format("{}: a backward without a forward before it", name()));
    if (dx) dx->resize(x.dims());
    const auto gradient = [](std::optional<Parameter>& p) { return p ? p->gradient.tensor().data : nullptr; };
    last_->operation.backward(x.tensor(), dy.tensor(), affine(), last_->saved.view(),
                              {dx ? dx->tensor() : Tensor{}, gradient(gamma_), gradient(beta_)});
}

void Norm::track_biased(const Prepared& p) {
    Problem problem = p.operation.problem();
    problem.spec.running = Running::biased_variance;
    const SavedView saved = p.saved.view();
    const StateView state{biased_->mean.data(), biased_->var.data(), nullptr, &biased_->count};
    if (problem.device == Device::host) return update_running(problem, state, saved.mean, saved.var);
    synchronize(problem.device);
    std::vector<double> mean(static_cast<std::size_t>(problem.statistics_count())), var(mean.size());
    copy(mean.data(), Device::host, saved.mean, problem.device, mean.size() * sizeof(double));
    copy(var.data(), Device::host, saved.var, problem.device, var.size() * sizeof(double));
    update_running(problem, state, mean.data(), var.data());
}

const std::optional<State>& Norm::kept(StatisticsFrom which) const {
    const std::optional<State>& state = which == StatisticsFrom::population ? population_ : biased_;
    if (!state || which == StatisticsFrom::moving || which == StatisticsFrom::batch)
        throw Error(fmt::format("{} has no {} statistics", name(), name_of(which)));
    return state;
}

void Norm::evaluate_with(StatisticsFrom which) {
    if (keeps_running() && (which == StatisticsFrom::moving_biased || which == StatisticsFrom::population)) kept(which);
    evaluation_ = which;
}

void Norm::freeze() {
    if (keeps_running() && evaluation_ == StatisticsFrom::batch)
        throw Error("frozen statistics are given ones; moving, moving_biased and population are accepted");
    frozen_ = true;
}

State Norm::state(StatisticsFrom which) const {
    if (which != StatisticsFrom::moving || !keeps_running()) return *kept(which);
    State state{std::vector<double>(static_cast<std::size_t>(channels_)), {}, {}, moving_count_};
    std::vector<double>& spread = spec_.running == Running::sigma ? state.sigma : state.var;
    spread.resize(state.mean.size());
    moving_.download(std::as_writable_bytes(std::span(state.mean)));
    moving_.download(std::as_writable_bytes(std::span(spread)), state.mean.size() * sizeof(double));
    return state;
}

void Norm::set_state(StatisticsFrom which, const State& state) {
    if (!keeps_running() || which == StatisticsFrom::batch)
        throw Error(fmt::format("{} has no {} statistics", name(), name_of(which)));
    const std::vector<double>& spread = spec_.running == Running::sigma ? state.sigma : state.var;
    const auto C = static_cast<std::size_t>(channels_);
    if (state.mean.size() != C || spread.size() != C)
        throw Error(fmt::format("{}: statistics of {} and {} channels; {} are accepted", name(), state.mean.size(),
                                spread.size(), C));
    if (which == StatisticsFrom::population) {
        population_ = state;
    } else if (which == StatisticsFrom::moving_biased) {
        if (kept(which)) biased_ = state;
    } else {
        moving_.upload(std::as_bytes(std::span(state.mean)));
        moving_.upload(std::as_bytes(std::span(spread)), C * sizeof(double));
        moving_count_ = state.count;
    }
}

void Norm::begin_population(Average average) {
    if (keeps_running()) measuring_.emplace(spec_, channels_, average);
}

void Norm::end_population() {
    if (!measuring_) return;
    population_ = measuring_->state();
    measuring_.reset();
}

}  // namespace normlab::nn
