// What a report says before its findings: causes, what separates the cases that fail, and how accurate the rest is.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "tests/catch.hpp"
#include "tests/planted.hpp"
#include "verify/report/accuracy_class.hpp"
#include "verify/report/diagnosis.hpp"
#include "verify/report/report.hpp"
#include "verify/report/separate.hpp"
#include "verify/run/explain.hpp"
#include "verify/run/run_cases.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

std::vector<Outcome> run_all(const std::vector<std::string>& rest, const Implementation& implementation) {
    std::vector<Outcome> outcomes;
    for (const std::string& text : rest)
        outcomes.push_back(run_case(parse_case("layer_norm " + std::string(implementation.name()) + " " + text)));
    return outcomes;
}

const std::vector<std::string> cases{"f32 nchw train 5x6x3 check=accuracy", "f32 nhwc train 5x6x3 check=accuracy",
                                     "f32 nchw train 2x16x4 kappa=10 check=accuracy",
                                     "f32 nchw train 5x6x3 check=adjoint", "f32 nchw train 5x6x3 check=xhat_dx"};

}  // namespace

TEST_CASE("separation: the smallest description of what fails") {
    std::vector<Case> all;
    for (const char* dtype : {"f32", "bf16"})
        for (const char* layout : {"nchw", "nhwc"})
            for (const char* shape : {"5x6x3", "5x1x3", "2x7x1", "3x4x8"})
                all.push_back(
                    parse_case(std::string("layer_norm reference ") + dtype + " " + layout + " train " + shape));
    const auto text = [&](auto fails) {
        std::vector<const Case*> failing, passing;
        for (const Case& c : all) (fails(c) ? failing : passing).push_back(&c);
        return separation(failing, passing);
    };
    CHECK(text([](const Case& c) { return c.layout == Layout::channels_last; }) ==
          "in all 8 cases with nhwc, in none of 8 others");
    CHECK(text([](const Case& c) { return c.shape.C > 1; }) == "in all 12 cases with m >= 7, in none of 4 others");
    CHECK(text([](const Case& c) { return c.dtype == DType::bf16 && c.shape.S == 1; }).empty());  // two: by chance
    CHECK(text([](const Case& c) { return c.dtype == DType::bf16 && c.shape.C > 1; }) ==
          "in all 6 cases with bf16 and m >= 7, in none of 10 others");
    // no case with another N that is like one with N != 2: the layout is all that is known
    CHECK(text([](const Case& c) { return c.layout == Layout::channels_last && c.shape.N != 2; }) ==
          "only with nhwc: 6 of 8 such cases");
    CHECK(text([](const Case&) { return true; }).empty());
    // an element of another kind: one case that does not fail
    CHECK_THAT(text([&](const Case& c) { return c.layout == Layout::channels_last && &c != &all[6]; }),
               Contains("nhwc"));
}

TEST_CASE("separation: a case made small refutes what is not needed") {
    std::vector<Case> all;
    for (const char* layout : {"nchw", "nhwc"})
        for (const int N : {3, 15, 64, 300, 496, 512, 1000, 4100})
            all.push_back(parse_case(fmt::format("batch_norm reference f32 {} train {}x3x2 dy=tail", layout, N)));
    std::vector<const Case*> failing, passing;
    for (const Case& c : all) (c.shape.N > 4000 || c.shape.N == 496 ? failing : passing).push_back(&c);
    CHECK(separation(failing, passing) == "only with N >= 496: 4 of 8 such cases");
    const Case small = parse_case("batch_norm reference f32 nchw train 31x1x1");
    CHECK(separation(failing, passing, {&small}).find("N >= ") == std::string::npos);
}

