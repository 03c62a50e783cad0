#include <map>
#include <set>

#include "tests/catch.hpp"
#include "verify/case/patterns.hpp"
#include "verify/case/settings.hpp"
#include "verify/run/generate.hpp"
#include "verify/run/plan.hpp"
#include "verify/run/run_cases.hpp"
#include "verify/run/shrink.hpp"

using namespace normlab;
using namespace normlab::verify;

namespace {

// Whatever the case has: a field without a row in verify/case/settings.cpp is lost on the way.
bool survives(Case c) {
    c.name = {};
    return parse_case(c.text()) == c;
}

}  // namespace

TEST_CASE("the string of every planned case parses back to the same case") {
    std::size_t n = 0;
    for (const Case& c : plan({}, sanitized ? Tier::smoke : Tier::ci)) {
        if (!survives(c)) FAIL(c.text());
        ++n;
    }
    CHECK(n > 1000);
}

TEST_CASE("a case string without a mode is training, and settings may come in any order") {
    const Case c = parse_case("group_norm reference f32 nchw 2x6x5 seed=71 G=3 check=dx");
    CHECK(c.mode == Mode::train);
    CHECK(c.shape == Shape{2, 6, 5});
    CHECK(c.groups == 3);
    CHECK(find_check(c.check).name == "accuracy");
    CHECK(parse_case("batch_norm reference f32 nchw 4x3").shape == Shape{4, 3, 1});
    CHECK(parse_case("batch_norm reference f32 nchw 4x3x5x6").shape == Shape{4, 3, 30});
}

TEST_CASE("a wrong case string is refused by the word that is wrong") {
    const auto message = [](const std::string& text) {
        try {
            run_case(parse_case(text));
        } catch (const Error& e) {
            return std::string(e.what());
        }
        return std::string("accepted");
    };
    using Catch::Matchers::Contains;
    CHECK_THAT(message("batchnorm reference f32 nchw 2x3x4"),
               Contains("batchnorm") && Contains("did you mean batch_norm?"));
    CHECK_THAT(message("batch_norm refrence f32 nchw 2x3x4"), Contains("did you mean reference?"));
    CHECK_THAT(message("batch_norm reference f31 nchw 2x3x4"), Contains("f31") && Contains("f32"));
    CHECK_THAT(message("batch_norm reference f32 ncwh 2x3x4"), Contains("ncwh"));
    CHECK_THAT(message("batch_norm reference f32 nchw trian 2x3x4"), Contains("did you mean train?"));
    CHECK_THAT(message("batch_norm reference f32 nchw 2x3xx4"), Contains("2x3xx4"));
    CHECK_THAT(message("batch_norm reference f32 nchw 99999999999x99999999999x4"), Contains("99999999999"));
    CHECK_THAT(message("batch_norm reference f32 nchw"), Contains("shape"));
    CHECK_THAT(message("batch_norm reference f32 nchw 2x3x4 epsilon=1"), Contains("epsilon") && Contains("eps"));
    CHECK_THAT(message("batch_norm reference f32 nchw 2x3x4 eps=tiny"), Contains("tiny"));
    CHECK_THAT(message("batch_norm reference f32 nchw 2x3x4 eps=-1"), Contains("eps = -1"));
    CHECK_THAT(message("batch_norm reference f32 nchw 2x3x4 eps=nan"), Contains("nan"));
    CHECK_THAT(message("batch_norm reference f32 nchw 2x3x4 momentum=1.5"), Contains("1.5"));
    CHECK_THAT(message("batch_norm reference f32 nchw 2x3x4 check=acuracy"), Contains("did you mean accuracy?"));
    CHECK_THAT(message("group_norm reference f32 nchw 2x6x4 G=4"), Contains("C = 6") && Contains("G = 4"));
    CHECK_THAT(message("batch_norm reference f32 nchw 1x3x1"), Contains("one value a channel"));
    CHECK_THAT(message("batch_norm reference f32 nchw 6x3x1 stat_batch=1"), Contains("one value a channel"));
    CHECK_THAT(message("instance_norm reference f32 nchw 5x3x1"), Contains("one value a channel"));
    CHECK_THAT(message("batch_norm reference f32 nchw 6x3x1 stat_batch=4"), Contains("stat_batch = 4"));
    CHECK_THAT(message("layer_norm reference f32 nchw 6x3x1 running=unbiased"), Contains("running statistics"));
    const std::string calls = "batch_norm reference f32 nchw 6x3x1 check=sequence steps=";
    CHECK_THAT(message(calls + "train,freeze"), Contains("'freeze'") && Contains("frozen"));
    CHECK_THAT(message(calls + "train,momentum:2"), Contains("momentum:2") && Contains("from 0 to 1"));
    CHECK_THAT(message(calls + "eval:2"), Contains("eval:2") && Contains("momentum alone"));
    CHECK_THAT(message("batch_norm reference f32 nchw 6x3x1 steps=train"), Contains("check=sequence"));
    CHECK(parse_case(calls + "train,momentum:none,eval,momentum").steps.size() == 4);
}

