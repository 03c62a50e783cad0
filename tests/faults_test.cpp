// The faults of verify/faults: each is one, the layer without is none, and wrong outputs are named by the fault that
// gives them and by no other.

#include <map>
#include <optional>
#include <set>

#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "tests/planted.hpp"
#include "verify/detection/rivals.hpp"
#include "verify/faults/naming.hpp"
#include "verify/faults/table.hpp"
#include "verify/run/plan.hpp"
#include "verify/run/run_cases.hpp"
#include "verify/truth/truth.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

// Case strings, VARIANT to be put in front, on which one fault or another shows.
constexpr const char* shows[] = {
    "f64 nchw train 5x6x3 check=accuracy", "f64 nhwc train 5x6x3 x=tag check=accuracy",
    "f64 nchw eval 5x6x3 sigma=0.003 check=accuracy", "f64 nchw train 5x6x3 sigma=0.003 check=accuracy",
    "f64 nchw train 5x6x3 affine=none check=accuracy", "f64 nchw train 1x6x3 check=accuracy",
    "f64 nchw train 5x1x3 check=accuracy", "f64 nchw train 5x6x1 check=accuracy",
    "f64 nchw train 3x6x43 kappa=1e4 check=accuracy", "f32 nchw train 5x6x3 kappa=1e3 check=accuracy",
    "bf16 nchw train 5x6x3 check=accuracy", "f64 nchw train 4x6x4 x=constant offset=3 check=accuracy",
    "f64 nchw train 5x6x3 state=far check=accuracy", "f64 nchw train 5x6x3 momentum=none check=running_stats",
    "f64 nchw train 5x6x3 running=biased check=running_stats", "f64 nchw train 5x6x3 check=running_stats",
    "f64 nchw train 6x6x3 stat_batch=2 momentum=none check=running_stats",
    "f64 nchw eval 5x6x3 eps=1e-8 sigma=1e-4 check=accuracy", "f32 nchw train 5x6x3 check=contracts",
    "f32 nchw eval 5x6x3 check=contracts", "f32 nchw train 5x6x3 check=repeat",
    "f32 nchw train 5x21x3 check=permutation", "f32 nchw train 3x7x1 check=contracts",
    "f32 nchw train 256x6x3 check=batch_independence", "f32 nchw eval 256x6x3 check=batch_independence",
    "f32 nchw train 5x6x3 check=gradient_masks", "f32 nchw train 5x6x3 check=power_of_two",
    "f32 nchw train 5x6x3 check=subnormals",
    "f32 nchw train 5x6x3 gamma=1e-6,-1e-6,.001,-.01,.1,1 beta=1e6,1e6,1e6,1e6,1e6,1e6",
    "f64 nchw train 5x6x3 check=double_backward", "f64 nchw eval 5x6x3 check=double_backward",
    "f64 nchw train 4x6x3 check=double_identities", "f64 nchw train 5x6x3 state=far check=double_backward",
    "f32 nchw train 5x6x3 check=isolation", "f64 nchw train 5x6x3 momentum=none count=4294967301 check=running_stats",
    "f64 nchw train 5x6x3 count=16777217 check=running_stats", "f64 nchw eval 5x6x3 count=0 check=accuracy",
    "f64 nchw train 4x6x2 eps=0.25 x=alternating sigma=0.5 check=accuracy",
    "f64 nchw train 5x1x3 affine=gamma check=accuracy", "f64 nchw train 1x6x3 asked=dgamma check=combinations",
    "f64 nchw train 5x1x3 in_place=dx check=combinations", "f32 nchw train 4x6x2 check=reuse",
    "f32 nchw eval 4x6x2 check=reuse", "f64 nchw eval 5x6x3 state=zero check=accuracy",
    "f16 nchw train 8x6x2 x=alternating sigma=4e4 check=accuracy",
    "f16 nchw train 5x6x3 sigma=100 dy=large check=accuracy", "f64 nchw train 3x768x1 check=accuracy",
    "f64 nchw train 12x12x1 check=accuracy", "f64 nchw train 6x6x3 stat_batch=1 check=accuracy",
    "f64 nchw train 48x3x1 check=accuracy", "f64 nchw train 70x3x1 asked=dbeta check=combinations",
    "f64 nchw eval 5x6x3 running=none check=accuracy",
    "f64 nchw train 5x6x3 x=constant offset=3 count=3 check=running_stats",
    // of other denominators; refused for the others
    "f64 nchw train 5x6x3 eps=1000 check=accuracy",
    "f64 nchw train 5x6x3 denominator=floor_root eps=1000 check=accuracy", "f64 nchw train 5x6x3 eps=6 check=accuracy",
    "f64 nchw train 1x3x9 denominator=floor_root divisor=one eps=100 check=accuracy",
    "f64 nchw train 5x6x3 gamma_offset=1 check=accuracy", "f32 nchw train 5x6x3 gamma_offset=1 check=accuracy",
    "f64 nchw train 5x6x3 gamma_offset=1 affine=none check=accuracy",
    "f64 nchw train 5x6x3 gamma_offset=1 check=double_backward", "f64 nchw train 5x6x3 activation=silu check=accuracy",
    "f64 nchw train 5x6x3 activation=gelu check=accuracy", "f32 nchw train 5x6x3 activation=silu check=accuracy",
    "f64 nchw train 5x6x3 activation=relu gamma=zero beta=zero check=accuracy",
    "f32 nchw train 5x6x3 activation=relu check=isolation", "f32 nchw train 5x6x3 param_dtype=bf16 check=accuracy",
    "bf16 nchw train 5x6x3 param_dtype=f16 check=accuracy",
    "f32 nchw train 5x6x3 param_dtype=bf16 gamma_offset=1 check=accuracy",
    "f16 nchw train 5x6x3 param_dtype=f16 sigma=100 dy=large check=accuracy",
    "f64 nchw train 5x6x3 residual=stored check=accuracy", "f64 nchw train 5x6x3 residual=stored ds=none",
    "bf16 nchw train 5x6x3 kappa=10 residual=stored check=accuracy",
    "bf16 nchw train 5x6x3 kappa=10 residual=wide check=accuracy",
    "bf16 nchw train 5x6x3 residual=stored residual_dtype=f32 check=accuracy",
    "bf16 nchw train 5x6x3 cast=before check=accuracy", "f16 nchw train 5x6x3 cast=before check=accuracy",
    "f64 nchw train 5x6x7 mask=scattered check=accuracy", "f64 nchw train 5x6x7 mask=poisoned check=accuracy",
    "f64 nchw train 5x6x7 mask=tail check=running_stats", "f64 nchw train 5x6x7 mask=all check=combinations",
    "f64 nchw eval 5x6x7 mask=scattered check=accuracy", "f64 nchw train 4x6x7 mask=scattered check=reuse",
    "bf16 nchw train 5x6x3 output=f32 check=accuracy", "f32 nchw train 5x6x3 output=e4m3 check=accuracy",
    "f32 nchw train 5x6x3 output=e4m3 scale_value=1e-4 check=accuracy",
    "f32 nchw train 5x6x3 output=e4m3 scale=block check=accuracy",
    "f32 nchw train 5x6x3 output=e5m2 scale=channels scale_power_of_two=1 check=accuracy",
    "f32 nchw train 5x6x3 output=e4m3 scale=block gamma=zero beta=zero check=accuracy",
    "f32 nchw train 5x6x3 residual=stored check=contracts", "f32 nchw train 5x6x3 residual=stored check=repeat",
    "f32 nchw train 5x6x3 residual=stored check=gradient_masks", "f32 nchw train 4x6x2 residual=stored check=reuse",
    "f64 nchw train 5x6x3 affine_set=element check=accuracy", "f64 nhwc train 5x6x3 affine_set=element check=accuracy",
    "f64 nchw train 5x6x3 affine_set=sample_channel check=accuracy",
    "f64 nchw train 5x6x3 affine_set=group check=accuracy",
    "f64 nchw train 5x6x3 affine_set=element activation=silu check=isolation",
    "f64 nchw train 4x6x3 affine_set=sample_channel check=double_identities",
    "f32 nchw train 5x6x3 gamma=12,-30,90,45,-120,300 activation=silu check=accuracy",
    "f32 nchw train 5x6x3 gamma=3e36,-3e36,1,3e36,-3e36,3e36 beta=3.4e38,3.4e38,-3.4e38,-3.4e38,-3.4e38,0 "
    "activation=silu check=accuracy",
    "f64 nchw train 5x6x3 strides=stepped check=accuracy", "f64 nhwc train 5x6x3 strides=stepped check=accuracy",
    "f64 nchw train 5x6x3 strides=expanded check=accuracy",
    "f64 nchw train 5x6x3 strides=expanded_samples check=accuracy", "f32 nchw train 5x6x3 strides=sliced check=gaps",
    "f32 nchw train 300x3x2 check=isolation", "f32 nchw train 5x6x3 gamma=zero check=isolation",
    "f64 nchw train 5x6x3 activation=threshold check=accuracy",
    "f32 nchw train 5x6x3 activation=threshold check=accuracy",
    "f64 nchw train 5x6x3 activation=threshold gamma=zero beta=zero tau=beta check=accuracy",
    "f64 nchw train 5x6x3 activation=threshold affine_set=element check=accuracy",
    "f64 nchw train 5x6x7 activation=threshold mask=scattered check=accuracy",
    "f32 nchw train 5x6x3 activation=threshold check=isolation",
    "f32 nchw train 4x6x2 activation=threshold check=reuse",
    // slow ones last: those seen before are not run on them
    "f64 nchw train 67x3x1 check=accuracy", "f64 nchw train 2x3x1367 check=accuracy",
    "f64 nchw train 2x1032x1 check=accuracy", "f32 nchw train 5x3x1024 check=accuracy",
    "f32 nchw train 64x6x256 tile=4x6x4 check=tiled", "f32 nchw train 65541x1x1 check=accuracy",
    "f32 nchw train 50003x3x1 check=accuracy", "f32 nchw train 2x3x3 check=many_calls",
    "f32 nchw train 4111x3x1 check=threads"};

