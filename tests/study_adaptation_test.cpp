// The study adaptation: its verdicts on made-up records, and that a run gives the same bits twice.
#include "tests/catch.hpp"
#include "tests/study_reports.hpp"

using namespace normlab;
using namespace normlab::studies;

namespace {

const Study& study() { return find_study("adaptation"); }

// A change costs 0.4, of which new statistics undo this share, and another for even seeds.
std::vector<Record> recovered(double odd_share, double even_share) {
    return made_up(study(), {}, [=](const json& s) {
        const double share = odd(s) ? odd_share : even_share;
        json result{{"clean", 0.05 + 0.01 * chance(s)}};
        for (const char* domain : {"shifted", "contrast", "noise"})
            for (const double strength : s[domain].get<std::vector<double>>())
                result[domain].push_back(
                    {{"strength", strength}, {"frozen", 0.45}, {"swapped", 0.45 - 0.4 * share + 0.01 * chance(s)}});
        return result;
    });
}

}  // namespace

TEST_CASE("adaptation: a claim is reproduced, not, or left open as its records have it", "[studies]") {
    CHECK(all_are(study(), recovered(0.7, 0.7), Verdict::reproduced));
    CHECK(all_are(study(), recovered(-0.1, -0.1), Verdict::not_reproduced));
    const auto some = verdicts(study(), recovered(0.3, 0.3));
    CHECK(some.at("statistics-swap-shifted") == Verdict::reproduced);  // any is enough there, half elsewhere
    CHECK(some.at("statistics-swap-contrast") == Verdict::not_reproduced);
    CHECK(verdicts(study(), recovered(0.9, 0.1)).at("statistics-swap-noise") == Verdict::inconclusive);
    CHECK(verdicts(study(), recovered(0.3, -0.3)).at("statistics-swap-shifted") == Verdict::inconclusive);
}

TEST_CASE("adaptation: table, CSV and figure show every cell", "[studies]") {
    const Report report = study().report(recovered(0.7, 0.7));
    CHECK(std::ranges::count(report.csv, '\n') == 1 + 10 * 9);
    CHECK_THAT(report.table, Catch::Matchers::Contains("contrast"));
    CHECK_THAT(report.figure.script, Catch::Matchers::Contains("re-estimated"));
}

TEST_CASE(
    "adaptation: a run gives the same bits twice, images that are not changed err as clean ones, changed ones "
    "otherwise",
    "[studies]") {
    const Given tiny{{"--samples", "320"},      {"--epochs", "2"},     {"--seeds", "7"},
                     {"--batch", "8"},          {"--channels", "4,8"}, {"--shifts", "0,6"},
                     {"--contrasts", "1,0.25"}, {"--noises", "0,0.4"}, {"--precise", "256"}};
    const std::vector<std::string> first = results(study(), tiny);
    REQUIRE(first.size() == 1);
    CHECK(first == results(study(), tiny));
    const json result = json::parse(first[0]);
    CHECK(result["clean"].get<double>() < 0.9);
    for (const char* domain : {"shifted", "contrast", "noise"}) {
        CHECK(result[domain][0]["frozen"] == result["clean"]);
        CHECK(result[domain][1]["frozen"].get<double>() > result["clean"].get<double>());
    }
}
