// What else x - mean is divided by: l2 norm, weight standardization, filter response norm; and plug-ins that do not
// know of it.

#include <cmath>
#include <cstddef>

#include "norms/norm.hpp"
#include "norms/plugin.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "verify/case/case.hpp"
#include "verify/check/check.hpp"
#include "verify/faults/layer.hpp"
#include "verify/truth/inputs.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

const Implementation& implementation(const char* name) { return find_implementation(name); }

void near(const std::vector<double>& got, const std::vector<double>& right) {
    REQUIRE(got.size() == right.size());
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i] == Approx(right[i]).margin(1e-15));
}

// y and dx of one row, with dy = (1, 2).
Outputs<double> row(const char* name, const Spec& spec, std::vector<double> x) {
    const auto C = static_cast<std::int64_t>(x.size());
    Inputs<double> in{{spec, {1, C, 1}}, std::move(x), {1, 2}, {}, {}, {}};
    if (is_weights(spec)) in.problem.shape = {1, 1, C};
    return run(implementation(name), in);
}

}  // namespace

TEST_CASE("l2 norm: a length, and below its floor a constant") {
    for (const char* name : {"reference", "cpu"}) {
        CAPTURE(name);
        const Outputs<double> above = row(name, l2_norm(), {3, 4});
        near(above.y, {0.6, 0.8});
        near(above.dx, {(1 - 0.6 * 2.2) / 5, (2 - 0.8 * 2.2) / 5});
        for (const Spec& spec : {l2_norm(10), l2_norm(100, Denominator::floor_root)}) {
            const Outputs<double> below = row(name, spec, {3, 4});
            near(below.y, {0.3, 0.4});
            near(below.dx, {0.1, 0.2});
            CHECK(below.saved.var[0] == 25);
        }
        const Outputs<double> at = row(name, l2_norm(5), {3, 4});  // there it is a length still
        near(at.y, {0.6, 0.8});
        near(at.dx, above.dx);
        const Outputs<double> zero = row(name, l2_norm(0), {0, 0});
        near(zero.y, {0, 0}), near(zero.dx, {0, 0});
        near(row(name, l2_norm(2), {0, 0}).dx, {0.5, 1});
    }
}

TEST_CASE("weight standardization: three forms, and equal weights") {
    // of (1, 5): mean 3, sum of squares 8
    for (const char* name : {"reference", "cpu"}) {
        CAPTURE(name);
        near(row(name, weight_standardization(Standardization::added, 0.5), {1, 5}).y,
             {-2 / (std::sqrt(8.0) + 0.5), 2 / (std::sqrt(8.0) + 0.5)});
        near(row(name, weight_standardization(Standardization::inside, 5), {1, 5}).y, {-2.0 / 3, 2.0 / 3});
        near(row(name, weight_standardization(Standardization::scaled, 1), {1, 5}).y,
             {-2 / std::sqrt(8.0), 2 / std::sqrt(8.0)});
        const Outputs<double> below = row(name, weight_standardization(Standardization::scaled, 16), {1, 5});
        near(below.y, {-0.5, 0.5});
        near(below.dx, {-0.125, 0.125});
        const Outputs<double> equal = row(name, weight_standardization(Standardization::added, 0.5), {3, 3});
        near(equal.y, {0, 0});
        near(equal.dx, {-1, 1});
    }
}

TEST_CASE("what has no result is refused") {
    CHECK_THROWS_WITH(validate({weight_standardization(), {1, 3, 1}}), Contains("no unbiased variance"));
    CHECK_NOTHROW(validate({weight_standardization(Standardization::inside), {1, 3, 1}}));
    Spec spec = batch_norm();
    spec.denominator = Denominator::floor;
    CHECK_THROWS_WITH(validate({spec, {4, 3, 2}}), Contains("denominator root"));
}

TEST_CASE("a case's string says the denominator and the divisor, of variants that have them") {
    const char* text =
        "weight_standardization cpu f32 nchw train 1x3x9 eps=0.0001 denominator=floor_root divisor=one seed=1 "
        "check=accuracy";
    CHECK(parse_case(text).text() == text);
    CHECK(parse_case(text).spec().divisor == Divisor::one);
    CHECK_THROWS_WITH(parse_case("l2_norm cpu f32 nchw 2x3x4 denominator=flor"), Contains("did you mean floor?"));
    CHECK_THROWS_WITH(parse_case("layer_norm cpu f32 nchw 2x3x4 denominator=floor"), Contains("l2_norm"));
    std::vector<Case> forms;
    add_forms(forms, parse_case("l2_norm cpu f32 nchw 2x3x4"));
    CHECK(forms.size() == 3);
}

TEST_CASE("a plug-in of an older version, or that does not say it reads them, is not asked for denominators") {
    const Problem plain{layer_norm(), {2, 3, 4}}, floor{l2_norm(), {2, 3, 4}};
    normlab_plugin table = faults::plugin_table(nullptr);
    table.name = "of_today";
    CHECK(plugin_implementation(table, {"x.so", ""})->supports(floor));
    table.reads = 0;
    const auto silent = plugin_implementation(table, {"x.so", ""});
    CHECK(silent->supports(plain));
    Problem offset = plain;
    offset.spec.gamma_offset = 1;
    CHECK_THAT(silent->supports(offset).reason, Contains("gamma_offset"));
    CHECK_THAT(silent->supports(floor).reason, Contains("reads denominator and divisor (normlab_plugin.reads)"));
    table.reads = NORMLAB_READS_DENOMINATOR;  // beyond the end of a table of 1.1
    table.size = offsetof(normlab_plugin, reads);
    table.version = 1 << 16 | 1;
    const auto older = plugin_implementation(table, {"x.so", ""});
    CHECK(older->supports(plain));
    CHECK(older->supports(floor).reason ==
          "it was built for version 1.1 of norms/plugin.h, which has no "
          "denominator and divisor; 1.3 or later is asked");
}