// Settings that go with some variants alone.
std::optional<Case> case_of(const std::string& text) {
    try {
        return parse_case(text);
    } catch (const Error&) {
        return std::nullopt;
    }
}

bool fails(const faults::Fault* fault, const std::string& text) {
    const std::optional<Case> parsed = case_of(text);
    if (!parsed) return false;
    Case c = *parsed;
    if (!is_valid(c) || !find_check(c.check).refuses(c).empty() || (fault && !fault->shows_in(c.problem())))
        return false;
    if (c.spec().groups > 1) c.groups = 3;
    if (fault && (fault->name == "dgamma_last_channel" || fault->name == "gamma_last_channel") && c.shape.C == 1)
        return false;
    try {
        for (const Finding& f : find_check(c.check).run(c, faults::implementation(fault)))
            if (f.verdict == Verdict::fail) return true;
    } catch (const Unsuitable&) {
    } catch (const std::exception&) {
        return true;  // a write beyond an array
    }
    return false;
}

struct Run {
    Inputs<double> in;
    truth::Result truth;
    Bounds bounds;
    Outputs<double> got;
};

Run run_on(const std::string& text, const Implementation& implementation) {
    Run r;
    r.in = draw(parse_case(text));
    r.truth = truth::evaluate(r.in);
    r.bounds = error_bounds(r.in, r.truth, implementation.accumulation(r.in.problem.dtype));
    r.got = run(implementation, r.in);
    return r;
}

