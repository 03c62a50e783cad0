#include "studies/nn/score.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "studies/nn/linear.hpp"
#include "studies/nn/norm.hpp"

namespace normlab::nn {

void load(const data::Batch& batch, Array& x, Array& targets) {
    x.resize({batch.N, 1, batch.H, batch.W});
    x.set(batch.x);
    targets.resize({batch.N, batch.classes});
    targets.set(batch.targets);
}

Score evaluate(Sequential& net, const data::Dataset& set, std::int64_t batch, LossKind kind) {
    if (batch < 1 || set.size() == 0)
        throw Error(
            fmt::format("an evaluation of {} samples in batches of {}; at least 1 is accepted", set.size(), batch));
    const bool whole = std::ranges::any_of(net.all<Norm>(), &Norm::evaluates_by_batch);
    if (whole && batch > set.size())
        throw Error(fmt::format("evaluation by batches of {}, but there are {} samples", batch, set.size()));
    const Setup setup = net.setup();
    Array x(setup.backend->device(), setup.dtype), targets(x.device(), x.dtype()), gradient(x.device(), x.dtype());
    Loss loss(*setup.backend, kind);
    data::Batch samples;
    std::vector<std::int64_t> indices;
    double sum = 0, wrong = 0, seen = 0;
    for (std::int64_t first = 0; first < set.size(); first += batch) {
        const std::int64_t n = std::min(batch, set.size() - first);
        if (whole && n < batch) break;
        indices.resize(static_cast<std::size_t>(n));
        std::iota(indices.begin(), indices.end(), first);
        data::gather(set, indices, samples);
        load(samples, x, targets);
        const Array& y = net.forward(x, {Task::evaluate});
        loss.run(y, targets, gradient);
        const std::vector<double> out = y.values();
        const std::int64_t K = y.dims().features();
        for (std::int64_t i = 0; i < n; ++i) {
            const auto row = out.begin() + i * K;
            const bool number = std::none_of(row, row + K, [](double v) { return v != v; });
            if (!number || std::max_element(row, row + K) - row != samples.labels[static_cast<std::size_t>(i)])
                wrong += 1;
        }
        sum += loss.value() * static_cast<double>(n);
        seen += static_cast<double>(n);
    }
    return {sum / seen, wrong / seen};
}

void measure_population(Sequential& net, const data::Dataset& set, data::Sampler& sampler, std::int64_t batches,
                        Average average) {
    if (batches < 1) throw Error(fmt::format("population statistics of {} batches; at least 1 is accepted", batches));
    Array x(net.setup().backend->device(), net.setup().dtype), targets(x.device(), x.dtype());
    data::Batch samples;
    for (Norm* norm : net.all<Norm>()) norm->begin_population(average);
    for (std::int64_t k = 0; k < batches; ++k) {
        data::gather(set, sampler.batch(k), samples);
        load(samples, x, targets);
        net.forward(x, {Task::population, k});
    }
    for (Norm* norm : net.all<Norm>()) norm->end_population();
}

void initialise_weight_norm(Sequential& net, const Array& x) { net.forward(x, {Task::initialise}); }

}  // namespace normlab::nn
