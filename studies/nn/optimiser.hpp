#pragma once
// Optimisers and schedules of their learning rate.

#include "studies/nn/layer.hpp"

namespace normlab::nn {

/// start * factor^(step / every); with `staircase` the exponent is rounded down. Constant: factor 1.
struct LearningRate {
    double start = 0.1, factor = 1;
    std::int64_t every = 1;  ///< steps, at least 1
    bool staircase = false;

    double at(std::int64_t step) const;
};
inline LearningRate constant(double rate) { return {rate}; }
inline LearningRate step_decay(double start, double factor, std::int64_t every) { return {start, factor, every, true}; }
inline LearningRate exponential_decay(double start, double factor, std::int64_t every) {
    return {start, factor, every, false};
}

class Optimiser {
public:
    virtual ~Optimiser() = default;
    /// One step of all parameters from their gradients. Throws Error where the schedule gives a rate that is negative
    /// or not finite.
    void step(std::int64_t step);
    double rate(std::int64_t step) const { return rate_.at(step); }

protected:
    Optimiser(Backend& backend, std::vector<Parameter*> parameters, LearningRate rate, double decay);
    virtual void update(Parameter& parameter, Array& memory, double rate, double decay) = 0;
    Backend& backend_;

private:
    std::vector<Parameter*> parameters_;
    std::vector<Array> memory_;  // of each parameter: velocity, or sum of squares; begins at 0
    LearningRate rate_;
    double decay_;
};

/// v = momentum v + (g + decay w), w -= rate v. `decay` (an L2 penalty decay / 2 |w|^2) is of weights only:
/// Parameter::decays.
class Sgd : public Optimiser {
public:
    Sgd(Backend& backend, std::vector<Parameter*> parameters, LearningRate rate, double momentum = 0, double decay = 0);

private:
    void update(Parameter& parameter, Array& memory, double rate, double decay) override;
    double momentum_;
};

/// s += (g + decay w)^2, w -= rate (g + decay w) / (sqrt(s) + eps) (Duchi, Hazan & Singer 2011, diagonal).
class Adagrad : public Optimiser {
public:
    Adagrad(Backend& backend, std::vector<Parameter*> parameters, LearningRate rate, double decay = 0,
            double eps = 1e-10);

private:
    void update(Parameter& parameter, Array& memory, double rate, double decay) override;
    double eps_;
};

}  // namespace normlab::nn