std::vector<faults::Match> matches(const std::string& quantity, const Run& r) {
    return faults::Suspects(faults::all_faults(), r.in, r.truth, r.bounds).matches(quantity, r.got);
}

std::set<std::string_view> names(const std::string& quantity, const Run& r) {
    std::set<std::string_view> found;
    for (const faults::Match& f : matches(quantity, r)) found.insert(f.fault->name);
    return found;
}

using Names = std::set<std::string_view>;

}  // namespace

TEST_CASE("faults: at least sixty, each with a name of its own") {
    std::set<std::string_view> seen;
    for (const faults::Fault& f : faults::table) {
        CAPTURE(f.name);
        CHECK(seen.insert(f.name).second);
        CHECK_FALSE(f.description.empty());
        CHECK(faults::Formula{}.*f.number != f.wrong);
    }
    CHECK(seen.size() >= 60);
    CHECK_THROWS_AS(faults::find("eps_outsid"), Error);
}

TEST_CASE("faults: each is seen somewhere, and the layer without one nowhere") {
    std::set<std::string_view> unseen;
    for (std::size_t k = 0; k < faults::count; ++k) unseen.insert(faults::table[k].name);
    for (const char* rest : shows)
        for (const Variant& v : variants) {
            const std::string text = std::string(v.name) + " faulty " + rest;
            CAPTURE(text);
            CHECK_FALSE(fails(nullptr, text));
            for (const faults::Fault& f : faults::table)
                if (unseen.contains(f.name) && fails(&f, text)) unseen.erase(f.name);
        }
    for (const std::string_view name : unseen) FAIL_CHECK(name);
}

