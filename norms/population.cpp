#include <fmt/format.h>

#include "norms/registry.hpp"
#include "norms/running_stats.hpp"

namespace normlab {

Population::Population(const Spec& spec, std::int64_t channels, Average average)
    : spec_(spec), average_(average), elements_(static_cast<std::size_t>(channels)), mean_(elements_),
      spread_(elements_) {
    if (spec.running == Running::none)
        throw Error(fmt::format("{} keeps no running statistics: there are none to recalibrate", spec.variant));
    if (spec.masked)
        throw Error(
            fmt::format("{}: batches that are recalibrated have no mask; masked = false is accepted", spec.variant));
    spec_ = spec_.without_output();
}

void Population::add(ConstTensor x, const Implementation& implementation) {
    const auto C = static_cast<std::int64_t>(mean_.size());
    if (x.shape.C != C) throw Error(fmt::format("a batch has C = {} channels; {} are accepted", x.shape.C, C));
    if (x.shape.size() == 0) return;
    Saved saved;
    State scratch = initial_state(spec_, C);
    std::vector<std::byte> y(static_cast<std::size_t>(x.shape.size()) * size_of(x.dtype));
    if (const Saves saves = implementation.saves(); !saves.mean || !saves.var)
        throw Error(implementation.name() +
                    " does not save the mean and variance of a batch; population statistics are made of them");
    forward(spec_, Mode::train, x, {}, &scratch, saved, {y.data(), x.dtype, x.shape, x.layout}, implementation);
    const Problem problem{spec_, x.shape, x.dtype, x.layout, Mode::train};
    const std::int64_t m = problem.block_size();
    for (std::size_t b = 0; b < saved.mean.size(); ++b)
        merge(m, static_cast<std::int64_t>(b) % C, saved.mean[b], saved.var[b]);
    batches_ += static_cast<std::int64_t>(saved.mean.size()) / C;
}

void Population::merge(std::int64_t m, std::int64_t channel, double mean, double var) {
    const auto c = static_cast<std::size_t>(channel);
    const auto count = static_cast<double>(m);
    if (average_ == Average::pooled) {  // Chan, Golub & LeVeque 1983
        const double total = elements_[c] + count, delta = mean - mean_[c];
        mean_[c] += delta * (count / total);
        spread_[c] += count * var + delta * delta * (elements_[c] * (count / total));
        elements_[c] = total;
    } else {
        const double bessel = spec_.running == Running::unbiased_variance ? count / (count - 1) : 1;
        mean_[c] += mean;
        spread_[c] += spec_.running == Running::sigma ? sigma_of(spec_, var) : bessel * var;
    }
}

State Population::state() const {
    if (batches_ == 0) throw Error("recalibrate: no batches; 1 or more is accepted");
    State state = initial_state(spec_, static_cast<std::int64_t>(mean_.size()));
    state.count = batches_;
    std::vector<double>& spread = spec_.running == Running::sigma ? state.sigma : state.var;
    const auto batches = static_cast<double>(batches_);
    for (std::size_t c = 0; c < mean_.size(); ++c) {
        if (average_ == Average::paper) {
            state.mean[c] = mean_[c] / batches;
            spread[c] = spread_[c] / batches;
        } else {
            state.mean[c] = mean_[c];
            const double var = spread_[c] / (elements_[c] - (spec_.running == Running::unbiased_variance ? 1 : 0));
            spread[c] = spec_.running == Running::sigma ? sigma_of(spec_, var) : var;
        }
    }
    return state;
}

State recalibrate(const Spec& spec, std::span<const ConstTensor> batches, Average average,
                  const Implementation& implementation) {
    if (batches.empty()) throw Error("recalibrate: no batches; 1 or more is accepted");
    Population population(spec, batches[0].shape.C, average);
    for (const ConstTensor& x : batches) population.add(x, implementation);
    return population.state();
}

}  // namespace normlab
