// speed.cpp's net and steps in libtorch.
//   normlab_nn_speed_libtorch relu|sigmoid [STEPS [THREADS]]     THREADS: 1; 0: libtorch's own choice
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <torch/torch.h>

int main(int count, char** words) {
    const bool sigmoid = count > 1 && std::strcmp(words[1], "sigmoid") == 0;
    const int steps = count > 2 ? std::atoi(words[2]) : 2000, threads = count > 3 ? std::atoi(words[3]) : 1;
    if (threads > 0) torch::set_num_threads(threads);
    torch::manual_seed(1);
    torch::nn::Sequential net;
    for (const int in : {784, 100, 100}) {
        net->push_back(torch::nn::Linear(in, 100));
        if (sigmoid) net->push_back(torch::nn::Sigmoid());
        else net->push_back(torch::nn::ReLU());
    }
    net->push_back(torch::nn::Linear(100, 10));
    torch::optim::SGD sgd(net->parameters(), torch::optim::SGDOptions(0.1));

    constexpr int batches = 10, batch = 60;
    std::vector<torch::Tensor> x;
    for (int b = 0; b < batches; ++b) x.push_back(torch::rand({batch, 784}));
    const torch::Tensor labels = torch::arange(batch, torch::kLong) % 10;
    double sum = 0;
    const auto run = [&](int from, int to) {
        for (int step = from; step < to; ++step) {
            sgd.zero_grad();
            const torch::Tensor loss =
                torch::nn::functional::cross_entropy(net->forward(x[static_cast<std::size_t>(step % batches)]), labels);
            sum += static_cast<double>(loss.item<float>());
            loss.backward();
            sgd.step();
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