TEST_CASE("faults: wrong outputs are named by fit") {
    const auto named = [](std::string_view fault, const std::string& quantity, const std::string& text) {
        CAPTURE(fault, text);
        CHECK(names(quantity, run_on(text, faults::implementation(&faults::find(fault)))) == Names{fault});
    };
    named("eps_outside", "y", "layer_norm faulty f32 nchw train 5x6x3 sigma=0.01");
    named("mean_g_missing", "dx", "batch_norm faulty f32 nchw train 5x6x3");
    named("var_unbiased", "y", "group_norm faulty f64 nchw train 5x6x3 G=3");
    named("x_hat_term_sign", "dx", "rms_norm faulty f32 nhwc train 5x6x3");
    named("dgamma_not_centred", "dgamma", "instance_norm faulty f32 nchw train 5x6x3 kappa=3");
    named("momentum_reversed", "running mean", "batch_norm faulty f32 nchw train 5x6x3");
    named("gamma_by_group", "y", "group_norm faulty bf16 nchw train 5x6x3 G=2");
    named("r_d_from_updated", "y", "batch_renorm faulty f32 nchw train 5x6x3");
}

TEST_CASE("faults: a factor is fitted") {
    Run r = run_on("layer_norm faulty f64 nchw train 5x6x3", faults::implementation(nullptr));
    for (double& v : r.got.dgamma) v *= 1.5;
    const auto found = matches("dgamma", r);
    REQUIRE(found.size() == 1);
    CHECK(found[0].fault->name == "dgamma_scaled");
    CHECK(found[0].times == Approx(50));
}

namespace {

// The notes of accuracy's failing findings, by quantity, of the layer with these formulas.
std::map<std::string, std::string> notes(const std::string& text, const faults::Formula& formula) {
    static int number = 0;
    const Implementation& wrong = planted::with_formula("formula_" + std::to_string(number++), formula);
    std::map<std::string, std::string> found;
    for (const Finding& f : find_check("accuracy").run(parse_case(text), wrong))
        if (f.verdict == Verdict::fail) found[f.quantity] = f.note;
    return found;
}

}  // namespace

TEST_CASE("faults: a fitted factor is said to be one") {
    const auto half = notes("layer_norm faulty f32 nchw train 5x6x3", {.mean_g = 0.5});
    CHECK_THAT(half.at("dx"), Contains("like the fault mean_g_scaled (mean(g) in dx 1 % too large), factor 0.5, to"));
    const auto twice = notes("layer_norm faulty f64 nchw train 5x6x3", {.var = 2});  // y is not linear in it
    CHECK_THAT(twice.at("y"), Contains("like the fault var_scaled (the variance 1 % too large), factor 2, to"));
    const auto none = notes("layer_norm faulty f32 nchw train 5x6x3", {.x_hat = 0, .dbeta = 0});
    for (const char* quantity : {"y", "dbeta"})
        CHECK_THAT(none.at(quantity), Contains("_scaled (") && Contains("), factor 0 (the term is missing), to "));
}

