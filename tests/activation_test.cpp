// What stands behind a norm: the functions, their slopes and limits, in the reference's words and in truth's; and
// plug-ins that do not know of it.

#include "norms/activation.hpp"

#include <cmath>
#include <limits>

#include "norms/names.hpp"
#include "norms/norm.hpp"
#include "norms/operation.hpp"
#include "norms/plugin.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "tests/reads.hpp"
#include "verify/case/case.hpp"
#include "verify/check/check.hpp"
#include "verify/faults/layer.hpp"
#include "verify/truth/activation.hpp"
#include "verify/truth/truth.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity(),
                 no_number = std::numeric_limits<double>::quiet_NaN();
constexpr Activation all[] = {Activation::relu, Activation::silu, Activation::gelu, Activation::gelu_tanh};

}  // namespace

TEST_CASE("activation: values by hand, of 20 digits") {
    const struct {
        Activation by;
        double z, y, slope;
    } table[] = {{Activation::silu, 1, 0.73105857863000487926, 0.927670511871486732},
                 {Activation::silu, -2, -0.23840584404423511188, -0.090784248784895489},
                 {Activation::gelu, 1, 0.84134474606854294859, 1.0833154705876862984},
                 {Activation::gelu, -2, -0.045500263896358414401, -0.0852318010781968967},
                 {Activation::gelu_tanh, 1, 0.84119199060827670478, 1.08296408384578256},
                 {Activation::gelu_tanh, -2, -0.045402305912224981219, -0.0860992566236183816},
                 {Activation::relu, 1, 1, 1},
                 {Activation::relu, -2, 0, 0}};
    for (const auto& [by, z, y, slope] : table) {
        CAPTURE(static_cast<int>(by), z);
        CHECK(activated(by, z) == Approx(y).epsilon(1e-14));
        CHECK(activation_slope(by, z) == Approx(slope).epsilon(1e-13));
        CHECK(truth::activated(by, z).high == Approx(y).epsilon(1e-14));
        CHECK(truth::activation_slope(by, z).high == Approx(slope).epsilon(1e-13));
    }
}

TEST_CASE("activation: limits, NaN and large numbers, in all that computes them") {
    const auto of = [](auto type, Activation by, double z) {
        using T = decltype(type);
        return std::pair(static_cast<double>(activated(by, static_cast<T>(z))),
                         static_cast<double>(activation_slope(by, static_cast<T>(z))));
    };
    for (const Activation by : all)
        for (const double z : {-infinity, -3e38, -1e20, -1000., -100., 100., 1000., 1e20, 3e38, infinity}) {
            CAPTURE(static_cast<int>(by), z);
            const auto in_truth = std::pair(truth::activated(by, z).high, truth::activation_slope(by, z).high);
            for (const auto& [y, slope] : {of(double(), by, z), of(float(), by, z), in_truth}) {
                // float has 2^-24 of z in each of a few steps; -100 exp(-100) is 4e-42, below its normal numbers
                if (z > 0) CHECK((y == z || std::abs(y - z) <= 1e-6 * z));
                else CHECK(std::abs(y) <= 1e-37);
                CHECK(slope == Approx(z > 0 ? 1 : 0).margin(1e-37));
            }
            const auto [of_y, of_slope, steepness] = truth::activation_errors(by, z, 1e300, 0x1p-24);
            CHECK_FALSE(std::isnan(of_y));
            CHECK_FALSE(std::isnan(of_slope));
            CHECK_FALSE(std::isnan(steepness));
        }
    for (const Activation by : all) {
        CHECK(std::isnan(activated(by, no_number)));
        CHECK(std::isnan(activation_slope(by, no_number)));
        CHECK(std::isnan(truth::activated(by, no_number).high));
        CHECK(activation_slope(by, 0.0) == (by == Activation::relu ? 0 : 0.5));
        // of complex numbers the step's derivative is the slope
        for (const double z : {-7.0, -0.3, 0.0, 0.8, 30.0}) {
            const Complex y = activated(by, Complex(z, 1e-200));
            // some steps of 2^-53; of a step of 1e-200 the square is 0, so that nothing is cut off
            CHECK(y.imag() / 1e-200 == Approx(activation_slope(by, z)).margin(1e-15));
        }
    }
}

TEST_CASE("activation: truth has 85 bits or more, by both of its ways") {
    for (const Activation by : all)
        for (const double size : {0.001, 0.5, 1.0, 3.0, 6.0, 9.0, 25.0}) {
            Spec spec = rms_norm(0);
            spec.activation = by;
            // x_hat = 1, z = gamma
            Inputs<double> in{{spec, {1, 2, 1}}, {1, 1}, {1, 3}, {size, -size}, {0.0625, 0}, {}};
            const truth::Result tape = truth::evaluate_by_tape(in), formula = truth::evaluate_by_formula(in);
            for (const std::size_t i : {0, 1}) {
                CAPTURE(static_cast<int>(by), size, i);
                const auto off = [&](const auto& a, const auto& b) {
                    return std::abs(static_cast<double>(Quad(a[i]) - Quad(b[i])));
                };
                CHECK(off(tape.y, formula.y) <= 0x1p-85 * (1 + size));
                CHECK(off(tape.dbeta, formula.dbeta) <= 0x1p-80);
                CHECK(off(tape.dgamma, formula.dgamma) <= 0x1p-80);
            }
        }
}

TEST_CASE("activation: no double backward, and no fold") {
    Spec spec = batch_norm();
    spec.activation = Activation::silu;
    const Operation operation({spec, {3, 2, 2}}, find_implementation("reference"));
    CHECK_THAT(operation.supports_backward_backward().reason, Contains("activation"));
    CHECK_THROWS_WITH(fold(spec, initial_state(spec, 2), {}, DType::f64), Contains("silu"));
    CHECK_THROWS_WITH(parse_activation("silo"), Contains("did you mean silu?"));
    spec.activation = static_cast<Activation>(9);
    CHECK_THROWS_WITH(validate({spec, {3, 2, 2}}), Contains("activation = 9"));
}

TEST_CASE("activation: a check whose statement is about the norm alone declines it") {
    Case c = parse_case("layer_norm reference f32 nchw train 4x6x5 activation=gelu check=accuracy");
    CHECK(c.text().find("activation=gelu") != std::string::npos);
    CHECK(find_check("accuracy").refuses(c).empty());
    for (const char* check : {"zero_sum", "identity", "power_of_two", "taylor", "double_backward"})
        CHECK_THAT(find_check(check).refuses(c), Contains("nothing behind it"));
}

TEST_CASE("activation: a plug-in that does not say it reads it is not asked") {
    Problem asked{layer_norm(), {2, 3, 4}};
    asked.spec.activation = Activation::silu;
    check_that_it_must_read(asked, NORMLAB_READS_EPILOGUE, 4, "epilogue");
}