TEST_CASE("separation: remainders, and silence where it could be anything") {
    const auto text = [](const std::vector<std::string>& rest, auto fails) {
        std::vector<Case> all;
        for (const std::string& r : rest) all.push_back(parse_case("batch_norm reference f32 " + r));
        std::vector<const Case*> failing, passing;
        for (const Case& c : all) (fails(c) ? failing : passing).push_back(&c);
        return separation(failing, passing);
    };
    std::vector<std::string> sizes, confounded;
    for (const char* layout : {"nchw", "nhwc"}) {
        for (const int N :
             {5, 15, 31, 64, 257, 511, 512, 513, 519, 527, 1021, 1024, 2047, 2049, 2064, 4093, 4095, 8191})
            sizes.push_back(fmt::format("{} train {}x3x2 dy=tail", layout, N));
        for (const int N : {2, 5, 31}) sizes.push_back(fmt::format("{} train {}x6x3", layout, N));
        for (const int N : {5, 31}) confounded.push_back(fmt::format("{} train {}x3x2", layout, N));
        for (const int N : {1025, 4097, 65539}) confounded.push_back(fmt::format("{} train {}x3x2 count=3", layout, N));
    }
    // a remainder explains what a limit does not
    CHECK(text(sizes, [](const Case& c) { return c.shape.N % 16 == 15 && c.shape.N > 500; }) ==
          "in all 10 cases with N % 16 = 15 and N >= 511, in none of 32 others");
    CHECK(text(sizes, [](const Case& c) { return c.shape.N % 2 == 1; }) ==
          "in all 32 cases with N odd, in none of 10 others");
    CHECK(text(sizes, [](const Case& c) { return c.shape.N > 1000; }) ==
          "in all 16 cases with N >= 1021, in none of 26 others");
    // beyond the limit nothing has another remainder
    std::erase_if(sizes, [](const std::string& s) { return s.find(" 4093x") != s.npos; });
    CHECK(text(sizes, [](const Case& c) { return c.shape.N > 4000; }) ==
          "in all 4 cases with N >= 4095 (where all have N % 64 = 63), in none of 36 others");
    // few of the large ones: neither a limit nor a remainder
    CHECK(text(sizes, [](const Case& c) { return c.shape.N == 512 || c.shape.N == 1021 || c.shape.N == 5; }).empty());
    // every large case has another count too: its size, or its count
    const std::string either = text(confounded, [](const Case& c) { return c.shape.N > 1000; });
    CHECK_THAT(either, !Contains("count"));
    // names of hostile inputs and values that have nothing in common say nothing
    std::vector<std::string> mixed;
    for (const char* x : {"constant", "pairs", "sorted", "normal", "alternating"})
        for (const char* shape : {"5x6x3", "2x7x4"})
            mixed.push_back(
                fmt::format("nchw train {}{}", shape, std::string(x) == "normal" ? "" : fmt::format(" x={}", x)));
    CHECK(text(mixed, [](const Case& c) { return c.x.pattern != "pairs" && c.x.pattern != "sorted"; }).empty());
}

namespace {

// accuracy's finding of dx in a case of this shape, and what came out when it ran again.
Outcome failing_dx(const std::string& rest, const std::vector<double>& alone, bool behind = false) {
    Outcome o{parse_case("layer_norm reference " + rest), {}, ""};
    const auto dx = [](double error) { return std::vector{measured("dx", error, 0.5)}; };
    o.findings = dx(1);
    if (alone.empty()) return o;
    o.again.emplace();
    for (const double error : alone) o.again->alone.push_back(dx(error));
    if (behind) o.again->before = {parse_case("layer_norm reference f32 nchw train 2x2x2")}, o.again->behind = dx(1);
    return o;
}

}  // namespace

TEST_CASE("diagnosis: what holds alone depends on earlier calls, and stands first") {
    std::vector<Outcome> outcomes{failing_dx("f32 nchw train 5x6x3 check=accuracy", {0, 0, 0}, true),
                                  failing_dx("f32 nchw train 5x6x4 check=accuracy", {}),
                                  failing_dx("f32 nchw train 5x6x5 check=xhat_dx", {1})};
    outcomes[0].smaller = "normlab verify --case smaller";
    for (Finding f : {measured("sum x_hat dx", 1, 0), measured("sum x_hat dx, again", 1, 0)})
        f.label = "s", outcomes[2].findings.push_back(f);
    outcomes[2].findings.erase(outcomes[2].findings.begin());
    outcomes[2].again.reset();
    std::vector<Cause> causes = diagnose(outcomes);
    REQUIRE(causes.size() == 3);
    CHECK(causes[0].earlier);
    CHECK(causes[0].title == "depends on earlier calls of the process: dx");
    CHECK(causes[0].findings.size() == 2);
    const std::string text = diagnosis_text(causes, "normlab");
    CHECK_THAT(text, Contains("it holds when its case is run alone, and fails behind layer_norm reference f32 nchw "
                              "train 2x2x2"));
    CHECK_THAT(text, !Contains("smaller"));
    // what reuse finds goes with it, and is the example: its case fails alone
    outcomes.push_back(failing_dx("f32 nchw train 4x6x2 check=reuse", {}));
    outcomes.back().findings[0].quantity = "other plans", outcomes.back().findings[0].bound = 0;
    outcomes[0].again->behind.clear();
    causes = diagnose(outcomes);
    CHECK(causes[0].title == "depends on earlier calls of the process: dx, reuse: other plans");
    CHECK(causes[0].example.outcome->test.check == "reuse");
    outcomes.pop_back();
    causes = diagnose(outcomes);
    CHECK(causes[0].title == "depends on earlier calls of the process, or differs from run to run: dx");
    CHECK_THAT(causes[0].again(), Contains("holds when its case is run alone, 3 of 3 times"));
}

TEST_CASE("diagnosis: what comes out otherwise when run again differs from run to run") {
    const auto said = [](const std::vector<double>& alone) {
        const std::vector<Outcome> outcomes{failing_dx("f32 nchw train 5x6x3 check=accuracy", alone)};
        const std::vector<Cause> causes = diagnose(outcomes);
        REQUIRE(causes.size() == 1);
        CHECK_FALSE(causes[0].earlier);
        return causes[0].again();
    };
    CHECK(said({}).empty());
    CHECK(said({1}).empty());
    CHECK(said({0, 1, 2}) == "differs from run to run: run alone, its case fails 2 of 3 times");
    CHECK(said({3, 1, 2}) == "differs from run to run: run alone, its errors are 3, 1, 2");
    CHECK(said({2, 2, 2}) == "differs from run to run: the error is 2 when its case is run alone");
}

