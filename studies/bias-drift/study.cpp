#include "studies/bias-drift/study.hpp"

#include "norms/registry.hpp"
#include "studies/runs/values.hpp"

namespace normlab::studies {
namespace outside {
namespace {

std::vector<Run> plan(const Settings& settings) {
    std::vector<Run> runs;
    for (json& s : combinations(settings, {"--way", "--trained", "--steps", "--rate", "--inputs", "--units", "--batch",
                                           "--impl", "--seeds"})) {
        const std::string name = run_name(s, {"way", "trained", "impl", "seed"});
        const double seconds = 5e-5 * s["steps"].get<double>();
        runs.push_back({name, std::move(s), seconds});
    }
    return runs;
}

}  // namespace
}  // namespace outside

Study bias_drift() {
    return {
        .name = "bias-drift",
        .question = "what happens when the normalisation is outside the gradient step? (Ioffe & Szegedy 2015, 2)",
        .columns = outside::columns,
        .durations = "5 s, --standard 3 min, --paper 15 min (2 cores)",
        .settings = {{"--seeds", "of weights, samples and targets", "1,2,3,4,5", "1,2,3,4,5,6,7,8,9,10",
                      "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20", integers(1, 1'000'000), true},
                     {"--way",
                      "what the gradient step sees: centred, scaled: mean, or mean and variance, as constants; inside: "
                      "batch norm",
                      "centred,scaled,inside", "", "", words({"centred", "scaled", "inside"}), true},
                     {"--trained", "bias: the bias alone, so that its gradient stays the same; all: weights and bias",
                      "bias,all", "", "", words({"bias", "all"}), true},
                     {"--steps", "of gradient descent on one batch", "10000", "30000", "100000",
                      integers(10, 100'000'000)},
                     {"--rate", "learning rate", "0.1", "", "", numbers(0, 1000)},
                     {"--inputs", "of a unit", "16", "", "", integers(1, 4096)},
                     {"--units", "each with a target of its own", "4", "", "", integers(1, 4096)},
                     {"--batch", "samples", "64", "", "", integers(3, 4096)},
                     implementation_setting("cpu", "cpu,reference", true)},
        .uses_data = false,
        .plan = outside::plan,
        .run = [](const json& settings, const Context&) { return outside::run(settings); },
        .report = outside::report,
        .claims = ""};
}

}  // namespace normlab::studies
