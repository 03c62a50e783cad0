// A net of one file: dense, batch norm, activation, twice; trained by SGD on digits that need no file; evaluated by
// moving averages and by precise statistics. The normalisation batch (20) is a third of the optimiser's (60).
#include <cstdio>

#include "norms/variants/batch_norm.hpp"
#include "studies/data/digits.hpp"
#include "studies/nn/layers.hpp"
#include "studies/nn/linear.hpp"
#include "studies/nn/norm.hpp"
#include "studies/nn/optimiser.hpp"
#include "studies/nn/score.hpp"

using namespace normlab;

int main() {
    const data::Split digits = data::digits({.train = 6000, .test = 1000, .seed = 1});
    std::printf("%s\n", digits.train.description.c_str());

    nn::Backend& cpu = nn::cpu();
    nn::Sequential net({.backend = &cpu, .dtype = DType::f32, .seed = 1});
    Spec norm = batch_norm();
    norm.stat_batch = 20;
    net.add<nn::Dense>(784, 100, nn::LinearOptions{.bias = false});
    net.add<nn::Norm>(100, norm);
    net.add<nn::Relu>();
    net.add<nn::Dense>(100, 100, nn::LinearOptions{.bias = false});
    net.add<nn::Norm>(100, norm);
    net.add<nn::Relu>();
    net.add<nn::Dense>(100, 10);
    std::printf("%s\n", net.name().c_str());

    nn::Loss loss(cpu, nn::LossKind::softmax);
    nn::Sgd sgd(cpu, net.parameters(), nn::exponential_decay(0.1, 0.5, 500), 0.9);
    data::Epochs batches(digits.train.size(), 60, 1);
    data::Batch batch;
    nn::Array x(cpu.device(), DType::f32), targets(cpu.device(), DType::f32);
    for (std::int64_t step = 0; step < 1000; ++step) {
        data::gather(digits.train, batches.batch(step), batch);
        nn::load(batch, x, targets);
        loss.run(net.forward(x, {nn::Task::train, step}), targets, net.output_gradient());
        net.backward(x);
        sgd.step(step);
        if ((step + 1) % 200) continue;
        const nn::Score score = nn::evaluate(net, digits.test);
        std::printf("step %4d: training loss %.4f, test loss %.4f, test error %.1f %%\n", static_cast<int>(step + 1),
                    loss.value(), score.loss, 100 * score.error);
    }

    nn::measure_population(net, digits.train, batches, 50);
    for (nn::Norm* layer : net.all<nn::Norm>()) layer->evaluate_with(nn::StatisticsFrom::population);
    std::printf("precise statistics: test error %.1f %%\n", 100 * nn::evaluate(net, digits.test).error);
}