TEST_CASE("the same selection plans the same cases, and a filtered one a subset") {
    Selection one;
    one.variants = {"layer_norm"};
    one.checks = {"zero_sum"};
    one.dtypes = {DType::f32};
    const auto cases = plan(one, Tier::smoke);
    REQUIRE_FALSE(cases.empty());
    for (const Case& c : cases) CHECK((c.variant == "layer_norm" && c.check == "zero_sum" && c.dtype == DType::f32));
    CHECK_THROWS_AS(plan({.variants = {"nope"}}, Tier::smoke), Error);
}

TEST_CASE("results do not depend on the number of threads") {
    Selection s;
    s.checks = {"accuracy"};
    s.variants = {"batch_renorm"};
    const auto cases = plan(s, Tier::smoke);
    const auto one = run_cases(cases, 1, [](auto, auto) {}), four = run_cases(cases, 4, [](auto, auto) {});
    for (std::size_t i = 0; i < cases.size(); ++i)
        for (std::size_t k = 0; k < one[i].findings.size(); ++k)
            CHECK(one[i].findings[k].error == four[i].findings[k].error);
}

TEST_CASE("a run that is stopped has the outcomes of the cases that ran, in order, with the time each took") {
    const auto cases =
        plan({.variants = {"layer_norm"}, .implementations = {"reference"}, .checks = {"zero_sum"}}, Tier::smoke);
    REQUIRE(cases.size() > 3);
    std::size_t told = 0, asked = 0;
    const auto some = run_cases(
        cases, 1, [&](std::size_t done, std::size_t) { told = done; }, [&](const Outcome&) { return ++asked == 3; });
    REQUIRE(some.size() == 3);
    CHECK((told == 2 && asked == 3));
    for (std::size_t i = 0; i < some.size(); ++i) {
        CHECK(some[i].test.text() == cases[i].text());
        CHECK(some[i].seconds > 0);
    }
}

TEST_CASE("every setting of a case is written, read, drawn by chance and simplified") {
    std::set<std::string_view> keys;
    for (const Setting& s : settings()) {
        INFO(s.key);
        CHECK(keys.insert(s.key).second);
        CHECK((s.draw != nullptr) == (s.part != Part::fixed));
        CHECK((s.simplified > 0 || s.part == Part::size || s.part == Part::fixed));
        CHECK(s.text(Case()).empty() == (s.key != "seed" && s.key != "check"));
    }
    std::map<std::string_view, std::set<std::string>> drawn, changed;
    Random random(1);
    for (int i = 0; i < 6000; ++i) {
        const Case c = random_case(random, {}), m = mutated(c, random);
        REQUIRE(survives(c));
        REQUIRE(survives(m));
        for (const Setting& s : settings()) {
            drawn[s.key].insert(s.text(c));
            if (s.text(m) != s.text(c)) changed[s.key].insert(s.text(m));
        }
    }
    for (const Setting& s : settings()) {
        INFO(s.key);
        if (s.part == Part::fixed) continue;
        CHECK(drawn[s.key].size() > 1);
        CHECK((changed[s.key].size() > 1 || s.part == Part::size));
    }
    const Case far = parse_case(
        "batch_renorm reference f32 nhwc eval 4x6x5 eps=0.5 r_max=2 d_max=1 momentum=0.5 running=biased stat_batch=2 "
        "affine=gamma state=far x=grid "
        "dy=ones gamma=negative beta=zero offset=3 kappa=90 sigma=2 seed=7 check=accuracy");
    CHECK(shrunk(far, [](const Case&) { return true; }).text() ==
          "batch_renorm reference f32 nchw eval 1x1x1 affine=none x=0 dy=0 seed=1 check=accuracy");
}

