// Steps per second of 784-100-100-100-10, batch 60, SGD, f32, one thread: forward, loss, backward, update. speed.sh
// runs it beside the same net in libtorch.
//   normlab_nn_speed relu|sigmoid [STEPS]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "studies/nn/layers.hpp"
#include "studies/nn/linear.hpp"
#include "studies/nn/loss.hpp"
#include "studies/nn/optimiser.hpp"
#include "studies/nn/sequential.hpp"

using namespace normlab;

int main(int count, char** words) {
    const bool sigmoid = count > 1 && std::strcmp(words[1], "sigmoid") == 0;
    const int steps = count > 2 ? std::atoi(words[2]) : 2000;
    nn::Backend& cpu = nn::cpu();
    nn::Sequential net({.backend = &cpu});
    for (const std::int64_t in : {784, 100, 100}) {
        net.add<nn::Dense>(in, 100);
        if (sigmoid) net.add<nn::Sigmoid>();
        else net.add<nn::Relu>();
    }
    net.add<nn::Dense>(100, 10);
    nn::Loss loss(cpu, nn::LossKind::softmax);
    nn::Sgd sgd(cpu, net.parameters(), nn::constant(0.1));

    constexpr std::size_t batches = 10, batch = 60;
    nn::Array x[batches], targets[batches];
    for (std::size_t b = 0; b < batches; ++b) {
        const random::Stream stream{1, b};
        std::vector<float> pixels, hits(batch * 10);
        for (std::size_t i = 0; i < batch * 784; ++i) pixels.push_back(static_cast<float>(stream.uniform(i)));
        for (std::size_t i = 0; i < batch; ++i) hits[i * 10 + i % 10] = 1;
        x[b].resize({batch, 784}), targets[b].resize({batch, 10});
        x[b].set(pixels), targets[b].set(hits);
    }
    double sum = 0;
    const auto run = [&](int from, int to) {
        for (int step = from; step < to; ++step) {
            const std::size_t b = static_cast<std::size_t>(step) % batches;
            loss.run(net.forward(x[b], {nn::Task::train, step}), targets[b], net.output_gradient());
            sum += loss.value();
            net.backward(x[b]);
            sgd.step(step);
        }
    };
    run(0, 100);
    const std::clock_t cpu_start = std::clock();
    const auto start = std::chrono::steady_clock::now();
    run(100, 100 + steps);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double cpu_seconds = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
    std::printf("%.0f steps/s, %.0f a second of processor time; mean loss %.4f\n", steps / seconds, steps / cpu_seconds,
                sum / (100 + steps));
}
