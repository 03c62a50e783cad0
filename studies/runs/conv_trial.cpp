#include "studies/runs/conv_trial.hpp"

#include <fmt/format.h>

#include "norms/variants.hpp"
#include "studies/data/transforms.hpp"

namespace normlab::studies {
namespace {

constexpr std::int64_t evaluation_batch = 256;

std::int64_t steps_of(const json& s, std::int64_t samples) {
    const double seen = static_cast<double>(samples) * s.at("epochs").get<double>();
    return std::max<std::int64_t>(1, static_cast<std::int64_t>(seen / s.at("batch").get<double>()));
}

std::optional<Spec> spec_of(const json& s) {
    const std::string norm = s.at("norm");
    if (norm == "none" || norm == "wn") return std::nullopt;
    if (norm == "ln") return layer_norm();
    if (norm == "in") return instance_norm();
    if (norm == "gn") return group_norm(s.at("groups"));
    Spec spec = norm == "brn" ? batch_renorm() : batch_norm();
    spec.momentum = s.at(norm == "brn" ? "brn_average" : "bn_average").get<double>();
    spec.stat_batch = s.at("normalisation_batch");
    return spec;
}

nn::ConvNet net_of(const json& s, std::int64_t steps, const data::Dataset& set) {
    nn::ConvNet net;
    net.H = set.H, net.W = set.W;
    net.channels = s.at("channels").get<std::vector<std::int64_t>>();
    net.classes = set.classes;
    net.norm = spec_of(s);
    net.weight_norm = s.at("norm") == "wn";
    net.options.implementation = s.at("implementation");
    // the shares of Ioffe 2017: r = 1 and d = 0 for 5 k steps, d_max = 5 at 25 k, r_max = 3 at 40 k
    if (s.at("norm") == "brn") {
        const auto hold = static_cast<std::int64_t>(s.at("hold").get<double>() * static_cast<double>(steps));
        net.options.schedule = RenormSchedule{.hold = hold, .r_end = 8 * hold, .d_end = 5 * hold};
    }
    return net;
}

nn::Setup setup_of(const json& s) {
    nn::Setup setup;
    setup.backend = &nn::backend_for(s.at("implementation"));
    setup.seed = s.at("seed");
    return setup;
}

// A multiple of what evaluation takes at once.
data::Dataset whole_batches(const data::Dataset& set) {
    return data::first(
        set, std::max(set.size() / evaluation_batch * evaluation_batch, std::min(set.size(), evaluation_batch)));
}

}  // namespace

std::vector<Setting> with_conv_settings(std::vector<Setting> own, const std::string& seeds,
                                        const std::string& standard_seeds) {
    const std::vector<Setting> shared{
        {"--seeds", "of first weights and order of the data; each is a run", seeds, standard_seeds, "",
         integers(0, 1 << 30), true},
        {"--halve", "1: images are halved, 28 x 28 to 14 x 14; 0: they are as they are", "1", "", "0", integers(0, 1)},
        {"--channels", "of each convolution, max pooling between them: one net has them all", "8,16,32", "", "16,32,64",
         integers(1, 4096), true},
        {"--samples", "of the training set: the first, or all where it has fewer", "12000", "", "60000",
         integers(1, 1 << 30)},
        {"--epochs", "over them", "3", "10", "30", numbers(1e-6, 1e6)},
        {"--rate", "learning rate at an optimiser's batch of 64; otherwise in proportion to the batch", "0.05", "", "",
         numbers(0, 1e6)},
        {"--rate-end", "the rate falls exponentially to this share of itself", "0.01", "", "", numbers(1e-12, 1)},
        {"--momentum", "of SGD", "0.9", "", "", numbers(0, 0.9999)},
        {"--bn-average", "weight of a new batch in batch norm's moving averages", "0.1", "", "", numbers(0, 1)},
        {"--brn-average", "the same of batch renorm (Ioffe 2017: 0.01)", "0.01", "", "", numbers(0, 1)},
        {"--hold",
         "share of the steps in which batch renorm has r = 1 and d = 0; d_max is 5 after 5, r_max 3 after 8 such "
         "shares, as in Ioffe 2017",
         "0.05", "", "", numbers(0, 1)},
        implementation_setting("cpu")};
    own.insert(own.end(), shared.begin(), shared.end());
    return own;
}

json conv_values(const Settings& s) {
    return {{"halve", s.integer("--halve")},
            {"channels", s.integers("--channels")},
            {"samples", s.integer("--samples")},
            {"epochs", s.number("--epochs")},
            {"rate", s.number("--rate")},
            {"rate_end", s.number("--rate-end")},
            {"momentum", s.number("--momentum")},
            {"bn_average", s.number("--bn-average")},
            {"brn_average", s.number("--brn-average")},
            {"hold", s.number("--hold")},
            {"implementation", s.word("--impl")}};
}

double conv_seconds(const json& s) {
    const double side = s.at("halve").get<int>() ? 14 : 28;
    double products = 0, in = 1, positions = side * side;
    for (const double out : s.at("channels").get<std::vector<double>>()) {
        products += 9 * in * out * positions;
        in = out, positions /= 4;
    }
    // Fitted to measured runs, evaluation included.
    const double samples = s.at("samples").get<double>() * s.at("epochs").get<double>();
    return samples * (1.2e-5 + 2.2e-10 * products) + 1.5e-5 * static_cast<double>(steps_of(s, s.at("samples")));
}

data::Dataset scaled(const json& s, const data::Dataset& set) {
    return s.at("halve").get<int>() ? data::halve(set) : set;
}

ConvTrial::ConvTrial(const json& s, const data::Split& data)
    : batch(s.at("batch")), normalisation_batch(s.at("normalisation_batch")),
      steps(steps_of(s, std::min(s.at("samples").get<std::int64_t>(), data.train.size()))), seed(s.at("seed")),
      test_source(whole_batches(data.test)), train_set(scaled(s, data::first(data.train, s.at("samples")))),
      test_set(scaled(s, test_source)), net(nn::conv_net(setup_of(s), net_of(s, steps, train_set))),
      backend_(*net.setup().backend), rate_(s.at("rate").get<double>() * static_cast<double>(batch) / 64),
      rate_end_(s.at("rate_end")), momentum_(s.at("momentum")) {
    if (s.at("norm") == "wn") {  // Salimans & Kingma 2016: g and b from one batch
        data::Epochs order(train_set.size(), std::min(evaluation_batch, train_set.size()), seed);
        data::Batch first;
        data::gather(train_set, order.batch(0), first);
        nn::Array x(backend_.device(), DType::f32), targets(backend_.device(), DType::f32);
        nn::load(first, x, targets);
        nn::initialise_weight_norm(net, x);
    }
    forget_momentum();
}

void ConvTrial::forget_momentum() {
    optimiser_.emplace(backend_, net.parameters(), nn::exponential_decay(rate_, rate_end_, steps), momentum_);
}

void ConvTrial::train(data::Sampler& sampler, std::int64_t first, std::int64_t last,
                      const std::function<void(double)>& progress) {
    const std::int64_t now_and_then = std::max<std::int64_t>(1, steps / 64);
    nn::Trainer trainer(net, *optimiser_, train_set, sampler);
    for (std::int64_t k = first; k < last; ++k) {
        trainer.step(k);
        if ((k + 1) % now_and_then == 0) progress(static_cast<double>(k + 1) / static_cast<double>(steps));
    }
}

nn::Score ConvTrial::score(const data::Dataset& set, nn::StatisticsFrom which) {
    for (nn::Norm* norm : net.all<nn::Norm>()) norm->evaluate_with(which);
    const std::int64_t slice = std::max<std::int64_t>(normalisation_batch, 1);
    return nn::evaluate(net, set, std::min((evaluation_batch + slice - 1) / slice * slice, set.size()));
}

void ConvTrial::measure_population(const data::Dataset& set, std::int64_t samples) {
    data::Epochs order(set.size(), batch, ~seed);
    nn::measure_population(net, set, order, std::max<std::int64_t>(1, std::min(samples, set.size()) / batch));
}

std::string percent(const BySeed& share) {
    if (share.empty()) return "-";
    const Interval i = mean_of(share);
    return std::isfinite(i.low) ? fmt::format("{:.2f} +- {:.2f}", 100 * i.value, 100 * (i.high - i.value))
                                : fmt::format("{:.2f}", 100 * i.value);
}

}  // namespace normlab::studies
