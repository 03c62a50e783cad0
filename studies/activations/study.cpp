#include "studies/activations/study.hpp"

#include "norms/registry.hpp"
#include "studies/runs/values.hpp"

namespace normlab::studies {
namespace {

constexpr double steps_per_second = 1500;  // of one core, logging included

}  // namespace

std::vector<Run> sigmoids::plan(const Settings& settings) {
    std::vector<Run> runs;
    const std::vector<std::string> flags{"--norm", "--steps", "--log",   "--batch", "--width", "--layers",
                                         "--init", "--rate",  "--probe", "--impl",  "--seeds"};
    for (json& s : combinations(settings, flags)) {
        if (s["log"] > s["steps"]) throw Error("--log is larger than --steps; at most that many steps are accepted");
        const double seconds = s["steps"].get<double>() / steps_per_second;
        const std::string name = run_name(s, {"norm", "seed"});
        runs.push_back({name, std::move(s), seconds});
    }
    return runs;
}

Study activations() {
    return {
        .name = "activations",
        .question =
            "does batch norm train faster, and do the inputs of its sigmoids drift less? (Ioffe & Szegedy 2015, 4.1)",
        .columns = std::string(sigmoids::columns) + "(,saturated_[0-9]+)*(,gradient_norm_[0-9]+)+",
        .durations = "15 s, --standard 1 min, --paper 5 min (2 cores)",
        .settings = {{"--seeds", "of weights and batches", "1,2,3", "1,2,3,4,5", "1,2,3,4,5,6,7,8,9,10",
                      integers(1, 1'000'000), true},
                     {"--norm", "none, batch_norm", "none,batch_norm", "", "", words({"none", "batch_norm"}), true},
                     {"--steps", "of the optimiser", "5000", "20000", "50000", integers(1, 100'000'000)},
                     {"--log", "steps from one look at the net to the next", "250", "500", "",
                      integers(1, 100'000'000)},
                     {"--batch", "samples a step", "60", "", "", integers(2, 10000)},
                     {"--width", "units of a hidden layer", "100", "", "", integers(1, 10000)},
                     {"--layers", "hidden layers of sigmoids", "3", "", "", integers(1, 64)},
                     {"--init", "standard deviation of the normal weights", "0.1", "", "", numbers(0, 100)},
                     {"--rate", "learning rate", "1", "", "", numbers(0, 1000)},
                     {"--probe", "held-out samples whose activations are looked at", "1000", "", "",
                      integers(2, 100'000)},
                     implementation_setting("cpu")},
        .plan = sigmoids::plan,
        .run = sigmoids::run,
        .report = sigmoids::report,
        .claims = ""};
}

}  // namespace normlab::studies
