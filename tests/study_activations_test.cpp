// The study of activations: what it looks at, its verdicts on made-up records, and that a run is the same twice.
#include <cmath>

#include "studies/activations/probe.hpp"
#include "tests/catch.hpp"
#include "tests/study_reports.hpp"

using namespace normlab;
using namespace normlab::studies;
using namespace normlab::studies::sigmoids;

namespace {

json made_up_result(double accuracy, double drift) {
    json r{{"step", {10, 20}},
           {"accuracy", {accuracy, accuracy}},
           {"training_loss", {1, nullptr}},
           {"validation_loss", {1, 0.5}},
           {"drift", drift}};
    for (int i = 0; i < 2; ++i) {
        r["percentiles"].push_back({-1, 0, 1});
        r["saturated"].push_back({0.1, 0.1, 0.1});
        r["gradient_norm"].push_back({1, 1, 1, 1});
    }
    for (const char* moment : {"skewness", "kurtosis"})
        for (const char* what : {"u", "Wu + b", "g"}) r[moment][what] = {0.5, 0.5, 0.5};
    return r;
}

// Accuracy and drift of batch norm against 0.8 and 1 of the plain net, a little different in each seed.
std::map<std::string, Verdict> verdicts_for(double accuracy, double drift) {
    const Study& study = find_study("activations");
    return verdicts(study, made_up(
                               study, {},
                               [&](const json& s) {
                                   const bool bn = s.at("norm") == "batch_norm";
                                   const double seed = s.at("seed");
                                   return made_up_result((bn ? accuracy : 0.8) + 0.001 * seed * (bn ? 1 : -1),
                                                         (bn ? drift : 1) * (1 + 0.01 * seed * (bn ? 1 : -1)));
                               },
                               Size::quick));
}

}  // namespace

TEST_CASE("activations: each claim can come out either way", "[studies]") {
    CHECK(verdicts_for(0.9, 0.5) == std::map<std::string, Verdict>{{"bn-above-baseline", Verdict::reproduced},
                                                                   {"bn-drifts-less", Verdict::reproduced}});
    CHECK(verdicts_for(0.7, 2) == std::map<std::string, Verdict>{{"bn-above-baseline", Verdict::not_reproduced},
                                                                 {"bn-drifts-less", Verdict::not_reproduced}});
    CHECK(verdicts_for(0.796, 0.96) == std::map<std::string, Verdict>{{"bn-above-baseline", Verdict::inconclusive},
                                                                      {"bn-drifts-less", Verdict::inconclusive}});
}

TEST_CASE("activations: one logged step below the plain net is enough to contradict the claim", "[studies]") {
    const Study& study = find_study("activations");
    const auto records = made_up(
        study, {},
        [](const json& s) {
            json r = made_up_result(s.at("norm") == "batch_norm" ? 0.9 : 0.8, 1);
            if (s.at("norm") == "batch_norm") r["accuracy"][0] = 0.7 + 0.001 * s.at("seed").get<double>();
            return r;
        },
        Size::quick);
    CHECK(verdicts(study, records).at("bn-above-baseline") == Verdict::not_reproduced);
}

TEST_CASE("activations: percentiles, shapes, drift and saturation are those of values that one can work out",
          "[studies]") {
    CHECK(quantile({4, 1, 3, 2}, 0.5) == 2.5);
    CHECK(quantile({4, 1, 3, 2}, 1) == 4);
    // Two units over four samples: one is 0, 0, 0, 4 (mean 1, m2 = 3, m3 = 6, m4 = 21), the other constant.
    const std::vector<double> values{0, 7, 0, 7, 0, 7, 4, 7};
    CHECK(shape_of(values, 2).skewness == Approx(6 / std::pow(3, 1.5)));
    CHECK(shape_of(values, 2).kurtosis == Approx(21.0 / 9 - 3));
    CHECK(percentiles_of(values, 2, 0)[2] == Approx(0.55 * 4));  // 2.55 places up
    CHECK(saturated({0.01, 0.5, 0.96, 0.94}) == 0.5);
    // One unit, samples -1, 0, 1, which move together by -+ 2: percentiles' standard deviation 2, 85th less 15th 1.4.
    Drift drift;
    drift.add({-3, -2, -1}, 1), drift.add({1, 2, 3}, 1);
    CHECK(drift.value() == Approx(2 / 1.4));
}

TEST_CASE("activations: a run is the same twice, by any implementation it trains, and names tell runs apart",
          "[studies]") {
    const Study& study = find_study("activations");
    const std::map<std::string, std::string> tiny{{"--steps", "6"},  {"--log", "4"},    {"--batch", "20"},
                                                  {"--width", "8"},  {"--layers", "2"}, {"--probe", "50"},
                                                  {"--seeds", "1,2"}};
    const auto once = results(study, tiny);
    CHECK(once == results(study, tiny));
    for (const std::string& result : once) CHECK(result.find("null") == std::string::npos);
    const auto apart = Settings(study.settings, Size::quick, {{"--rate", "0.1,1"}, {"--width", "10,20"}}).apart();
    REQUIRE(apart.size() == 4);
    std::vector<Run> runs;
    for (const Settings& s : apart) std::ranges::copy(plan_of(study, s), std::back_inserter(runs));
    CHECK(runs.size() == 24);
    CHECK(distinct_names(runs) == runs.size());
    CHECK(runs.back().name == "norm=batch_norm-seed=3-width=20-rate=1");
    CHECK_THROWS_AS(study.plan(Settings(study.settings, Size::quick, {{"--log", "100000"}})), Error);
}
