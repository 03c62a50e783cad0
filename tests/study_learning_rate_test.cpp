// The study of learning rates: its verdicts on made-up records, and that a run is the same twice.
#include "studies/learning-rate/results.hpp"
#include "tests/catch.hpp"
#include "tests/study_reports.hpp"

using namespace normlab;
using namespace normlab::studies;

namespace {

// What nets do at a rate: reach `best` after `steps`, and stay.
struct Behaviour {
    double steps = 1000, best = 0.9;
};

json made_up_result(const Behaviour& b) {
    return {{"step", {100, 200, 300, 500, 1000, 2000}},
            {"accuracy",
             {b.steps <= 100 ? b.best : 0.1, b.steps <= 200 ? b.best : 0.1, b.steps <= 300 ? b.best : 0.1,
              b.steps <= 500 ? b.best : 0.1, b.steps <= 1000 ? b.best : 0.1, b.best}},
            {"training_loss", {1, 1, 1, 1, 1, nullptr}},
            {"diverged", false}};
}

std::map<std::string, Verdict> verdicts_for(
    const std::function<Behaviour(const std::string& activation, bool bn, double factor, double seed)>& net) {
    const Study& study = find_study("learning-rate");
    return verdicts(study, made_up(
                               study, {{"--init-scales", "0.5,1"}},
                               [&](const json& s) {
                                   return made_up_result(net(s.at("activation"), s.at("norm") == "batch_norm",
                                                             s.at("factor"), s.at("seed")));
                               },
                               Size::quick));
}

}  // namespace

TEST_CASE("learning-rate: nets that do what the papers say reproduce every claim", "[studies]") {
    const auto all = verdicts_for([](const std::string& activation, bool bn, double factor, double seed) -> Behaviour {
        if (activation == "sigmoid") return {1000, bn ? 0.9 + 0.001 * seed : 0.1};

        if (bn && factor < 1) return {1000, 0.8 + 0.001 * seed};
        if (bn) return {factor >= 5 ? 100.0 : 300.0, factor > 2 ? 0.96 + 0.001 * seed : 0.95};
        return factor > 1 ? Behaviour{1000, 0.1} : Behaviour{1000, factor < 1 ? 0.8 : 0.9};
    });
    CHECK(all.size() == 7);
    for (const auto& [claim, verdict] : all) {
        INFO(claim);
        CHECK(verdict == Verdict::reproduced);
    }
}

TEST_CASE("learning-rate: nets that do the opposite contradict every claim", "[studies]") {
    const auto all = verdicts_for([](const std::string& activation, bool bn, double factor, double seed) -> Behaviour {
        if (activation == "sigmoid") return {1000, bn ? 0.3 : 0.9 + 0.001 * seed};
        if (bn) return {factor < 1 ? 1000.0 : 2000.0, factor > 1 ? 0.3 + 0.001 * seed : 0.95};
        return {1000, factor < 1 ? 0.6 + 0.001 * seed : 0.9};
    });
    for (const auto& [claim, verdict] : all) {
        INFO(claim);
        CHECK(verdict == Verdict::not_reproduced);
    }
}

TEST_CASE(
    "learning-rate: what never reaches the plain net's best counts as the whole run, and a rate is stable at nine "
    "tenths of the best",
    "[studies]") {
    const Study& study = find_study("learning-rate");
    const auto records = made_up(
        study, {},
        [](const json& s) {
            const double factor = s.at("factor");
            return made_up_result({500, factor == 10 ? 0.85 : factor > 10 ? 0.5 : 0.9});
        },
        Size::quick);
    CHECK(rates::steps_to(records[0], 0.9) == 500);
    CHECK(rates::steps_to(records[0], 0.95) == 2000);
    const auto plain = rates::by_factor(records, {{"activation", "relu"}, {"norm", "none"}});
    CHECK(rates::largest_stable(plain, 1) == 10);
    CHECK(rates::best_final(plain, 1) == 0.9);
    const auto blind = made_up(
        study, {},
        [](const json&) {
            return made_up_result({500, 0.11});
        },
        Size::quick);
    // it learns nowhere
    CHECK(rates::largest_stable(rates::by_factor(blind, {{"activation", "relu"}, {"norm", "none"}}), 1) == 0);
    // The list is 0.1,1,2,5,10,20,30,100: 10 stands for all up to 20.
    const Interval same = rates::stable_ratio(plain, plain);
    CHECK(same.value == 1);
    CHECK(same.low == Approx(0.5));
    CHECK(same.high == Approx(2));
}

TEST_CASE(
    "learning-rate: the best rate of a seed is the other seeds' best, and what was never reached has no upper bound",
    "[studies]") {
    const Study& study = find_study("learning-rate");
    const auto records = made_up(
        study, {},
        [](const json& s) {  // each seed has a rate of luck of its own
            const double seed = s.at("seed"), factor = s.at("factor");
            const bool lucky = (seed == 1 && factor == 1) || (seed == 2 && factor == 2) || (seed == 3 && factor == 5);
            const bool late = s.at("norm") == "batch_norm" && seed == 3;
            return made_up_result({late ? 5000.0 : 500.0, late ? 0.5 : lucky ? 0.95 : 0.9});
        },
        Size::quick);
    for (const std::int64_t seed : {1, 2, 3})
        CHECK(rates::best_final(rates::by_factor(records, {{"activation", "relu"}, {"norm", "none"}}), seed) == 0.9);
    const Interval steps = rates::measures(records).at("bn_steps / plain_steps");
    CHECK(std::isfinite(steps.low));
    CHECK(std::isinf(steps.high));
}

TEST_CASE("learning-rate: a run is the same twice, ends where it diverges, and names tell runs apart", "[studies]") {
    const Study& study = find_study("learning-rate");
    const std::map<std::string, std::string> tiny{{"--steps", "6"}, {"--log", "4"},    {"--batch", "20"},
                                                  {"--width", "8"}, {"--layers", "2"}, {"--depths", "1,3"},
                                                  {"--test", "30"}, {"--seeds", "1"},  {"--factors", "1,5,30"}};
    CHECK(results(study, tiny) == results(study, tiny));
    std::map<std::string, std::string> wild = tiny;
    wild["--rate"] = "1", wild["--norm"] = "none", wild["--steps"] = "100", wild["--layers"] = "8",
    wild["--width"] = "40";
    CHECK(std::ranges::any_of(results(study, wild), [](const std::string& result) {
        return result.find("\"diverged\":true") != std::string::npos;
    }));
    const auto runs = study.plan(Settings(study.settings, Size::standard, {}));
    CHECK(distinct_names(runs) == runs.size());
    CHECK_THROWS_AS(study.plan(Settings(study.settings, Size::quick, {{"--factors", "1,5"}})), Error);
}
