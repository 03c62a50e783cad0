#include <algorithm>
#include <numeric>

#include "studies/activations/probe.hpp"
#include "studies/activations/study.hpp"
#include "studies/data/transforms.hpp"
#include "studies/nn/score.hpp"
#include "studies/nn/trainer.hpp"

namespace normlab::studies::sigmoids {
namespace {

constexpr std::int64_t training_samples = 2000;  // of which the training loss is taken

// What is seen in the net at each logged step: columns of the record.
class Log {
public:
    Log(nn::Mlp& net, std::int64_t layers, const data::Dataset& probe)
        : net_(net), layers_(layers), input_(net.net().setup().backend->device(), DType::f32) {
        data::Batch batch;
        std::vector<std::int64_t> indices(static_cast<std::size_t>(probe.size()));
        std::iota(indices.begin(), indices.end(), 0);
        data::gather(probe, indices, batch);
        nn::Array targets(input_.device(), DType::f32);
        nn::load(batch, input_, targets);
    }

    void add(std::int64_t step, const data::Dataset& train, const data::Dataset& test) {
        json gradients = json::array(), saturation = json::array();
        // of the step's own batch
        for (std::int64_t h = 0; h <= layers_; ++h) gradients.push_back(nn::l2(net_.dense(h).weight().gradient));
        const nn::Score training = nn::evaluate(net_.net(), train), held_out = nn::evaluate(net_.net(), test);
        net_.net().forward(input_, {nn::Task::evaluate});
        for (std::int64_t h = 0; h < layers_; ++h) saturation.push_back(saturated(net_.activation(h).values()));
        const std::vector<double> sigmoid_input = net_.activation_input(layers_ - 1).values();
        drift_.add(sigmoid_input, width());
        columns_["step"].push_back(step);
        columns_["accuracy"].push_back(1 - held_out.error);
        columns_["training_loss"].push_back(training.loss);
        columns_["validation_loss"].push_back(held_out.loss);
        columns_["percentiles"].push_back(percentiles_of(sigmoid_input, width(), 0));
        columns_["saturated"].push_back(saturation);
        columns_["gradient_norm"].push_back(gradients);
    }

    // With the shape of distributions, in every layer, as they are now.
    json result() {
        columns_["drift"] = drift_.value();
        for (std::int64_t h = 0; h < layers_; ++h) {
            const nn::Array& u = h == 0 ? input_ : *net_.input(h);
            add_shape("u", u), add_shape("Wu + b", net_.product(h)), add_shape("g", net_.activation(h));
        }
        return columns_;
    }

private:
    std::size_t width() const { return static_cast<std::size_t>(net_.activation(layers_ - 1).dims().C); }

    void add_shape(const std::string& what, const nn::Array& values) {
        const Shape shape = shape_of(values.values(), static_cast<std::size_t>(values.dims().features()));
        columns_["skewness"][what].push_back(shape.skewness);
        columns_["kurtosis"][what].push_back(shape.kurtosis);
    }

    nn::Mlp& net_;
    std::int64_t layers_;
    nn::Array input_;
    Drift drift_;
    json columns_ = json::object();
};

}  // namespace

json run(const json& s, const Context& context) {
    const data::Dataset train = data::binarise(context.data.train), test = data::binarise(context.data.test);
    const data::Dataset seen = data::first(train, training_samples), probe = data::first(test, s.at("probe"));
    const std::int64_t steps = s.at("steps"), every = s.at("log"), layers = s.at("layers");
    const std::uint64_t seed = s.at("seed");
    nn::MlpOptions options{.in = train.H * train.W,
                           .width = s.at("width"),
                           .layers = layers,
                           .out = train.classes,
                           .sigmoid = true,
                           .init = nn::gaussian(s.at("init"))};
    if (s.at("norm") == "batch_norm") options.norm = batch_norm();
    options.norm_options.implementation = s.at("impl");
    nn::Backend& backend = nn::backend_for(s.at("impl"));
    nn::Mlp net({.backend = &backend, .seed = seed}, options);
    nn::Sgd sgd(backend, net.net().parameters(), nn::constant(s.at("rate")));
    data::Epochs batches(train.size(), s.at("batch"), seed);
    nn::Trainer trainer(net.net(), sgd, train, batches);
    Log log(net, layers, probe);
    for (std::int64_t step = 0; step < steps; ++step) {
        trainer.step(step);
        if ((step + 1) % every != 0 && step + 1 != steps) continue;
        log.add(step + 1, seen, test);
        context.progress(static_cast<double>(step + 1) / static_cast<double>(steps));
    }
    return log.result();
}

}  // namespace normlab::studies::sigmoids
