// The catalogue, tiled tensors, the policy outside the range, shrinking, replay and hunting.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "tests/catch.hpp"
#include "tests/planted.hpp"
#include "verify/run/generate.hpp"
#include "verify/run/hunt.hpp"
#include "verify/run/replay.hpp"
#include "verify/run/run_cases.hpp"
#include "verify/run/shrink.hpp"

using namespace normlab;
using namespace normlab::verify;

namespace {

std::size_t failures(const std::vector<Case>& cases) {
    std::size_t failed = 0;
    for (const Case& c : cases)
        for (const Finding& f : run_case(c).findings) failed += f.verdict == Verdict::fail;
    return failed;
}

std::vector<Case> of(std::string_view input, const Implementation& implementation) {
    Selection s;
    s.implementations = {implementation.name()};
    s.dtypes = {DType::f64, DType::f32};
    s.layouts = {Layout::channels_first};
    return plan_hostile(find_hostile_input(input), s);
}

}  // namespace

TEST_CASE("every entry of the catalogue has cases, or says what is missing") {
    for (const HostileInput& input : hostile_inputs()) {
        CAPTURE(input.name);
        CHECK(plan_hostile(input, {}).empty() == !input.missing.empty());
        CHECK(&find_hostile_input(input.name) == &input);
    }
    CHECK(find_hostile_input("kappa ladder").name == "kappa-ladder");
    CHECK_THROWS_WITH(find_hostile_input("kapa-ladder"), Catch::Matchers::Contains("did you mean kappa-ladder?"));
}

TEST_CASE("the page maps faults to entries that exist") {
    std::ifstream page(PROJECT_DIR "/verify/README.md");
    std::string line;
    std::size_t rows = 0;
    bool in_table = false;
    while (std::getline(page, line)) {
        if (line.starts_with("| fault that shipped")) in_table = true;
        else if (in_table && !line.starts_with("|")) break;
        if (!in_table || !line.starts_with("| ") || line.starts_with("| fault that")) continue;
        const std::string names = line.substr(line.find('|', 2));
        const std::regex name("`([^`]+)`");
        auto found = std::sregex_iterator(names.begin(), names.end(), name);
        CHECK(found != std::sregex_iterator());
        for (; found != std::sregex_iterator(); ++found) CHECK_NOTHROW(find_hostile_input((*found)[1].str()));
        ++rows;
    }
    CHECK(rows == 26);
}

TEST_CASE("named cases show the faults they are there for, and none in the layer without one") {
    CHECK(failures(of("eps-matched", planted::with_fault("eps_outside"))) > 0);
    CHECK(failures(of("big-eps", planted::with_fault("eps_outside"))) > 0);
    CHECK(failures(of("two-step-statistics", planted::with_fault("running_var_biased"))) > 0);
    CHECK(failures(of("two-step-statistics", planted::with_fault("momentum_reversed"))) > 0);
    CHECK(failures(of("renorm-clip", planted::with_fault("r_d_not_frozen"))) > 0);
    CHECK(failures(of("unique-tag", planted::with_fault("gamma_by_group"))) > 0);
    CHECK(failures(of("null-cotangent", planted::with_fault("mean_g_missing"))) > 0);
    CHECK(failures(of("null-cotangent", planted::with_fault("x_hat_term_missing"))) > 0);
    CHECK(failures(of("pair", planted::with_fault("var_unbiased"))) > 0);
    for (const std::string_view input :
         {"eps-matched", "big-eps", "two-step-statistics", "renorm-clip", "unique-tag", "null-cotangent", "pair"}) {
        CAPTURE(input);
        CHECK(failures(of(input, planted::right())) == 0);
    }
}

TEST_CASE("tiled: a wrong divisor and a wrong channel show in a tensor that repeats a tile") {
    for (const auto& [fault, variant] :
         {std::pair("var_unbiased", "batch_norm"), std::pair("gamma_by_group", "group_norm"),
          std::pair("mean_g_missing", "layer_norm")}) {
        Case base;
        base.variant = variant, base.check = "tiled", base.dtype = DType::f64;
        base.implementation = planted::with_fault(fault).name();
        CAPTURE(variant);
        CHECK(failures(find_check("tiled").cases(base, Tier::ci)) > 0);
        base.implementation = planted::right().name();
        CHECK(failures(find_check("tiled").cases(base, Tier::ci)) == 0);
    }
}