TEST_CASE("faults: of two at once neither is named where both show") {
    const char* text = "layer_norm faulty f32 nchw train 5x6x3";
    // a factor of the variance takes both in, on these inputs
    const auto both = notes(text, {.ddof = 1, .eps_outside = 1});
    CHECK_THAT(both.at("y"), !Contains("the fault"));
    CHECK_THAT(both.at("saved var"), Contains("equals the fault var_unbiased ("));
    CHECK_THAT(notes(text, {.mean_g = 0, .x_hat_term = 1.01}).at("dx"), !Contains("the fault"));
    const auto apart = notes(text, {.x_hat = 1.05, .dbeta = 1.1});  // one a quantity
    CHECK_THAT(apart.at("y"), Contains("like the fault x_hat_scaled (") && Contains("factor 1.05"));
    CHECK_THAT(apart.at("dbeta"), Contains("like the fault dbeta_scaled (") && Contains("factor 1.1"));
}

TEST_CASE("faults: no fault is named where there is none, or none of the table's") {
    for (const char* text : {"layer_norm faulty f32 nchw train 5x6x3", "batch_norm faulty bf16 nhwc train 5x6x3",
                             "batch_renorm faulty f64 nchw train 5x6x3"})
        for (const char* quantity : {"y", "dx", "dgamma", "dbeta", "saved mean", "running mean"}) {
            CAPTURE(text, quantity);
            Run r = run_on(text, faults::implementation(nullptr));
            CHECK(names(quantity, r).empty());
            for (std::vector<double>* v :
                 {&r.got.y, &r.got.dx, &r.got.dgamma, &r.got.dbeta, &r.got.saved.mean, &r.got.state.mean})
                for (std::size_t i = 0; i < v->size(); ++i) (*v)[i] *= i % 3 == 1 ? 1.02 : 1;
            CHECK(names(quantity, r).empty());
        }
}

TEST_CASE("faults: the note of a failing finding says which, and further inputs separate those that agree") {
    const Implementation& wrong = faults::implementation(&faults::find("eps_times_2"));
    Case c = parse_case("layer_norm faulty f32 nchw train 5x6x3 sigma=0.01 check=accuracy");
    std::string note;
    for (const Finding& f : find_check("accuracy").run(c, wrong))
        if (f.quantity == "y") note = f.note;
    CAPTURE(note);
    CHECK(note.find("equals the fault eps_times_2 (eps added twice) to") != std::string::npos);
    CHECK(note.find(", or ") == std::string::npos);
}

TEST_CASE("faults: a fault that fits on one input alone is not named") {
    // the only element is the first one, and all of the last channel
    CHECK_THAT(notes("batch_norm faulty f32 nchw eval 1x1x1", {.first_dx = 1.01}).at("dx"), !Contains("the fault"));
    // dropped where eps is as large as the variance, but not where its square is
    CHECK_THAT(notes("layer_norm faulty f32 nchw train 5x6x3 sigma=0.003", {.eps = 1e-5}).at("y"),
               !Contains("the fault"));
    // a statistic that only its reader gets wrong
    const auto saved = notes("layer_norm faulty f32 nchw train 5x6x3", {.saved_var_ddof = 1});
    CHECK_THAT(saved.at("saved var"), Contains("equals the fault saved_var_unbiased (") && !Contains(", or "));
    CHECK(saved.size() == 1);
}

TEST_CASE("faults: saved doubles are not compared with the roundings of 16-bit data") {
    const Implementation& wrong = faults::implementation(&faults::find("mean_scaled"));
    for (const Finding& f : find_check("accuracy").run(parse_case("layer_norm faulty bf16 nchw train 5x6x3"), wrong)) {
        CAPTURE(f.quantity, f.note);
        CHECK((f.cause.empty() || f.cause.starts_with("mean_scaled (")));
        if (f.quantity == "saved mean") CHECK_FALSE(f.cause.empty());
    }
}

TEST_CASE("faults: the rules of others find nothing in the layer without a fault, and each finds something") {
    for (const faults::Rival& rival : faults::rivals()) {
        CAPTURE(rival.name);
        CHECK_FALSE(faults::finds(rival, nullptr));
        CHECK(faults::finds(rival, &faults::find("mean_g_sign")));
    }
}