TEST_CASE("diagnosis: findings of other checks go with the fault that accuracy names") {
    std::vector<Outcome> outcomes = run_all(cases, planted::with_fault("var_unbiased"));
    explain_failures(outcomes);
    const std::vector<Cause> causes = diagnose(outcomes);
    REQUIRE(causes.size() == 1);
    CHECK(causes[0].title == "var_unbiased (normalised by the unbiased variance)");
    CHECK(causes[0].named);
    CHECK(causes[0].checks.contains("adjoint"));
    CHECK(causes[0].findings.size() == summarize(outcomes).failed);
    const std::string text = diagnosis_text(causes, "./dev");
    CHECK_THAT(text, Contains("1. planted_var_unbiased: var_unbiased (") && Contains("rerun: ./dev verify --case"));
}

TEST_CASE("diagnosis: two errors are two causes, and nothing is none") {
    std::vector<Outcome> outcomes = run_all(cases, planted::with_formula("diagnosis_two", {.beta = 2, .dgamma = 1.01}));
    explain_failures(outcomes);
    const std::vector<Cause> causes = diagnose(outcomes);
    REQUIRE(causes.size() >= 2);
    CHECK(causes[0].named);
    CHECK(causes[1].named);
    CHECK(std::ranges::any_of(causes, [](const Cause& c) { return c.title.starts_with("beta_twice ("); }));
    CHECK(std::ranges::any_of(causes, [](const Cause& c) { return c.title.starts_with("dgamma_scaled ("); }));
    CHECK(diagnose(run_all(cases, planted::right())).empty());
    CHECK(problems_text({}, "normlab", false).empty());
}

TEST_CASE("diagnosis: what is declined stands in one line with a count") {
    Outcome declined;
    declined.test.variant = "layer_norm", declined.test.implementation = "mine";
    std::vector<Outcome> outcomes;
    for (int k = 0; k < 1000; ++k) {
        declined.skipped = "mine declines: C = " + std::to_string(k);
        outcomes.push_back(declined);
    }
    CHECK(skipped_lines(outcomes) == std::vector<std::string>{"1000 cases of mine: mine declines: C = 0"});
}

TEST_CASE("accuracy class: flat, slope 1 and slope 2, and the decimals that are right") {
    const auto with = [](auto error) {
        AccuracyClass c;
        for (const double kappa : {1., 10., 1e2, 1e3, 1e4}) c.errors[kappa] = error(kappa);
        c.growth = c.errors;
        return c;
    };
    CHECK(AccuracyClass{}.name() == "-");
    const AccuracyClass flat = with([](double) { return 2e-7; });
    CHECK(flat.name() == "flat");
    CHECK(flat.decimals(1e4) == 6);
    CHECK_FALSE(flat.decimals(1e6));
    const AccuracyClass one = with([](double kappa) { return 1e-7 * kappa; });
    CHECK(one.name() == "slope 1");
    CHECK(one.decimals(1e2) == 4);
    CHECK(one.decimals(1e4) == 2);
    const AccuracyClass two = with([](double kappa) { return 1e-7 * kappa * kappa; });
    CHECK(two.name() == "slope 2");
    CHECK(two.decimals(1e4) == 0);
    CHECK(with([](double kappa) { return kappa < 1e4 ? 1e-2 : std::nan(""); }).decimals(1e4) == 0);
}

TEST_CASE("accuracy: a bound larger than the result judges nothing, and is counted as that") {
    const auto not_judged = [](const char* text) {
        std::size_t n = 0;
        for (const Finding& f : run_case(parse_case(text)).findings) {
            n += f.not_judged;
            CHECK(f.verdict == Verdict::pass);
        }
        return n;
    };
    CHECK(not_judged("layer_norm reference f32 nchw train 2x16x4 kappa=1000000 seed=1 check=accuracy") > 0);
    CHECK(not_judged("layer_norm reference f32 nchw train 2x16x4 kappa=100 seed=1 check=accuracy") == 0);
    // terms that cancel: the result is small, its terms are not
    CHECK(not_judged("layer_norm reference f32 nchw train 5x6x3 dy=ones gamma=ones seed=1 check=accuracy") == 0);
    CHECK(not_judged("batch_norm cpu f32 nchw train 5x6x3 dy=x_hat gamma=ones seed=1 check=accuracy") == 0);
    const std::vector<Outcome> outcomes{
        run_case(parse_case("layer_norm reference f32 nchw train 2x16x4 kappa=1000000 seed=1 check=accuracy"))};
    const Summary s = summarize(outcomes);
    CHECK(s.not_judged > 0);
    CHECK(s.held + s.not_judged == outcomes[0].findings.size());
    CHECK(s.good(false));
    CHECK_THAT(findings_text(outcomes), Contains("NOT JUDGED accuracy y") && Contains("the promise allows anything"));
    CHECK_THAT(accuracy_text(outcomes), Contains("not judged: in "));
}
