// Small inputs with right values by 50-digit arithmetic, each of a kind of fault that another library had: those of
// ../shared/cases that need no option.

#include <algorithm>
#include <filesystem>

#include <nlohmann/json.hpp>

#include "io/json.hpp"
#include "norms/names.hpp"
#include "norms/norm.hpp"
#include "norms/operation.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "verify/truth/inputs.hpp"

using namespace normlab;
using namespace normlab::verify;
namespace fs = std::filesystem;

namespace {

const fs::path cases = fs::path(SHARED_DIR) / "cases" / "handover.json";

nlohmann::json handed_over(std::string_view name) {
    for (const nlohmann::json& c : io::read_json(cases))
        if (c.at("name") == name) return c;
    return {};
}

std::vector<double> numbers(const nlohmann::json& array) {
    std::vector<double> flat;
    for (const nlohmann::json& v : array.flatten()) flat.push_back(v.get<double>());
    return flat;
}

void check_near(const std::vector<double>& got, const std::vector<double>& right, DType dtype) {
    REQUIRE(got.size() == right.size());
    for (std::size_t i = 0; i < got.size(); ++i)
        CHECK(std::abs(got[i] - right[i]) <= 16 * unit_roundoff(dtype) * (1 + std::abs(right[i])));
}

// For our implementations on the host, in f64 and f32, in both layouts.
template <class F>
void for_each_of_ours(Inputs<double> in, F judge) {
    if (in.problem.spec.running != Running::none) in.state = initial_state(in.problem.spec, in.problem.shape.C);
    for (const char* name : {"reference", "cpu"})
        for (const DType dtype : {DType::f64, DType::f32})
            for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
                in.problem.dtype = dtype, in.problem.layout = layout;
                CAPTURE(name, name_of(dtype), name_of(layout));
                judge(run(find_implementation(name), in), dtype);
            }
}

}  // namespace

TEST_CASE("handed over: dgamma of rows that a block of rows leaves over") {
    if (!fs::exists(cases)) NORMLAB_SKIP("../shared/cases is not here");
    const nlohmann::json c = handed_over("rows_left_over");
    Inputs<double> in{{layer_norm(c.at("eps")), {1027, 3, 1}}, {}, {}, {}, {}, {}};
    for (int n = 0; n < 1027; ++n) {
        in.x.insert(in.x.end(), {n % 5 * 1.0, n % 7 * 1.0, 1.0});
        in.dy.insert(in.dy.end(), 3, n >= 1024 ? 1.0 : 0.0);
    }
    for_each_of_ours(in, [&](const Outputs<double>& out, DType dtype) {
        check_near(out.dgamma, numbers(c.at("dgamma")), dtype);
        CHECK(out.dbeta == numbers(c.at("dbeta")));
    });
}

TEST_CASE("handed over: the tail of a long block") {
    if (!fs::exists(cases)) NORMLAB_SKIP("../shared/cases is not here");
    const nlohmann::json c = handed_over("tail_of_a_long_block");
    Inputs<double> in{{batch_norm(c.at("eps")), {2, 1, 2051}}, {}, {}, {}, {}, {}};
    for (int i = 0; i < 2 * 2051; ++i) in.x.push_back(i % 7);
    for_each_of_ours(in, [&](const Outputs<double>& out, DType dtype) {
        check_near(out.saved.mean, {c.at("mean").get<double>()}, dtype);
        check_near(out.saved.var, {c.at("var").get<double>()}, dtype);
        check_near({out.y.end() - 2, out.y.end()}, numbers(c.at("y_last_two")), dtype);
    });
}

TEST_CASE("handed over: gamma changed in place between two calls of a plan") {
    if (!fs::exists(cases)) NORMLAB_SKIP("../shared/cases is not here");
    const nlohmann::json c = handed_over("gamma_changed_in_place");
    for (const char* name : {"reference", "cpu"}) {
        const Problem problem{layer_norm(c.at("eps")), {1, 2, 1}, DType::f64};
        Operation operation(problem, find_implementation(name));
        const SavedMemory saved(operation);
        std::vector<double> x = numbers(c.at("x")), gamma(2), y(2);
        for (const char* call : {"first", "second"}) {
            std::ranges::copy(numbers(c.at(call).at("gamma")), gamma.begin());
            operation.forward({x.data(), DType::f64, problem.shape}, {gamma.data(), nullptr}, {}, saved.view(),
                              {y.data(), DType::f64, problem.shape});
            CAPTURE(name, call);
            CHECK(y == numbers(c.at(call).at("y")));
        }
    }
}

TEST_CASE("handed over: weight norm over another dimension than the first") {
    if (!fs::exists(cases)) NORMLAB_SKIP("../shared/cases is not here");
    const nlohmann::json c = handed_over("weight_norm_dim_1");
    const Inputs<double> in{
        {weight_norm(), {2, 2, 1}}, numbers(c.at("v")), numbers(c.at("dw")), numbers(c.at("g")), {}, {}};
    for_each_of_ours(in, [&](const Outputs<double>& out, DType dtype) {
        check_near(out.y, numbers(c.at("w")), dtype);
        check_near(out.dx, numbers(c.at("dv")), dtype);
        check_near(out.dgamma, numbers(c.at("dg")), dtype);
    });
}

