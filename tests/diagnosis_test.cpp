// What a report says before its findings: causes, what separates the cases that fail, and how accurate the rest is.

#include <algorithm>
#include <cmath>

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
    CHECK(text([](const Case& c) { return c.shape.C > 1; }) == "in all 12 cases with C >= 4, in none of 4 others");
    CHECK(text([](const Case& c) { return c.dtype == DType::bf16 && c.shape.S == 1; }).empty());  // two: by chance
    CHECK(text([](const Case& c) { return c.dtype == DType::bf16 && c.shape.C > 1; }) ==
          "in all 6 cases with bf16 and C >= 4, in none of 10 others");
    CHECK_THAT(text([](const Case& c) { return c.layout == Layout::channels_last && c.shape.N != 2; }),
               Contains("nhwc and N >= 3"));
    CHECK(text([](const Case&) { return true; }).empty());
    // an element of another kind: one case that does not fail
    CHECK_THAT(text([&](const Case& c) { return c.layout == Layout::channels_last && &c != &all[6]; }),
               Contains("nhwc"));
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