TEST_CASE("tiled: a dx beyond the largest f16 may be infinite") {
    CHECK(
        failures({parse_case("instance_norm reference f16 nhwc eval 6x2x2 eps=1e-12 tile=3x1x2 offset=-197 seed=448420 "
                             "check=tiled")}) == 0);
}

TEST_CASE("a saturated block is accepted as the policy says, a finite wrong number is not") {
    const Outcome huge = run_case(parse_case("layer_norm reference f32 nchw 2x3x5 sigma=1e25"));
    CHECK(huge.skipped.empty());
    for (const Finding& f : huge.findings) CHECK(f.verdict == Verdict::pass);
    // s so small that squares lose digits but do not vanish: nothing shows it, nobody can tell
    bool unresolved = false;
    for (const Finding& f : run_case(parse_case("layer_norm reference f32 nchw 2x3x5 eps=0 sigma=3e-22")).findings)
        unresolved |= f.verdict == Verdict::unresolved;
    CHECK(unresolved);
}

TEST_CASE("a failing case is made small, fails likewise, and its string has its numbers") {
    Case c = parse_case("layer_norm reference f64 nhwc 5x6x7 eps=0.001 kappa=100 sigma=0.5 seed=42 check=zero_sum");
    c.implementation = planted::with_fault("mean_g_missing").name();
    REQUIRE(fails_at(c, "sum dx"));
    const Case small = shrunk(c, [](const Case& d) { return fails_at(d, "sum dx"); });
    CHECK(fails_at(small, "sum dx"));
    CHECK(small.shape.size() <= 4);
    CHECK(small.layout == Layout::channels_first);
    CHECK(!small.eps);
    CHECK(parse_case(small.text()).text() == small.text());
    CHECK(fails_at(parse_case(small.text()), "sum dx"));
}

TEST_CASE("what failed is run first: a replay file keeps its lines and takes new ones once") {
    const std::filesystem::path file = std::filesystem::temp_directory_path() / "normlab_replay_test.txt";
    std::filesystem::remove(file);
    CHECK(read_replay(file).empty());
    const Case a = parse_case("layer_norm reference f32 nchw 2x3x4 seed=5"),
               b = parse_case("rms_norm cpu bf16 nhwc 1x2x3 x=1,2,3,4,5,6");
    add_to_replay(file, {a});
    add_to_replay(file, {a, b});
    const std::vector<Case> held = read_replay(file);
    REQUIRE(held.size() == 2);
    CHECK(held[0].text() == a.text());
    CHECK(held[1].text() == b.text());
    std::ofstream(file, std::ios::app) << "layer_norm reference f32 nchw 2y3\n";
    CHECK_THROWS_WITH(read_replay(file), Catch::Matchers::Contains("line 4") && Catch::Matchers::Contains("2y3"));
    std::filesystem::remove(file);
}

TEST_CASE("of the failures the first of each check, variant and implementation is made small, eight at most") {
    const std::string broken = planted::with_fault("mean_g_missing").name();
    std::vector<Case> cases;
    for (const char* seed : {"1", "2"})
        for (const char* what : {"layer_norm", "instance_norm"})
            cases.push_back(
                parse_case(std::string(what) + " " + broken + " f64 nchw 3x2x4 check=zero_sum seed=" + seed));
    cases.push_back(parse_case("layer_norm reference f64 nchw 3x2x4 check=zero_sum"));  // holds
    std::vector<Outcome> outcomes = run_cases(cases, 2, [](auto, auto) {});
    const std::vector<Case> small = shrink_failures(outcomes);
    REQUIRE(small.size() == 2);
    for (std::size_t i = 0; i < outcomes.size(); ++i) CHECK(outcomes[i].smaller.empty() == (i >= 2));
    CHECK(small[0].variant == "layer_norm");
    CHECK(fails_at(small[0], "sum dx"));
    std::vector<Outcome> many;
    for (const char* fault : {"mean_g_missing", "x_hat_term_missing", "var_unbiased", "eps_outside"})
        for (const char* variant : {"layer_norm", "instance_norm", "batch_norm"}) {
            many.push_back(outcomes[0]);
            many.back().test = small[0];
            many.back().test.implementation = planted::with_fault(fault).name(), many.back().test.variant = variant;
        }
    CHECK(shrink_failures(many).size() == 8);
}

