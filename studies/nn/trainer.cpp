#include "studies/nn/trainer.hpp"

#include "studies/nn/score.hpp"

namespace normlab::nn {

double Trainer::step(std::int64_t k) {
    data::gather(set_, sampler_.batch(k), batch_);
    load(batch_, x_, targets_);
    loss_.run(net_.forward(x_, {Task::train, k}), targets_, net_.output_gradient());
    net_.backward(x_);
    optimiser_.step(k);
    return loss_.value();
}

}  // namespace normlab::nn
