// What every study shares: settings, intervals, verdicts, records.
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <unistd.h>

#include "io/error.hpp"
#include "norms/tensor.hpp"
#include "studies/runs/files.hpp"
#include "studies/runs/ledger.hpp"
#include "studies/runs/records.hpp"
#include "tests/catch.hpp"

using namespace normlab;
using namespace normlab::studies;

namespace {

const std::vector<Setting> known{{"--steps", "optimiser steps", "10", "100", "", integers(1, 1000)},
                                 {"--rate", "learning rate", "0.1,0.5", "", "", numbers(0, 10)},
                                 {"--norm", "variant", "bn,ln", "bn,ln,gn", "gn", words({"bn", "ln", "gn"}), true},
                                 {"--impl", "of which the criteria speak alike", "cpu", "", "", {}, true, true}};

std::string error_of(const std::map<std::string, std::string>& given) {
    try {
        Settings(known, Size::quick, given);
    } catch (const Error& e) {
        return e.what();
    }
    return "";
}

// A folder of its own, removed at the end.
struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("normlab-study-" + std::to_string(::getpid()));
    Folder() { std::filesystem::create_directories(path / "records"); }
    ~Folder() { std::filesystem::remove_all(path); }
};

std::string bytes_of(const std::filesystem::path& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("a setting's value is the caller's, or that of the size, or of the size before", "[studies]") {
    const Settings quick(known, Size::quick, {}), paper(known, Size::paper, {});
    CHECK(quick.integers("--steps") == std::vector<std::int64_t>{10});
    CHECK(paper.integer("--steps") == 100);
    CHECK(paper.numbers("--rate") == std::vector<double>{0.1, 0.5});
    CHECK(paper.list("--norm") == std::vector<std::string>{"gn"});
    CHECK_FALSE(quick.changed());
    CHECK(Settings(known, Size::quick, {{"--rate", "0.1"}}).changed());
    CHECK_FALSE(Settings(known, Size::quick, {{"--rate", "0.1,0.5"}}).changed());
    CHECK_FALSE(Settings(known, Size::quick, {{"--impl", "reference"}}).changed());
    CHECK_THROWS_AS(quick.number("--rate"), Error);
}

TEST_CASE("values that no report shows together are settings apart, with names of their own", "[studies]") {
    CHECK(Settings(known, Size::quick, {}).apart().size() == 2);  // --rate; --norm is shown together
    const auto apart = Settings(known, Size::quick, {{"--steps", "5,6"}, {"--rate", "0.1"}}).apart();
    REQUIRE(apart.size() == 2);
    CHECK(apart[1].label() == "-steps=6");
    CHECK(apart[1].integer("--steps") == 6);
    CHECK(apart[1].list("--norm").size() == 2);
    CHECK(apart[1].changed());
    for (const Study& s : all())
        for (const Size size : {Size::quick, Size::standard, Size::paper})
            CHECK(Settings(s.settings, size, {}).apart().size() == 1);
    Study twins = find_study("scale");
    twins.plan = [](const Settings&) { return std::vector<Run>{{"a", {}, 1}, {"a", {}, 1}}; };
    CHECK_THROWS_WITH(plan_of(twins, Settings(known, Size::quick, {})),
                      Catch::Matchers::Contains("two runs have the name a"));
}

TEST_CASE("a setting that is not accepted is named with what is", "[studies]") {
    CHECK_THAT(error_of({{"--steps", "0"}}), Catch::Matchers::Contains("--steps 0; 1 to 1000"));
    CHECK_THAT(error_of({{"--steps", "ten"}}), Catch::Matchers::Contains("ten"));
    CHECK_THAT(error_of({{"--rate", "nan"}}), Catch::Matchers::Contains("--rate"));
    CHECK_THAT(error_of({{"--norm", "bm"}}), Catch::Matchers::Contains("bn"));
    CHECK_THAT(error_of({{"--norm", "bn,bn"}}), Catch::Matchers::Contains("twice"));
    CHECK_THAT(error_of({{"--norm", ","}}), Catch::Matchers::Contains("--norm"));
    CHECK_THAT(error_of({{"--norm", "bn,"}}), Catch::Matchers::Contains("a value is empty"));
    CHECK_THAT(error_of({{"--steps", "1,01"}}), Catch::Matchers::Contains("01 is named twice"));
    CHECK_THAT(error_of({{"--rate", "0.1,0.10"}}), Catch::Matchers::Contains("twice"));
}

TEST_CASE("an interval over seeds is Student's, and unbounded for one", "[studies]") {
    const std::vector<double> values{1, 2, 3, 4};
    const Interval i = mean_of(values);
    CHECK(i.value == 2.5);
    // t(0.975, 3), s = sqrt(5/3)
    CHECK(i.high - i.value == Approx(3.182446305 * std::sqrt(5.0 / 3 / 4)).epsilon(1e-9));
    CHECK(i.value - i.low == Approx(i.high - i.value));
    CHECK(std::isinf(mean_of(std::vector<double>{7}).high));
    CHECK(std::isnan(mean_of({}).value));
}

TEST_CASE("a verdict needs the whole interval on one side, and all conditions", "[studies]") {
    const Condition above{"a", 1, true}, below{"b", 1, false};
    CHECK(above.of({2, 1.5, 2.5}) == Verdict::reproduced);
    CHECK(above.of({2, 0.5, 3.5}) == Verdict::inconclusive);
    CHECK(above.of({0, -1, 0.5}) == Verdict::not_reproduced);
    CHECK(above.of(exactly(1)) == Verdict::not_reproduced);
    CHECK(below.of({0, -1, 0.5}) == Verdict::reproduced);
    CHECK(below.of(exactly(1)) == Verdict::not_reproduced);
    CHECK(below.of(Interval{NAN, NAN, NAN}) == Verdict::inconclusive);
    const Claim claim{"id", "source", "statement", "paper", "", {above, below}};
    CHECK(judge(claim, "s", {{"a", exactly(2)}, {"b", exactly(0)}}).verdict == Verdict::reproduced);
    CHECK(judge(claim, "s", {{"a", exactly(2)}, {"b", exactly(3)}}).verdict == Verdict::not_reproduced);
    CHECK(judge(claim, "s", {{"a", {2, 0, 4}}, {"b", exactly(3)}}).verdict == Verdict::not_reproduced);
    CHECK(judge(claim, "s", {{"a", exactly(0)}, {"b", {2, 0, 4}}}).verdict == Verdict::not_reproduced);
    CHECK(judge(claim, "s", {{"a", {2, 0, 4}}, {"b", exactly(0)}}).verdict == Verdict::inconclusive);
    CHECK(judge(claim, "s", {{"a", exactly(2)}}).verdict == Verdict::inconclusive);
    CHECK(judge({"id", "source", "statement", "paper", "needs ImageNet", {}}, "", {}).verdict == Verdict::not_testable);
}

TEST_CASE("every claim of every study can be read, has a name of its own and a criterion or a reason", "[studies]") {
    std::vector<std::string> ids;
    for (const Study& s : all())
        for (const Claim& c : parse_claims(s.claims)) ids.push_back(c.id);
    for (const Claim& c : parse_claims(untested_claims())) ids.push_back(c.id);
    std::ranges::sort(ids);
    CHECK(std::ranges::adjacent_find(ids) == ids.end());
    CHECK_THROWS_AS(parse_claims(R"([{"id": "a", "source": "", "statement": "", "paper": ""}])"), Error);
    CHECK_THROWS_AS(
        parse_claims(R"([{"id": "a", "source": "", "statement": "", "paper": "", "criterion": [{"measure": "m"}]}])"),
        Error);
}

TEST_CASE("a record comes back as it was written, and is refused where it is another run's", "[studies]") {
    const Folder folder;
    const Run run{"one", {{"steps", 10}, {"norm", "bn"}}, 1};
    const Record record{"s", "one", "abc", "digits", run.settings, {{"error", 0.25}, {"loss", NAN}}};
    const std::filesystem::path path = record_path(folder.path, run);
    CHECK_FALSE(find_record(folder.path, record, run));
    write_record(path, record);
    const std::string bytes = bytes_of(path);
    const auto found = find_record(folder.path, record, run);
    REQUIRE(found);
    CHECK(found->result["error"] == 0.25);
    CHECK(found->result["loss"].is_null());
    write_record(path, *found);
    CHECK(bytes_of(path) == bytes);

    Record other = record;
    other.commit = "def";
    CHECK_THROWS_WITH(find_record(folder.path, other, run),
                      Catch::Matchers::Contains("its commit is abc, this call's is def"));
    CHECK_THROWS_WITH(find_record(folder.path, record, {"one", {{"steps", 20}, {"norm", "bn"}}, 1}),
                      Catch::Matchers::Contains("settings"));
    std::ofstream(path) << bytes.substr(0, bytes.size() / 2);
    CHECK_THROWS_AS(find_record(folder.path, record, run), io::InputError);
    std::ofstream(path) << "[]";
    CHECK_THROWS_AS(find_record(folder.path, record, run), io::InputError);
}

TEST_CASE(
    "the ledger judges complete records of one size, commit and set of data, and the committed ones decide at least "
    "twelve claims",
    "[studies]") {
    const auto decided = [](const std::vector<Judged>& claims) {
        return std::ranges::count_if(claims, [](const Judged& j) {
            return j.verdict == Verdict::reproduced || j.verdict == Verdict::not_reproduced;
        });
    };
    const std::filesystem::path committed = std::filesystem::path(PROJECT_DIR) / "studies";
    CHECK(decided(ledger(committed)) >= 12);

    const Folder folder;
    const std::filesystem::path records = folder.path / "scale" / "records";
    std::filesystem::create_directories(records.parent_path());
    std::filesystem::copy(committed / "scale" / "records", records);
    CHECK(decided(ledger(folder.path)) == 6);
    const std::filesystem::path one = std::filesystem::directory_iterator(records)->path();
    const Record whole = read_record(one);
    const auto undecided = [&] {
        const auto claims = ledger(folder.path);
        const auto scale = std::ranges::find(claims, "scale", &Judged::study);
        return decided(claims) == 0 && scale->evidence.find("not the runs of one size") != std::string::npos;
    };
    std::filesystem::remove(one);
    CHECK(undecided());
    for (const char* changed : {"commit", "data", "settings"}) {
        Record other = whole;
        (changed == std::string("commit") ? other.commit : other.data) = "another";
        if (changed == std::string("settings")) other.data = whole.data, other.settings["seed"] = 77;
        write_record(one, other);
        CHECK(undecided());
    }
    write_record(one, whole);
    CHECK(decided(ledger(folder.path)) == 6);
    for (const auto& file : std::filesystem::directory_iterator(records)) {
        Record dirty = read_record(file.path());
        dirty.commit = "abc-dirty-0123";
        write_record(file.path(), dirty);
    }
    CHECK(undecided());
}

json without_header(const std::string& text) {  // which says the commit and the time
    json document = json::parse(text);
    CHECK(document.erase("header") == 1);
    return document;
}

TEST_CASE("files that a call names hold measures and table, each report its own", "[studies]") {
    const Folder folder;
    const std::string json_file = folder.path / "a.json", csv_file = folder.path / "a.csv";
    Files{json_file, csv_file, {}}.check(1);
    CHECK_THROWS_WITH((Files{json_file, "", {}}.check(2)), Catch::Matchers::Contains("2 reports"));
    Report report;
    report.csv = "q\n2\n";
    report.measures["q"] = exactly(2);
    Files{json_file, csv_file, {}}.write("scale", report, 1.5);
    CHECK(without_header(bytes_of(json_file)) ==
          json{{"measures", {{"q", {{"high", 2}, {"low", 2}, {"value", 2}}}}}, {"seconds", 1.5}, {"study", "scale"}});
    CHECK(bytes_of(csv_file) == report.csv);
    report.document = {{"cells", 3}};
    Files{json_file, "", {}}.write("scale", report, 1.5);
    CHECK(without_header(bytes_of(json_file)) == json{{"cells", 3}, {"seconds", 1.5}, {"study", "scale"}});
}