TEST_CASE("every pattern fills its array otherwise than the normal one") {
    const auto differ = [](std::string_view key, std::span<const std::string_view> names, auto array) {
        std::set<std::vector<double>> seen;
        for (std::string_view name : names)
            seen.insert(array(
                draw(parse_case("layer_norm reference f32 nchw 2x3x4 " + std::string(key) + "=" + std::string(name)))));
        CHECK(seen.size() == names.size());
    };
    differ("x", x_patterns, [](const Inputs<double>& in) { return in.x; });
    differ("dy", dy_patterns, [](const Inputs<double>& in) { return in.dy; });
    differ("gamma", gamma_patterns, [](const Inputs<double>& in) { return in.gamma; });
    differ("beta", beta_patterns, [](const Inputs<double>& in) { return in.beta; });
}

// The draws are part of what a case string means. Whoever changes them on purpose writes these bits anew and says so in
// the commit: measured errors move, and users' baselines are due. They are formed by +, -, *, / and sqrt alone, so that
// no compiler and no C library changes them.
TEST_CASE("the numbers of a case are these, to the bit") {
    const auto bits = [](const char* text) {
        const Inputs<double> in = draw(parse_case(text));
        std::vector<double> seen{in.x[5], in.dy[7], in.gamma[1], in.beta[1]};
        if (!in.state.mean.empty()) seen.insert(seen.end(), {in.state.mean[0], in.state.sigma[0]});
        return seen;
    };
    CHECK(bits("layer_norm reference f64 nchw 2x3x4 kappa=1000 sigma=0.01 seed=7") ==
          std::vector{0x1.404db0f672cfep+3, 0x1.fbde4490a8e8ep+0, 0x1.baf033d04671ap-1, 0x1.4601367e5c3dep+0});
    CHECK(bits("batch_renorm reference f64 nchw 3x2x2 state=near seed=8") ==
          std::vector{0x1.ade887ac11d73p+0, 0x1.c9e7cb8fd9754p+0, -0x1.34ef4f2a025c2p-1, 0x1.6d9d7386d5ef7p-1,
                      0x1.ed2e2188bebffp+0, 0x1.46e92a72066d2p+0});
    CHECK(bits("batch_renorm reference f64 nchw 3x2x2 state=at r_max=1.5 seed=8") ==
          std::vector{0x1.ade887ac11d73p+0, 0x1.c9e7cb8fd9754p+0, -0x1.34ef4f2a025c2p-1, 0x1.6d9d7386d5ef7p-1,
                      -0x1.eda32f628c55bp+0, 0x1.132f776b7e445p-1});
    CHECK(bits("rms_norm reference f32 nchw 2x3x4 x=edges seed=9") ==
          std::vector{0x1p-128, 0x1.a6d34ap-1, 0x1.580f28p-1, 0x1.8e3a6ap-2});
    CHECK(bits("layer_norm reference f64 nchw 2x3x4 x=sorted dy=y seed=10") ==
          std::vector{-0x1.8cee67d6ef4dbp-2, 0x1.f1db8c036b847p+0, 0x1.a3785e223f77ep-1, 0x1.93e38629985f5p+0});
}
