// The study non-iid: its plan, its verdicts on made-up records, and that a run gives the same bits twice.
#include <optional>
#include <set>

#include "tests/catch.hpp"
#include "tests/study_reports.hpp"

using namespace normlab;
using namespace normlab::studies;

namespace {

const Study& study() { return find_study("non-iid"); }

// `bn` and `brn`: what pairing costs each at the cell that is judged; elsewhere it costs the opposite. `even`: bn's
// cost for even seeds.
std::vector<Record> pairing_costs(double bn, double brn, std::optional<double> even = {}) {
    return made_up(study(), {}, [=](const json& s) {
        const double cost = s["of_each"] == 0 ? 0 : s["norm"] == "brn" ? brn : odd(s) ? bn : even.value_or(bn);
        const double sign = s["normalisation_batch"] == 4 && s["of_each"] != 4 ? 1 : -1;
        return json{{"error", 0.4 + sign * cost + 0.001 * chance(s)},
                    {"in_paired_batches", {{{"of_each", 2}, {"error", 0.1}}, {{"of_each", 4}, {"error", 0.1}}}}};
    });
}

}  // namespace

TEST_CASE("non-iid: a claim is reproduced, not, or left open as its records have it", "[studies]") {
    CHECK(all_are(study(), pairing_costs(0.2, 0.05), Verdict::reproduced));
    CHECK(all_are(study(), pairing_costs(0.05, 0.05), Verdict::not_reproduced));
    CHECK(verdicts(study(), pairing_costs(0.2, 0.15)).at("brn-holds-on-paired-classes") == Verdict::not_reproduced);
    CHECK(verdicts(study(), pairing_costs(0.2, 0.15)).at("bn-collapses-on-paired-classes") == Verdict::reproduced);
    CHECK(all_are(study(), pairing_costs(0.2, 0.05, 0.05), Verdict::inconclusive));
}

TEST_CASE("non-iid: settings that do not go together are refused", "[studies]") {
    CHECK_THAT(refusal(study(), {{"--normalisation-batches", "4,12"}}),
               Catch::Matchers::Contains("12; divisors of --batch 64"));
    CHECK_THAT(refusal(study(), {{"--of-each", "3"}}), Catch::Matchers::Contains("multiples of --of-each 3"));
}

TEST_CASE("non-iid: table, CSV and figure show every cell", "[studies]") {
    const auto records = pairing_costs(0.2, 0.05);
    const Report report = study().report(records);
    CHECK(static_cast<std::size_t>(std::ranges::count(report.csv, '\n')) == records.size() + 1);
    CHECK_THAT(report.table, Catch::Matchers::Contains("brn, 4 of each class"));
    CHECK_THAT(report.figure.script, Catch::Matchers::Contains("bn, trained 2 of each class"));
}

TEST_CASE("non-iid: a run gives the same bits twice, and pairing changes it", "[studies]") {
    const Given tiny{
        {"--samples", "320"}, {"--epochs", "1"}, {"--seeds", "7"}, {"--batch", "8"}, {"--normalisation-batches", "4"},
        {"--channels", "4,8"}};
    const std::vector<std::string> first = results(study(), tiny);
    CHECK(first == results(study(), tiny));
    CHECK(std::set(first.begin(), first.end()).size() == 6);  // bn and brn: shuffled, 2 and 4 of each class
}
