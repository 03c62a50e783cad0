#include "studies/nn/optimiser.hpp"

#include <cmath>

#include <fmt/format.h>

namespace normlab::nn {

double LearningRate::at(std::int64_t step) const {
    const double periods = static_cast<double>(step) / static_cast<double>(every);
    return start * std::pow(factor, staircase ? std::floor(periods) : periods);
}

Optimiser::Optimiser(Backend& backend, std::vector<Parameter*> parameters, LearningRate rate, double decay)
    : backend_(backend), parameters_(std::move(parameters)), rate_(rate), decay_(decay) {
    if (rate.every < 1)
        throw Error(fmt::format("a learning rate that changes every {} steps; at least 1 is accepted", rate.every));
    if (!(decay >= 0) || !std::isfinite(decay))
        throw Error(fmt::format("weight decay {}; a finite number of at least 0 is accepted", decay));
    for (const Parameter* p : parameters_) {
        memory_.emplace_back(p->value.device(), p->value.dtype());
        memory_.back().resize(p->value.dims());
        memory_.back().fill(0);
    }
}

void Optimiser::step(std::int64_t step) {
    const double rate = rate_.at(step);
    if (!(rate >= 0) || !std::isfinite(rate))
        throw Error(fmt::format("learning rate {} at step {}; a finite number of at least 0 is accepted", rate, step));
    for (std::size_t i = 0; i < parameters_.size(); ++i)
        update(*parameters_[i], memory_[i], rate, parameters_[i]->decays ? decay_ : 0);
}

Sgd::Sgd(Backend& backend, std::vector<Parameter*> parameters, LearningRate rate, double momentum, double decay)
    : Optimiser(backend, std::move(parameters), rate, decay), momentum_(momentum) {
    if (!(momentum >= 0 && momentum < 1))
        throw Error(fmt::format("momentum {}; at least 0 and below 1 is accepted", momentum));
}

void Sgd::update(Parameter& p, Array& velocity, double rate, double decay) {
    backend_.sgd(rate, momentum_, decay, p.gradient.tensor(), velocity.tensor(), p.value.tensor());
}

Adagrad::Adagrad(Backend& backend, std::vector<Parameter*> parameters, LearningRate rate, double decay, double eps)
    : Optimiser(backend, std::move(parameters), rate, decay), eps_(eps) {
    if (!(eps > 0)) throw Error(fmt::format("Adagrad's eps {}; a positive number is accepted", eps));
}

void Adagrad::update(Parameter& p, Array& squares, double rate, double decay) {
    backend_.adagrad(rate, eps_, decay, p.gradient.tensor(), squares.tensor(), p.value.tensor());
}

}  // namespace normlab::nn
