// Tensors that are slices of larger ones, and dy that was expanded and not copied.

#include "norms/names.hpp"
#include "norms/norm.hpp"
#include "norms/operation.hpp"
#include "norms/plugin.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "verify/case/draw.hpp"
#include "verify/check/check.hpp"
#include "verify/faults/layer.hpp"
#include "verify/faults/table.hpp"
#include "verify/run/run_cases.hpp"

using namespace normlab;
using namespace normlab::verify;
using Catch::Matchers::Contains;

namespace {

Case with_strides(std::string_view variant, Strides strides, Layout layout, const Shape& shape) {
    Case c;
    c.variant = variant, c.strides = strides, c.layout = layout, c.shape = shape;
    if (c.spec().groups > 1) c.groups = shape.C % 3 == 0 ? 3 : 1;
    return c;
}

template <class F>
void for_strides(F f) {
    for (int k = 1; k <= last_strides; ++k)
        for (const Layout layout : {Layout::channels_first, Layout::channels_last}) f(static_cast<Strides>(k), layout);
}

void equal(const Outputs<double>& got, const Outputs<double>& expected) {
    CHECK(got.y == expected.y);
    CHECK(got.dx == expected.dx);
    CHECK(got.dgamma == expected.dgamma);
    CHECK(got.dbeta == expected.dbeta);
    CHECK(got.s == expected.s);
    CHECK(got.d_residual == expected.d_residual);
    CHECK(got.ddx == expected.ddx);
    CHECK(got.ddy == expected.ddy);
}

Inputs<double> as_dense(Inputs<double> in) {
    in.problem.gaps = {};
    return in;
}

// Fails with a text, or empty.
std::string refused(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& e) {
        return e.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("strides of a view are what lies between its elements, whatever its shape") {
    const Tensor dense{nullptr, DType::f32, {2, 3, 4}};
    CHECK(dense.dense());
    CHECK(dense.with({}).dense());
    const Tensor sliced = dense.with({.sample = 5, .channel = 2, .position = 1});
    CHECK(sliced.step_position() == 2);
    CHECK(sliced.step_channel() == 9);  // 4 positions take up 7 elements, and 2 are left out
    CHECK(sliced.step_sample() == 30);  // 3 channels take up 25
    CHECK(sliced.span() == 30 + 25);
    CHECK(sliced.gaps() == Gaps{5, 2, 1});
    Tensor by_strides = dense;
    by_strides.sample_stride = 30, by_strides.channel_stride = 9, by_strides.position_stride = 2;
    CHECK(by_strides.gaps() == sliced.gaps());
    Tensor last{nullptr, DType::f32, {2, 3, 4}, Layout::channels_last};
    last.position_stride = 7;
    CHECK(last.step_sample() == 28);
    CHECK(last.with(last.gaps()).step_sample() == 28);
    const Gaps all{expanded, expanded, expanded};
    CHECK(dense.with(all).span() == 1);
    CHECK(dense.with(all).gaps() == all);
    CHECK(dense.with({.channel = expanded}).step_sample() == 4);
    CHECK(Tensor{nullptr, DType::f32, {2, 0, 4}}.dense());
}

TEST_CASE("strided tensors and expanded dy give what dense ones give, to the last bit") {
    std::size_t served = 0;
    for (const Variant& v : variants)
        for (const Shape& shape : {Shape{5, 6, 3}, Shape{3, 66, 1}, Shape{4, 3, 37}})
            for_strides([&](Strides strides, Layout layout) {
                const Case c = with_strides(v.name, strides, layout, shape);
                if (!is_valid(c)) return;
                CAPTURE(c.text());
                const Inputs<double> in = draw(c);
                CHECK_FALSE(in.problem.dense());
                equal(run(find_implementation("reference"), in), run(find_implementation("reference"), as_dense(in)));
                const Implementation& cpu = find_implementation("cpu");
                if (!cpu.supports(as_dense(in).problem)) return;
                served += bool(cpu.supports(in.problem));
                equal(run(cpu, in), run(cpu, as_dense(in)));  // packed, where it has no such strides
            });
    CHECK(served > 40);
}

TEST_CASE("a residual and the double backward have strides too, and a plug-in is told them") {
    for_strides([&](Strides strides, Layout layout) {
        Case c = with_strides("layer_norm", strides, layout, {4, 3, 17});
        const Inputs<double> twice = draw_twice(c);
        c.residual = Residual::stored;
        const Inputs<double> adds = draw(c);
        CAPTURE(c.text());
        const auto wrong = plugin_implementation(faults::plugin_table(&faults::find("gap_written")), {"x.so", ""});
        if (strides == Strides::sliced)
            CHECK_THROWS_WITH(run(*wrong, twice), Contains("bytes between the elements of y were written"));
        for (const Inputs<double>& in : {twice, adds}) {
            equal(run(find_implementation("reference"), in), run(find_implementation("reference"), as_dense(in)));
            const auto plugin = plugin_implementation(faults::plugin_table(nullptr), {"x.so", ""});
            CHECK(plugin->supports(in.problem));
            equal(run(*plugin, in), run(*plugin, as_dense(in)));
        }
    });
}

TEST_CASE("dy of a sum is one number: no copy of it is needed") {
    const Shape shape{4, 3, 5};
    const Spec spec = layer_norm();
    std::vector<double> x(60), y(60), ones(60, 1.0), dx(60), expected(60), dbeta(3), dbeta_expected(3);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<double>(i * i % 17);
    const double one = 1;
    const auto view = [&](std::vector<double>& v) { return Tensor{v.data(), DType::f64, shape}; };
    ConstTensor dy{&one, DType::f64, shape};
    dy.sample_stride = dy.channel_stride = dy.position_stride = expanded;
    for (const char* name : {"reference", "cpu"}) {
        CAPTURE(name);
        const Implementation& implementation = find_implementation(name);
        Saved saved;
        forward(spec, Mode::train, view(x), {}, nullptr, saved, view(y), implementation);
        backward(spec, Mode::train, view(x), view(ones), {}, saved, {view(expected), nullptr, dbeta_expected.data()},
                 implementation);
        backward(spec, Mode::train, view(x), dy, {}, saved, {view(dx), nullptr, dbeta.data()}, implementation);
        CHECK(dx == expected);
        CHECK(dbeta == dbeta_expected);
        CHECK(dbeta == std::vector<double>(3, 20.0));
    }
}

TEST_CASE("views between whose elements other results lie are written element by element") {
    // y and x alternate in one array, and so do dx and dy
    const Shape shape{4, 6, 5};
    const auto plugin = plugin_implementation(faults::plugin_table(nullptr), {"x.so", ""});
    const Implementation* all[] = {&find_implementation("reference"), &find_implementation("cpu"), plugin.get()};
    for (const Implementation* implementation : all)
        for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
            CAPTURE(implementation->name(), name_of(layout));
            std::vector<float> both(240), gradients(240), x(120), y(120), dy(120), dx(120);
            for (std::size_t i = 0; i < 120; ++i)
                both[2 * i] = x[i] = static_cast<float>(i * i % 13),
                         gradients[2 * i] = dy[i] = static_cast<float>(i % 5);
            const auto dense = [&](std::vector<float>& v) { return Tensor{v.data(), DType::f32, shape, layout}; };
            const auto every_other = [&](std::vector<float>& v, std::size_t first) {
                Tensor t{&v[first], DType::f32, shape, layout};
                (layout == Layout::channels_first ? t.position_stride : t.channel_stride) = 2;
                return t;
            };
            const Spec spec = group_norm(3);
            Saved saved;
            forward(spec, Mode::train, dense(x), {}, nullptr, saved, dense(y), *implementation);
            backward(spec, Mode::train, dense(x), dense(dy), {}, saved, {dense(dx)}, *implementation);
            forward(spec, Mode::train, every_other(both, 0), {}, nullptr, saved, every_other(both, 1), *implementation);
            backward(spec, Mode::train, every_other(both, 0), every_other(gradients, 0), {}, saved,
                     {every_other(gradients, 1)}, *implementation);
            for (std::size_t i = 0; i < 120; ++i) {
                CHECK(both[2 * i] == x[i]);
                CHECK(both[2 * i + 1] == y[i]);
                CHECK(gradients[2 * i] == dy[i]);
                CHECK(gradients[2 * i + 1] == dx[i]);
            }
        }
}

TEST_CASE("what is expanded but is not dy, and dx on an expanded dy, are refused before anything is written") {
    const Shape shape{4, 3, 5};
    std::vector<double> x(60, 1), y(60, -7), dx(60, -7);
    const auto view = [&](std::vector<double>& v) { return Tensor{v.data(), DType::f64, shape}; };
    Saved saved;
    forward(layer_norm(), Mode::train, view(x), {}, nullptr, saved, view(y));
    const auto said = [&](const Tensor& of_x, const Tensor& of_y) {
        Saved other;
        return refused([&] { forward(layer_norm(), Mode::train, of_x, {}, nullptr, other, of_y); });
    };
    const auto backward_said = [&](const Tensor& dy, const Tensor& of_dx) {
        return refused([&] { backward(layer_norm(), Mode::train, view(x), dy, {}, saved, {of_dx}); });
    };
    Tensor wide = view(x);
    wide.sample_stride = expanded;
    CHECK(said(wide, view(y)) == "x: expanded along samples; dy alone is accepted so");
    wide.data = dx.data();
    CHECK_THAT(backward_said(view(x), wide), Contains("dx: expanded along samples"));
    CHECK_THAT(
        backward_said(wide, view(dx)),
        Contains("dx lies where dy does, with other strides: dy is expanded; the same view, or memory of its own"));
    wide = view(x);
    wide.channel_stride = 4;
    CHECK(said(wide, view(y)) == "x: channel stride 4; 0, or at least 5, is accepted");
    wide.channel_stride = 0, wide.position_stride = -1;
    CHECK_THAT(said(wide, view(y)), Contains("x: position stride -1; 0, or at least 1"));
    std::vector<double> large(600);
    Tensor in = view(large), out = view(large);
    in.sample_stride = 20, out.sample_stride = 30;
    CHECK_THAT(said(in, out), Contains("y lies where x does, with other strides; the same view"));
    CHECK(dx == std::vector<double>(60, -7));

    Problem p{layer_norm(), shape, DType::f64};
    p.gaps.dy.sample = expanded;
    Operation operation(p, find_implementation("reference"));
    const Tensor dy = p.tensor(dx.data(), p.dtype, p.gaps.dy);
    CHECK_THROWS_WITH(operation.backward(view(x), dy, {}, {}, {view(dx)}), Contains("which is expanded"));
    p.gaps.x.sample = expanded;
    CHECK_THROWS_WITH(validate(p), Contains("x is expanded (stride 0); dy alone may be"));
    p.gaps.x.sample = -2;
    CHECK_THROWS_WITH(validate(p), Contains("-2 elements left out of x; 0 or more is accepted"));
}

TEST_CASE("the cpu kernels have strides between long runs, and cuda says that it has none") {
    const Implementation& cpu = find_implementation("cpu");
    const auto support = [&](const char* variant, Strides strides, Layout layout, const Shape& shape) {
        return cpu.supports(with_strides(variant, strides, layout, shape).problem());
    };
    for (const char* variant : {"layer_norm", "rms_norm", "l2_norm"})
        for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
            CAPTURE(variant, name_of(layout));
            CHECK(support(variant, Strides::samples, layout, {5, 66, 3}));
            CHECK(bool(support(variant, Strides::sliced, layout, {5, 66, 1})) == (layout == Layout::channels_last));
            CHECK(support(variant, Strides::expanded_samples, layout, {5, 66, 3}));
        }
    CHECK(support("batch_norm", Strides::samples, Layout::channels_first, {5, 3, 66}));
    CHECK(support("instance_norm", Strides::sliced, Layout::channels_first, {5, 3, 66}));
    CHECK_THAT(support("layer_norm", Strides::expanded, Layout::channels_first, {5, 66, 3}).reason,
               Contains("between the long runs"));
    CHECK_THAT(support("batch_norm", Strides::samples, Layout::channels_last, {5, 3, 66}).reason,
               Contains("between the long runs"));
    Problem on_device = with_strides("layer_norm", Strides::samples, Layout::channels_first, {2, 3, 4}).problem();
    on_device.device = Device::cuda;
    const std::string reason = find_implementation("cuda").supports(on_device).reason;
    if (reason.find("built without CUDA") == reason.npos) CHECK(reason == "wants dense tensors");
}

