#include "studies/learning-rate/study.hpp"

#include <algorithm>
#include <cmath>

#include "studies/data/transforms.hpp"
#include "studies/nn/mlp.hpp"
#include "studies/nn/score.hpp"
#include "studies/nn/trainer.hpp"
#include "studies/runs/values.hpp"

namespace normlab::studies {
namespace rates {
namespace {

// Of one core: a step of the default net, more for more layers; and a look at the held-out samples.
double seconds(const json& s) {
    const double work = s["layers"].get<double>() + 2.5;
    return s["steps"].get<double>() * work * (4.5e-5 + s["test"].get<double>() / s["log"].get<double>() * 2.5e-7);
}

}  // namespace

std::vector<Run> plan(const Settings& settings) {
    const auto has = [](const std::vector<double>& list, double v) { return std::ranges::find(list, v) != list.end(); };
    const std::vector<double> factors = settings.numbers("--factors");
    for (const double needed : {1.0, 5.0, 30.0})
        if (!has(factors, needed))
            throw Error("--factors lacks 1, 5 or 30, which the rows are made of; a list with these three is accepted");
    std::vector<Run> runs;
    const auto add = [&](json s, const char* activation, std::int64_t layers, double factor, double init) {
        s.update({{"activation", activation}, {"layers", layers}, {"factor", factor}, {"init", init}});
        const std::string name = run_name(s, {"activation", "norm", "layers", "factor", "init", "seed"});
        const double time = seconds(s);
        runs.push_back({name, std::move(s), time});
    };
    for (const json& s : combinations(
             settings, {"--norm", "--steps", "--log", "--batch", "--width", "--rate", "--test", "--impl", "--seeds"})) {
        if (s["log"] > s["steps"]) throw Error("--log is larger than --steps; at most that many steps are accepted");
        for (const double init : settings.numbers("--init-scales"))
            for (const double factor : factors) add(s, "relu", settings.integer("--layers"), factor, init);
        for (const std::int64_t depth : settings.integers("--depths"))
            for (const double factor : {1.0, 5.0, 30.0})
                if (s["norm"] == "none" || factor == 5) add(s, "sigmoid", depth, factor, 1);
    }
    return runs;
}

json run(const json& s, const Context& context) {
    const data::Dataset train = data::halve(context.data.train),
                        test = data::first(data::halve(context.data.test), s.at("test"));
    const std::int64_t steps = s.at("steps"), every = s.at("log");
    const std::uint64_t seed = s.at("seed");
    nn::MlpOptions options{.in = train.H * train.W,
                           .width = s.at("width"),
                           .layers = s.at("layers"),
                           .out = train.classes,
                           .sigmoid = s.at("activation") == "sigmoid",
                           .init = nn::he_normal(s.at("init"))};
    if (s.at("norm") == "batch_norm") options.norm = batch_norm();
    options.norm_options.implementation = s.at("impl");
    nn::Backend& backend = nn::backend_for(s.at("impl"));
    nn::Mlp net({.backend = &backend, .seed = seed}, options);
    nn::Sgd sgd(backend, net.net().parameters(),
                nn::constant(s.at("rate").get<double>() * s.at("factor").get<double>()));
    data::Epochs batches(train.size(), s.at("batch"), seed);
    nn::Trainer trainer(net.net(), sgd, train, batches);
    json log{
        {"step", json::array()}, {"accuracy", json::array()}, {"training_loss", json::array()}, {"diverged", false}};
    double sum = 0;
    for (std::int64_t step = 0, since = 0; step < steps; ++step) {
        sum += trainer.step(step), ++since;
        const bool diverged = !std::isfinite(sum);
        if ((step + 1) % every != 0 && step + 1 != steps && !diverged) continue;
        log["step"].push_back(step + 1);
        log["accuracy"].push_back(1 - nn::evaluate(net.net(), test).error);
        // mean over the steps since the last look
        log["training_loss"].push_back(diverged ? json() : json(sum / static_cast<double>(since)));
        context.progress(static_cast<double>(step + 1) / static_cast<double>(steps));
        if (diverged) {
            log["diverged"] = true;  // parameters are not finite: nothing comes back from there
            break;
        }
        sum = 0, since = 0;
    }
    return log;
}

}  // namespace rates

Study learning_rate() {
    return {
        .name = "learning-rate",
        .question =
            "how many steps, and which rates, with and without batch norm? (Ioffe & Szegedy 2015, 4.2; Bjorck et al. "
            "2018)",
        .columns = rates::columns,
        .durations = "40 s, --standard 15 min, --paper 2 h (2 cores)",
        .settings = {{"--seeds", "of weights and batches", "1,2,3", "1,2,3,4,5", "1,2,3,4,5,6,7,8,9,10",
                      integers(1, 1'000'000), true},
                     {"--norm", "none, batch_norm", "none,batch_norm", "", "", words({"none", "batch_norm"}), true},
                     {"--rate", "the plain net's own learning rate, by which factors are multiplied", "0.2", "", "",
                      numbers(0, 1000)},
                     {"--factors", "learning rates of the nets of relu, in units of --rate; 1, 5 and 30 among them",
                      "0.1,1,2,5,10,20,30,100", "0.1,0.3,1,2,3,5,10,20,30,50,100,200,300,500,1000", "", numbers(0, 1e6),
                      true},
                     {"--init-scales", "of the weights, in units of He's", "1", "0.3,1,3", "", numbers(0, 1000), true},
                     {"--layers", "hidden layers of the nets of relu", "8", "", "", integers(1, 64)},
                     {"--depths", "hidden layers of the nets of sigmoids; the claim is about the largest", "3,8",
                      "2,4,6,8", "", integers(1, 64), true},
                     {"--width", "units of a hidden layer", "100", "", "", integers(1, 10000)},
                     {"--batch", "samples a step", "60", "", "", integers(2, 10000)},
                     {"--steps", "of the optimiser", "2000", "4000", "20000", integers(1, 100'000'000)},
                     {"--log", "steps from one look at the held-out samples to the next", "50", "", "",
                      integers(1, 100'000'000)},
                     {"--test", "held-out samples", "1000", "2000", "", integers(1, 1'000'000)},
                     implementation_setting("cpu")},
        .plan = rates::plan,
        .run = rates::run,
        .report = rates::report,
        .claims = ""};
}

}  // namespace normlab::studies
