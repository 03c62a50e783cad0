// The study small-batch: its plan, its verdicts on made-up records, and that a run gives the same bits twice.
#include <set>

#include "studies/small-batch/results.hpp"
#include "tests/catch.hpp"
#include "tests/study_reports.hpp"

using namespace normlab;
using namespace normlab::studies;

namespace {

const Study& study() { return find_study("small-batch"); }

// Errors as the papers have them; `sign` -1 turns every effect round.
json as_reported(const json& s, double sign) {
    const std::string norm = s["norm"];
    const double spread = 0.0005 * chance(s);
    double error = 0.1, loss = 0.2, batch_gain = 0, precise_gain = 0;
    const auto level = [](double m) { return std::max(0.0, 8 / m - 0.25); };
    if (norm == "bn") error = 0.09 + 0.02 * sign * level(s["normalisation_batch"]);
    if (norm == "brn") error = 0.095 + 0.005 * sign * level(s["normalisation_batch"]);
    if (norm == "gn") error = 0.1 - 0.005 * sign * (s["groups"] == 1 ? -1 : 1);
    if (norm == "in") error = 0.1 + 0.02 * sign;
    if (norm == "wn") error = 0.1 + 0.02 * sign, loss = 0.2 - 0.05 * sign;
    if (norm == "bn" && s["normalisation_batch"] == 2) precise_gain = 0.01 * sign, batch_gain = 0.02 * sign;
    return {{"error", error + spread},
            {"loss", 0.3},
            {"training_loss", loss + spread},
            {"moving", error + spread},
            {"moving_biased", error + spread},
            {"precise", error - precise_gain + spread},
            {"batch", error - batch_gain + spread},
            {"frozen", error + spread}};
}

}  // namespace

TEST_CASE("small-batch: a claim is reproduced, not, or left open as its records have it", "[studies]") {
    const auto reported = made_up(study(), {}, [](const json& s) { return as_reported(s, 1); });
    for (const auto& [id, verdict] : verdicts(study(), reported)) {
        INFO(id);
        CHECK(verdict == Verdict::reproduced);
    }
    const auto reversed = made_up(study(), {}, [](const json& s) { return as_reported(s, -1); });
    for (const auto& [id, verdict] : verdicts(study(), reversed)) {
        INFO(id);
        CHECK(verdict == Verdict::not_reproduced);
    }
    CHECK(all_are(study(), made_up(study(), {}, [](const json& s) { return as_reported(s, odd(s) ? 1 : -1); }),
                  Verdict::inconclusive));
    CHECK(all_are(study(), made_up(study(), {{"--seeds", "1"}}, [](const json& s) { return as_reported(s, 1); }),
                  Verdict::inconclusive));
    CHECK(all_are(study(), made_up(study(), {{"--variants", "ln"}}, [](const json& s) { return as_reported(s, 1); }),
                  Verdict::inconclusive));
}

TEST_CASE("small-batch: a run that diverged leaves its claim open", "[studies]") {
    auto records = made_up(study(), {}, [](const json& s) { return as_reported(s, 1); });
    for (Record& r : records)
        if (r.settings["norm"] == "wn") r.result["training_loss"] = nullptr;  // NaN in a file
    CHECK(verdicts(study(), records).at("wn-fits-bn-generalises") == Verdict::inconclusive);
}

TEST_CASE("small-batch: the best number of groups is chosen without the seed that is compared", "[studies]") {
    const auto records =
        made_up(study(), {{"--seeds", "1,2"}, {"--groups", "1,2,4"}, {"--variants", "gn"}}, [](const json& s) {
            // each is best for one seed
            return json{{"error", s["groups"] == 1 ? 0.5 : (s["groups"] == 2) == (s["seed"] == 1) ? 0.1 : 0.2}};
        });
    CHECK(small_batches::Results(records).best_groups().values == std::map<std::int64_t, double>{{1, 0.2}, {2, 0.2}});
}

TEST_CASE("small-batch: what both axes share is planned once, and all that the claims compare is planned",
          "[studies]") {
    for (const Size size : {Size::quick, Size::standard, Size::paper}) {
        std::set<std::string> names;
        const std::vector<Run> runs = study().plan(Settings(study().settings, size, {}));
        std::vector<Record> records;
        for (const Run& r : runs)
            names.insert(r.name), records.push_back({"", r.name, "", "", r.settings, as_reported(r.settings, 1)});
        CHECK(names.size() == runs.size());
        const Report report = study().report(records);
        for (const Claim& c : parse_claims(study().claims))
            for (const Condition& k : c.conditions) CHECK(report.measures.contains(k.measure));
    }
    CHECK_THAT(refusal(study(), {{"--normalisation-batches", "2,48"}}),
               Catch::Matchers::Contains("48; divisors of --batch 64"));
    CHECK_THAT(refusal(study(), {{"--groups", "1,3"}}), Catch::Matchers::Contains("--groups 3"));
    CHECK_THAT(refusal(study(), {{"--batch", "32,64"}}), Catch::Matchers::Contains("--batch"));
}

TEST_CASE("small-batch: table, CSV and figure show every cell", "[studies]") {
    const auto records = made_up(study(), {}, [](const json& s) { return as_reported(s, 1); });
    const Report report = study().report(records);
    CHECK(static_cast<std::size_t>(std::ranges::count(report.csv, '\n')) == records.size() + 1);
    for (const char* curve : {"'batch'", "'batch renorm'", "'group'", "'layer'", "'instance'", "'weight'", "'none'",
                              "'frozen'", "'precise'"})
        CHECK_THAT(report.figure.script, Catch::Matchers::Contains(std::string("title ") + curve));
    CHECK_THAT(report.table, Catch::Matchers::Contains("bn: batch statistics"));
}

TEST_CASE(
    "small-batch: a run gives the same bits twice, every variant trains, and layer norm is group norm of one group",
    "[studies]") {
    const Given tiny{{"--samples", "320"},
                     {"--epochs", "2"},
                     {"--seeds", "7"},
                     {"--batch", "8"},
                     {"--normalisation-batches", "2,8"},
                     {"--batches", "8,16"},
                     {"--groups", "1,4"},
                     {"--precise", "64"},
                     {"--channels", "4,8"},
                     {"--curve-groups", "1"}};
    const std::vector<std::string> first = results(study(), tiny);
    CHECK(first == results(study(), tiny));
    const std::vector<Run> runs = study().plan(Settings(study().settings, Size::quick, tiny));
    std::map<std::string, std::string> by_name;
    for (std::size_t i = 0; i < runs.size(); ++i) {
        by_name[runs[i].name] = first[i];
        const json result = json::parse(first[i]);
        CHECK(result["error"].get<double>() < 0.9);
        if (runs[i].settings["norm"] != "bn") continue;
        for (const small_batches::Way& way : small_batches::ways) CHECK(result[way.name].get<double>() < 0.9);
        CHECK(result["moving"] == result["error"]);
    }
    CHECK(by_name.at("ln-batch16-seed7") == by_name.at("gn1-batch16-seed7"));
    CHECK(by_name.at("bn-batch8-in2-seed7") != by_name.at("bn-batch8-in8-seed7"));
}