namespace {

// It runs its own cases, as a plug-in in another process does.
struct Elsewhere final : Implementation, Runner {
    std::string name() const override { return "elsewhere"; }
    std::string description() const override { return "runs its own cases"; }
    Support available() const override { return {"a test's own"}; }  // in no selection
    Support supports(const Problem&) const override { return {"not here"}; }
    std::unique_ptr<normlab::Plan> plan(const Problem&) const override { throw Error("not here"); }
    Outcome run(const Case& c) const override { return {c, {measured("y", 1, 2, "there")}, ""}; }
    std::string reason_to_skip(const Case& c) const override { return c.variant == "rms_norm" ? "not that" : ""; }
};

}  // namespace

namespace {

// Divides by m - 1: a little off in blocks of several elements, NaN in those of one.
struct LessOne final : Implementation, Runner {
    std::string name() const override { return "less_one"; }
    std::string description() const override { return "runs its own cases"; }
    Support available() const override { return {"a test's own"}; }  // in no selection
    Support supports(const Problem&) const override { return {"not here"}; }
    std::unique_ptr<normlab::Plan> plan(const Problem&) const override { throw Error("not here"); }
    Outcome run(const Case& c) const override {
        const auto m = static_cast<double>(c.problem().block_size());
        return {c, {measured("y", m > 1 ? m / (m - 1) - 1 : std::nan(""), 1e-6)}, ""};
    }
    std::string reason_to_skip(const Case&) const override { return ""; }
};

}  // namespace

TEST_CASE("a finite error stays finite in the smaller case, and one that is NaN may be so") {
    register_implementation(std::make_unique<LessOne>());
    const Case several = parse_case("layer_norm less_one f32 nchw 5x6x3"),
               one = parse_case("layer_norm less_one f32 nchw 5x1x1");
    for (const auto& [c, smaller] : {std::pair(several, 2), {one, 1}}) {
        std::vector<Outcome> outcomes{run_case(c)};
        const std::vector<Case> small = shrink_failures(outcomes);
        REQUIRE(small.size() == 1);
        CHECK(small[0].shape.size() == smaller);
        CHECK(std::isfinite(run_case(small[0]).findings.at(0).error) == (smaller == 2));
    }
}

TEST_CASE("an implementation that is a Runner runs its own cases, and results are in the order of the cases") {
    register_implementation(std::make_unique<Elsewhere>());
    const Case there = parse_case("layer_norm elsewhere f32 nchw 2x3x4"),
               here = parse_case("layer_norm reference f32 nchw 2x3x4");
    CHECK(reason_to_skip(parse_case("rms_norm elsewhere f32 nchw 2x3x4")) == "not that");
    std::size_t last = 0;
    const std::vector<Outcome> outcomes =
        run_cases({there, here, there}, 2, [&](std::size_t done, std::size_t) { last = done; });
    CHECK(last == 3);
    CHECK(outcomes[0].findings.at(0).where == "there");
    CHECK(outcomes[1].test.implementation == "reference");
    CHECK(outcomes[1].findings.size() > 1);
    CHECK(outcomes[2].findings.at(0).where == "there");
}

TEST_CASE("cases by chance are accepted by the library, differ, and are the same from the same seed") {
    std::set<std::string> texts;
    for (std::uint64_t i = 0; i < 300; ++i) {
        Random a(i), b(i);
        const Case c = random_case(a, {});
        CHECK(c.text() == random_case(b, {}).text());
        CHECK(parse_case(c.text()).text() == c.text());
        texts.insert(c.text());
    }
    CHECK(texts.size() == 300);
}

TEST_CASE(
    "hunting finds a fault and its worst case, and the same number of cases is the same for any number of threads") {
    Selection s;
    s.implementations = {planted::with_fault("eps_outside").name()};
    s.checks = {"accuracy"};
    s.dtypes = {DType::f64};
    const auto go_on = [](std::size_t) { return true; };
    const Hunt found = hunt(s, 1, 1, true, 200, go_on);
    CHECK(found.failed > 0);
    CHECK_FALSE(found.doubtful.empty());
    s.implementations = {"reference"};
    const Hunt one = hunt(s, 7, 1, false, 100, go_on), two = hunt(s, 7, 2, false, 100, go_on);
    CHECK(one.cases == 100);
    CHECK(one.failed == 0);
    CHECK(std::pair(one.held, one.skipped) == std::pair(two.held, two.skipped));
    CHECK(one.worst.at(0).test.text() == two.worst.at(0).test.text());
}
