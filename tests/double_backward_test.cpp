// The double backward as its users call it, and what is said where there is none; wrong ones are named by fit.

#include <cmath>

#include <fmt/format.h>

#include "norms/norm.hpp"
#include "norms/operation.hpp"
#include "norms/plugin.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "tests/planted.hpp"
#include "verify/case/draw.hpp"
#include "verify/check/check.hpp"
#include "verify/faults/layer.hpp"
#include "verify/faults/naming.hpp"
#include "verify/faults/table.hpp"
#include "verify/truth/truth.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

using Numbers = std::vector<double>;

Tensor view(Numbers& v, Shape shape) { return {v.data(), DType::f64, shape}; }

// Of two values of a channel, by batch norm.
struct Two {
    Shape shape{2, 1, 1};
    Spec spec = batch_norm(3.0);
    Numbers x{1, 3}, y{0, 0}, dy{1, 0}, gamma{4}, v{1, 0}, u{0}, w{0};
    Numbers ddx{7, 7}, ddy{7, 7}, ddgamma{7};
    Saved saved;

    void run(Mode mode, const Implementation& implementation = default_implementation()) {
        State state{{2}, {1}, {}, 0};  // as the batch's own
        forward(spec, mode, view(x, shape), {gamma.data(), nullptr}, &state, saved, view(y, shape), implementation);
        again(mode, implementation);
    }
    void again(Mode mode, const Implementation& implementation = default_implementation()) {
        backward_backward(spec, mode, view(x, shape), view(dy, shape), {gamma.data(), nullptr}, saved,
                          {view(v, shape), u.data(), w.data()}, {view(ddx, shape), view(ddy, shape), ddgamma.data()},
                          implementation);
    }
};

// A plug-in's table around the layer of verify/faults.
std::unique_ptr<Implementation> with_table(auto change) {
    normlab_plugin table = faults::plugin_table(nullptr);
    change(table);
    return plugin_implementation(table, {"changed.so", ""});
}

std::string declined(const Implementation& implementation) {
    Two two;
    try {
        two.run(Mode::train, implementation);
    } catch (const Declined& e) {
        CHECK(two.ddx == Numbers{7, 7});
        return e.what();
    }
    return "";
}

}  // namespace

TEST_CASE("double backward: numbers done by hand") {
    // mean 2, var 1, s = 2, x_hat = -1/2, 1/2. g = 4, 0. mean(v) = 1/2, mean(v x_hat) = -1/4: P(v) = 3/8, -3/8
    Two two;
    two.run(Mode::train);
    CHECK(two.ddy == Numbers{0.75, -0.75});  // 4 P / 2
    CHECK(two.ddgamma == Numbers{3.0 / 16});
    // mean(g x_hat) = -1: h = (4 / 4 + 1) / 2, 0 = 1, 0; P(h) as P(v); mean(g P(v)) = 3/4: 3/16 + 1/4 1/2 3/4
    CHECK(two.ddx == Numbers{9.0 / 32, -9.0 / 32});
    two.v = {0, 0}, two.u = {2}, two.w = {10};
    two.again(Mode::train);
    CHECK(two.ddy == Numbers{9, 11});  // u x_hat + w
    CHECK(two.ddgamma == Numbers{0});
    CHECK(two.ddx == Numbers{0.375, -0.375});  // h = 2, 0
    two.run(Mode::eval);
    CHECK(two.ddy == Numbers{9, 11});
    CHECK(two.ddx == Numbers{1, 0});  // rstd dy u
}

TEST_CASE("double backward: absent cotangents are 0, and outputs that are not asked for stay as they are") {
    Two two;
    two.run(Mode::train);
    const Numbers ddx = two.ddx, ddy = two.ddy;
    two.ddx = two.ddy = {7, 7};
    const auto call = [&](Cotangents with, SecondGradients wanted) {
        backward_backward(two.spec, Mode::train, view(two.x, two.shape), view(two.dy, two.shape),
                          {two.gamma.data(), nullptr}, two.saved, with, wanted);
    };
    call({view(two.v, two.shape)}, {view(two.ddx, two.shape)});
    CHECK(two.ddx == ddx);
    CHECK(two.ddy == Numbers{7, 7});
    call({view(two.v, two.shape)}, {{}, view(two.ddy, two.shape)});
    CHECK(two.ddy == ddy);
    call({}, {view(two.ddx, two.shape), view(two.ddy, two.shape), two.ddgamma.data()});
    CHECK(two.ddx == Numbers{0, 0});
    CHECK(two.ddy == Numbers{0, 0});
    CHECK(two.ddgamma == Numbers{0});
}

TEST_CASE("double backward: an empty tensor gives zero ddgamma, strided views what dense ones give") {
    Numbers none, ddgamma{7, 7};
    Saved saved;
    const Shape empty{0, 2, 3};
    backward_backward(layer_norm(), Mode::train, view(none, empty), view(none, empty), {}, saved, {},
                      {view(none, empty), view(none, empty), ddgamma.data()});
    CHECK(ddgamma == Numbers{0, 0});

    const Inputs<double> in = draw_twice({.variant = "layer_norm", .dtype = DType::f64, .shape = {3, 2, 4}});
    const Outputs<double> dense = run(default_implementation(), in);
    constexpr std::int64_t stride = 11;
    std::vector<Numbers> wide(5, Numbers(3 * stride, 7));
    std::vector<Tensor> views;
    for (Numbers& w : wide)
        views.push_back({w.data(), DType::f64, in.problem.shape, Layout::channels_first, Device::host, stride});
    const auto spread = [&](const Numbers& from, Numbers& to) {
        for (std::size_t i = 0; i < from.size(); ++i) to[i / 8 * stride + i % 8] = from[i];
    };
    spread(in.x, wide[0]), spread(in.dy, wide[1]), spread(in.v, wide[2]);
    backward_backward(in.problem.spec, Mode::train, views[0], views[1], {in.gamma.data(), nullptr}, dense.saved,
                      {views[2], in.u.data(), in.w.data()}, {views[3], views[4]});
    Numbers ddx(3 * stride, 7), ddy = ddx;
    spread(dense.ddx, ddx), spread(dense.ddy, ddy);
    CHECK(wide[3] == ddx);
    CHECK(wide[4] == ddy);
}

