// The study of a normalisation outside the gradient step: its verdicts on made-up records, and on tiny runs.
#include "tests/catch.hpp"
#include "tests/study_reports.hpp"

using namespace normlab;
using namespace normlab::studies;

namespace {

std::map<std::string, Verdict> verdicts_for(double loss_change, double growth, double inside_travel,
                                            double inside_growth, double half_way = 0.5,
                                            double scaled_over_centred = 1.5) {
    const Study& study = find_study("bias-drift");
    return verdicts(study, made_up(
                               study, {},
                               [&](const json& s) -> json {
                                   const bool inside = s.at("way") == "inside";
                                   const double grown = inside                    ? inside_growth
                                                        : s.at("way") == "scaled" ? growth * scaled_over_centred
                                                                                  : growth;
                                   return {{"step", {1}},      {"loss", {1}},
                                           {"bias", {1}},      {"weights", {1}},
                                           {"ended", 10000},   {"loss_change", loss_change},
                                           {"growth", grown},  {"half_way", half_way * grown},
                                           {"expected", 500},  {"travel", inside ? inside_travel : growth},
                                           {"rounding", 1e-12}};
                               },
                               Size::quick));
}

}  // namespace

TEST_CASE("bias-drift: each claim can come out either way", "[studies]") {
    const auto good = verdicts_for(0.1, 500, 2, 1e-13), bad = verdicts_for(2, 400, 50, 1e-11, 0.9, 0.9);
    CHECK(good.size() == 4);
    for (const auto& [claim, verdict] : good) CHECK(verdict == Verdict::reproduced);
    for (const auto& [claim, verdict] : bad) CHECK(verdict == Verdict::not_reproduced);
    // 1.002 of what is expected
    CHECK(verdicts_for(0.1, 501, 2, 1e-13).at("bias-outside-gradient") == Verdict::not_reproduced);
    CHECK(verdicts_for(NAN, 500, 2, 1e-13).at("bias-outside-gradient") == Verdict::inconclusive);
    // it slows down
    CHECK(verdicts_for(0.1, 500, 2, 1e-13, 0.9).at("bias-outside-gradient-scaled") == Verdict::not_reproduced);
}

TEST_CASE("bias-drift: runs are the same twice, and the exact claims hold in short ones too", "[studies]") {
    const Study& study = find_study("bias-drift");
    const std::map<std::string, std::string> few{
        {"--steps", "30"}, {"--seeds", "1,2"}, {"--impl", "cpu,reference"}, {"--batch", "12"}, {"--inputs", "4"}};
    CHECK(results(study, few) == results(study, few));
    const auto runs = study.plan(Settings(study.settings, Size::standard, {}));
    CHECK(distinct_names(runs) == runs.size());
    const auto all = verdicts(study, made_up(
                                         study, few,
                                         [&](const json& s) {
                                             return study.run(s, {data::Split{}, [](double) {}});
                                         },
                                         Size::quick));
    CHECK(all.at("bias-outside-gradient") == Verdict::reproduced);
    CHECK(all.at("bias-inside-gradient") == Verdict::reproduced);
}