TEST_CASE("strides= is a setting of the checks that know it, and goes with what is drawn") {
    for_strides([](Strides strides, Layout layout) {
        Case c = with_strides("layer_norm", strides, layout, {2, 3, 4});
        CHECK(parse_case(c.text()) == c);
        const Inputs<double> in = draw(c);
        const Gaps& dy = in.problem.gaps.dy;
        const auto at = [&](std::size_t n, std::size_t ch, std::size_t s) { return in.dy[(n * 3 + ch) * 4 + s]; };
        CHECK((at(1, 2, 3) == at(0, 2, 3)) == (dy.sample == expanded));
        CHECK((at(1, 2, 3) == at(1, 0, 3)) == (dy.channel == expanded));
        CHECK((at(1, 2, 3) == at(1, 2, 0)) == (dy.position == expanded));
    });
    const auto said = [](const std::string& rest) {
        return refused([&] { parse_case("layer_norm cpu f32 nchw train 2x3x4 " + rest); });
    };
    CHECK_THAT(said("strides=expandet"), Contains("did you mean expanded?"));
    CHECK_THAT(said("strides=sliced check=zero_sum"),
               Contains("strides goes with check=accuracy, gaps or combinations"));
    CHECK_THAT(said("strides=expanded in_place=dx check=combinations"), Contains("in_place=none or y is accepted"));
    CHECK(said("strides=sliced in_place=dx check=combinations") == "accepted");
    CHECK(said("strides=sliced check=dx") == "accepted");
}