TEST_CASE("double backward: wrong arguments are named, and nothing is written") {
    Two two;
    two.run(Mode::train);
    two.ddx = {7, 7};
    Numbers three(3);
    const auto call = [&](Cotangents with, const Saved& saved) {
        backward_backward(two.spec, Mode::train, view(two.x, two.shape), view(two.dy, two.shape), {}, saved, with,
                          {view(two.ddx, two.shape)});
    };
    CHECK_THROWS_WITH(call({view(three, {3, 1, 1})}, two.saved), Contains("v is f64 nchw N=3"));
    CHECK_THROWS_WITH(call({}, {}), Contains("Saved holds 0 means"));
    CHECK(two.ddx == Numbers{7, 7});
}

TEST_CASE("double backward: where there is none, the reason") {
    CHECK(declined(find_implementation("cpu")) == "cpu declines double backward: it has no double backward");
    CHECK(declined(*with_table([](normlab_plugin& t) {
              t.version = 1 << 16 | 1, t.size = offsetof(normlab_plugin, backward_backward);
          })) ==
          "faulty declines double backward: its table is of version 1.1 of norms/plugin.h, which has no "
          "backward_backward");
    CHECK(declined(*with_table([](normlab_plugin& t) { t.backward_backward = nullptr; })) ==
          "faulty declines double backward: backward_backward is null in its table");
    const auto by_call = with_table([](normlab_plugin& t) {
        t.backward_backward = [](normlab_plan*, const normlab_backward_backward_args*) -> int {
            return NORMLAB_DECLINED;
        };
        t.last_error = [] { return "not today"; };
    });
    CHECK(declined(*by_call) == "faulty declines double backward: not today");
    const auto failing = with_table([](normlab_plugin& t) {
        t.backward_backward = [](normlab_plan*, const normlab_backward_backward_args*) -> int { return 3; };
        t.last_error = nullptr;
    });
    CHECK_THROWS_WITH(declined(*failing), "faulty: backward_backward failed with 3");
    // the cases of the checks are then skipped, and those of the others are not
    for (const char* check : {"double_backward", "double_derivatives", "double_identities"})
        CHECK_THROWS_AS(find_check(check).run(parse_case("layer_norm faulty f32 nchw train 4x6x3"), *by_call),
                        Declined);
    for (const char* check : {"contracts", "repeat"})
        for (const Finding& f : find_check(check).run(parse_case("layer_norm faulty f32 nchw train 4x6x3"), *by_call)) {
            CAPTURE(f.quantity, f.where);
            CHECK(f.verdict == Verdict::pass);
        }
}

TEST_CASE("double backward: a cotangent of what is absent is not there to be NaN") {
    for (const char* affine : {"gamma", "beta", "none"})
        for (const Finding& f :
             find_check("double_isolation")
                 .run(parse_case(fmt::format("rms_norm reference f64 nchw train 5x6x3 affine={}", affine)),
                      find_implementation("reference"))) {
            CAPTURE(affine, f.quantity, f.where);
            CHECK(f.verdict == Verdict::pass);
        }
}

TEST_CASE("double backward: faults are named by fit, and by nothing else") {
    const auto notes = [](std::string_view fault, const char* text) {
        std::string all;
        for (const Finding& f :
             find_check("double_backward")
                 .run(parse_case(text), faults::implementation(fault.empty() ? nullptr : &faults::find(fault))))
            if (f.verdict == Verdict::fail) all += f.quantity + ": " + f.note + "\n";
        return all;
    };
    const char *train = "layer_norm faulty f32 nchw train 5x6x3", *eval = "batch_norm faulty f64 nhwc eval 5x6x3";
    CHECK(notes("", train) == "");
    CHECK(notes("", eval) == "");
    for (const char* fault : {"ddx_scaled",
                              "ddy_scaled",
                              "ddgamma_scaled",
                              "mean_v_scaled",
                              "along_v_scaled",
                              "ddx_mean_term_missing",
                              "ddx_x_hat_term_scaled",
                              "ddx_rstd_term_missing",
                              "ddx_rstd_term_scaled",
                              "ddx_rstd_term_not_centred",
                              "ddx_g_product_missing",
                              "ddx_v_product_missing",
                              "u_forgotten_in_ddy",
                              "u_forgotten_in_ddx",
                              "w_forgotten_in_ddy",
                              "ddgamma_not_projected",
                              "gamma_forgotten_in_ddy",
                              "ddgamma_by_gamma",
                              "second_means_over_m_minus_1",
                              "own_as_given_in_second",
                              "ddgamma_last_sample"}) {
        CAPTURE(fault);
        CHECK_THAT(notes(fault, train),
                   Contains("equals the fault " + std::string(fault) + " (") && !Contains(", or "));
    }
    CHECK_THAT(notes("given_as_own_in_second", eval), Contains("equals the fault given_as_own_in_second ("));
    for (const char* fault : {"r_forgotten_in_second", "d_forgotten_in_ddy"})
        CHECK_THAT(notes(fault, "batch_renorm faulty f64 nchw train 5x6x3 state=far"),
                   Contains("equals the fault " + std::string(fault) + " ("));
}