TEST_CASE("handed over: gamma stored less one") {
    if (!fs::exists(cases)) NORMLAB_SKIP("../shared/cases is not here");
    const nlohmann::json c = handed_over("gamma_offset_1");
    Spec spec = rms_norm(c.at("eps"));
    spec.gamma_offset = c.at("gamma_offset");
    for (const auto& [x, y] : {std::pair("x", "y_exact"), {"x2", "y2_exact"}}) {
        const Inputs<double> in{{spec, {1, 2, 1}}, numbers(c.at(x)), {1, -2}, numbers(c.at("w")), {}, {}};
        for_each_of_ours(in, [&](const Outputs<double>& out, DType dtype) {
            check_near(out.y, numbers(c.at(y)), dtype);
            Inputs<double> plain = in;  // the gradient is that of the stored gamma: as without an offset
            plain.problem.spec.gamma_offset = 0, plain.problem.dtype = dtype;
            check_near(out.dgamma, run(find_implementation("reference"), plain).dgamma, dtype);
        });
    }
    Inputs<double> in{{spec, {1, 2, 1}, DType::bf16}, numbers(c.at("x")), {}, numbers(c.at("w")), {}, {}};
    for (const char* name : {"reference", "cpu"})
        CHECK(run(find_implementation(name), in).y == numbers(c.at("y_bf16")));
}

TEST_CASE("handed over: silu behind group norm") {
    if (!fs::exists(cases)) NORMLAB_SKIP("../shared/cases is not here");
    const nlohmann::json c = handed_over("silu_behind_group_norm");
    Spec spec = group_norm(c.at("groups"), c.at("eps"));
    spec.activation = Activation::silu;  // y here is z there
    Inputs<double> in{{spec, {1, 4, 1}},      numbers(c.at("x")),    numbers(c.at("dz")),
                      numbers(c.at("gamma")), numbers(c.at("beta")), {}};
    for (const DType dtype : {DType::f64, DType::f32})
        for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
            in.problem.dtype = dtype, in.problem.layout = layout;
            CAPTURE(name_of(dtype), name_of(layout));
            const Outputs<double> out = run(find_implementation("reference"), in);
            check_near(out.y, numbers(c.at("z")), dtype);
            check_near(out.dx, numbers(c.at("dx")), dtype);
            check_near(out.dgamma, numbers(c.at("dgamma")), dtype);
            check_near(out.dbeta, numbers(c.at("dbeta")), dtype);
        }
}

TEST_CASE("handed over: a residual before rms norm, whose sum has a cotangent of its own") {
    if (!fs::exists(cases)) NORMLAB_SKIP("../shared/cases is not here");
    const nlohmann::json c = handed_over("residual_before_rms_norm");
    for (const Residual residual : {Residual::stored, Residual::wide}) {
        Spec spec = rms_norm(c.at("eps"));
        spec.residual = residual;
        Inputs<double> in{{spec, {1, 3, 1}}, numbers(c.at("x")), numbers(c.at("dy")), numbers(c.at("gamma")), {}, {}};
        in.residual = numbers(c.at("residual")), in.ds = numbers(c.at("ds"));
        for (const DType dtype : {DType::f64, DType::f32}) {
            in.problem.dtype = dtype;
            CAPTURE(name_of(dtype));
            const Outputs<double> out = run(find_implementation("reference"), in);
            CHECK(out.s == numbers(c.at("s")));
            check_near(out.y, numbers(c.at("y")), dtype);
            check_near(out.dx, numbers(c.at("dx")), dtype);
            check_near(out.d_residual, numbers(c.at("dresidual")), dtype);
            check_near(out.dgamma, numbers(c.at("dgamma")), dtype);
        }
    }
}

TEST_CASE("handed over: one element a block gives beta, and no gradient but dbeta, exactly") {
    if (!fs::exists(cases)) NORMLAB_SKIP("../shared/cases is not here");
    const nlohmann::json c = handed_over("one_element");
    Inputs<double> in{{layer_norm(c.at("eps")), {8, 1, 1}},
                      numbers(c.at("x")),
                      numbers(c.at("dy")),
                      numbers(c.at("gamma")),
                      numbers(c.at("beta")),
                      {}};
    in.x = rounded(in.x, DType::f32);
    for_each_of_ours(in, [&](const Outputs<double>& out, DType) {
        CHECK(out.y == numbers(c.at("y")));
        CHECK(out.dx == numbers(c.at("dx")));
        CHECK(out.dgamma == numbers(c.at("dgamma")));
        CHECK(out.dbeta == numbers(c.at("dbeta")));
    });
}
