#include "studies/scale/study.hpp"

#include "norms/registry.hpp"
#include "studies/runs/values.hpp"

namespace normlab::studies {
namespace scale_laws {
namespace {

std::vector<Run> plan(const Settings& settings) {
    std::vector<Run> runs;
    const auto add = [&](json s, const char* experiment, const std::vector<std::string>& keys, double seconds) {
        s["experiment"] = experiment;
        const std::string name = run_name(s, keys);
        runs.push_back({name, std::move(s), seconds});
    };
    const std::vector<std::string> shared{"--inputs", "--units", "--batch", "--impl", "--draws", "--seeds"};
    const auto with = [&](std::vector<std::string> flags) {
        flags.insert(flags.end(), shared.begin(), shared.end());
        return combinations(settings, flags);
    };
    for (const json& s : with({"--scale"}))
        add(s, "gradients", {"experiment", "impl", "scale", "seed"}, 1e-3 * s["draws"].get<double>());
    for (const char* experiment : {"growth", "decay"})
        for (const json& s : with({"--step", "--steps"}))
            add(s, experiment, {"experiment", "impl", "step", "seed"}, 1e-4 * s["steps"].get<double>());
    for (const json& s : with({"--rate", "--steps"}))
        add(s, "weight_norm", {"experiment", "impl", "rate", "seed"}, 1e-4 * s["steps"].get<double>());
    return runs;
}

json run(const json& settings, const Context&) {
    const std::string experiment = settings.at("experiment");
    return experiment == "gradients"     ? gradients(settings)
           : experiment == "weight_norm" ? weight_norm(settings)
                                         : growth(settings);
}

}  // namespace
}  // namespace scale_laws

Study scale() {
    return {.name = "scale",
            .question =
                "do weights before a normalization obey the laws of scale invariance? (van Laarhoven 2017; Arora et "
                "al. 2018; Salimans & Kingma 2016)",
            .columns = scale_laws::columns,
            .durations = "5 s, --standard 2 min, --paper 15 min (2 cores)",
            .settings = {{"--seeds", "of weights and samples", "1,2,3,4,5", "1,2,3,4,5,6,7,8,9,10",
                          "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20", integers(1, 1'000'000), true},
                         {"--scale", "a, by which the weights are multiplied", "0.001,0.3,7,1000", "", "",
                          numbers(1e-6, 1e6), true},
                         {"--step", "growth: of |w|^4 in the first step; decay: learning rate x weight decay", "0.002",
                          "", "0.001", numbers(1e-9, 0.5)},
                         {"--rate", "weight norm: learning rates", "0.01,0.1,1", "", "", numbers(0, 1000), true},
                         {"--steps", "of SGD", "4000", "10000", "50000", integers(2, 100'000'000)},
                         {"--draws", "batches by which gradients are checked, and of which G is the mean", "500",
                          "1000", "4000", integers(1, 1'000'000)},
                         {"--inputs", "weights of a unit", "32", "", "", integers(2, 4096)},
                         {"--units", "units, each with its own scale", "8", "", "", integers(1, 4096)},
                         {"--batch", "samples a step", "32", "", "", integers(3, 4096)},
                         implementation_setting("cpu", "cpu,reference", true)},
            .uses_data = false,
            .plan = scale_laws::plan,
            .run = scale_laws::run,
            .report = scale_laws::report,
            .claims = ""};
}

}  // namespace normlab::studies