TEST_CASE("gaps: what lies between elements is told from what is read and written") {
    const auto fails = [](std::string_view fault, const std::string& rest) {
        const auto plugin =
            plugin_implementation(faults::plugin_table(fault.empty() ? nullptr : &faults::find(fault)), {"x.so", ""});
        std::string failing;
        const Case c = parse_case("layer_norm faulty f32 " + rest + " check=gaps");
        REQUIRE(find_check("gaps").refuses(c).empty());
        for (const Finding& f : find_check("gaps").run(c, *plugin))
            if (f.verdict == Verdict::fail) failing += f.quantity + ";";
        return failing;
    };
    const std::string sliced = "nchw train 5x6x3 strides=sliced";
    CHECK(fails("", sliced).empty());
    CHECK(fails("", "nhwc train 5x6x3 strides=stepped").empty());
    CHECK(fails("", "nchw train 5x6x3 strides=expanded").empty());
    CHECK(fails("gap_written", sliced) == "gaps written;");
    CHECK(fails("gap_in_statistics", sliced) == "gaps read;");
    CHECK(fails("gap_in_dbeta", sliced) == "gaps read;");
    CHECK(fails("channel_stride_ignored", sliced) == "gaps read;");
    CHECK_THAT(fails("y_with_strides_of_x", sliced), Contains("gaps written;"));
    CHECK_THAT(find_check("gaps").refuses(parse_case("layer_norm cpu f32 nchw train 2x3x4")), Contains("dense"));
}

TEST_CASE("a plug-in of an older version, or that does not say it reads them, gets dense copies") {
    const Problem plain{layer_norm(), {2, 3, 4}};
    Problem other = plain;
    other.gaps.x.sample = 3;
    normlab_plugin table = faults::plugin_table(nullptr);
    table.name = "of_today";
    table.reads &= ~NORMLAB_READS_STRIDES;
    const auto silent = plugin_implementation(table, {"x.so", ""});
    CHECK(silent->supports(plain));
    CHECK_THAT(silent->supports(other).reason, Contains("reads strides (normlab_plugin.reads)"));
    const Inputs<double> in = draw(with_strides("layer_norm", Strides::stepped, Layout::channels_last, {4, 3, 5}));
    equal(run(*silent, in), run(*silent, as_dense(in)));
    CHECK_THROWS_AS(Operation(in.problem, *silent), Declined);
    table.version = 1 << 16 | 4;
    CHECK(plugin_implementation(table, {"x.so", ""})->supports(other).reason ==
          "it was built for version 1.4 of norms/plugin.h, which has no strides; 1.5 or later is asked");
}
