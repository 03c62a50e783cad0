// The library as its users call it: views, State, Saved, settings, and what is refused.

#include <limits>

#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "verify/case/draw.hpp"

using namespace normlab;
using Catch::Matchers::Contains;

namespace {

std::vector<double> numbers(std::size_t n, std::uint64_t seed = 1) { return Random(seed).normals(n); }

Tensor view(std::vector<double>& v, Shape shape, Layout layout = Layout::channels_first) {
    return {v.data(), DType::f64, shape, layout};
}

// y of a variant in training, from a fresh State.
std::vector<double> normalized(const Spec& spec, std::vector<double> x, Shape shape,
                               const Implementation& implementation = default_implementation()) {
    State state = initial_state(spec, shape.C);
    Saved saved;
    std::vector<double> y(x.size());
    forward(spec, Mode::train, view(x, shape), {}, &state, saved, view(y, shape), implementation);
    return y;
}

// Those that can run on this machine: what the interface promises holds for each.
std::vector<const Implementation*> runnable() {
    std::vector<const Implementation*> out;
    for (const Implementation* i : implementations())
        if (i->available()) out.push_back(i);
    return out;
}
#define FOR_EACH_IMPLEMENTATION                                                                  \
    const Implementation& implementation = *GENERATE(Catch::Generators::from_range(runnable())); \
    CAPTURE(implementation.name())

}  // namespace

TEST_CASE("the result may overwrite the input, forward and backward") {
    FOR_EACH_IMPLEMENTATION;
    const Shape shape{4, 3, 5};
    for (const Variant& v : variants) {
        Spec spec = v.make();
        if (!implementation.supports({spec, {4, 6, 5}})) continue;
        if (spec.groups != 1) spec.groups = 3;
        std::vector<double> x = numbers(60), dy = numbers(60, 2), y(60), dx(60), in_place = x, gradient = dy;
        State a = initial_state(spec, 3), b = a;
        Saved saved, again;
        forward(spec, Mode::train, view(x, shape), {}, &a, saved, view(y, shape), implementation);
        forward(spec, Mode::train, view(in_place, shape), {}, &b, again, view(in_place, shape), implementation);
        backward(spec, Mode::train, view(x, shape), view(dy, shape), {}, saved, {view(dx, shape)}, implementation);
        backward(spec, Mode::train, view(x, shape), view(gradient, shape), {}, saved, {view(gradient, shape)},
                 implementation);
        CAPTURE(v.name);
        CHECK(in_place == y);
        CHECK(gradient == dx);
    }
}

TEST_CASE("slices with a sample and a position stride give what the dense tensor gives and touch nothing between") {
    FOR_EACH_IMPLEMENTATION;
    const Shape shape{4, 3, 5};
    const std::vector<double> dense = numbers(60);
    for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
        ConstTensor x{nullptr, DType::f64, shape, layout};
        x.sample_stride = layout == Layout::channels_first ? 20 : 50;
        if (layout == Layout::channels_last) x.position_stride = 7;
        std::vector<double> in(300, 99), out(300, -7);
        const auto each = [&](auto act) {
            for (std::int64_t n = 0, i = 0; n < 4; ++n)
                for (std::int64_t c = 0; c < 3; ++c)
                    for (std::int64_t s = 0; s < 5; ++s, ++i)
                        act(static_cast<std::size_t>(x.offset(n, c, s)), static_cast<std::size_t>(i));
        };
        std::vector<double> packed(60), expected(60);
        const ConstTensor tight{nullptr, DType::f64, shape, layout};
        for (std::int64_t n = 0, i = 0; n < 4; ++n)
            for (std::int64_t c = 0; c < 3; ++c)
                for (std::int64_t s = 0; s < 5; ++s, ++i)
                    packed[static_cast<std::size_t>(tight.offset(n, c, s))] = dense[static_cast<std::size_t>(i)];
        State fresh = initial_state(batch_norm(), 3);
        Saved scratch;
        forward(batch_norm(), Mode::train, view(packed, shape, layout), {}, &fresh, scratch,
                view(expected, shape, layout), implementation);
        each([&](std::size_t at, std::size_t i) { in[at] = dense[i]; });
        x.data = in.data();
        Tensor y{out.data(), DType::f64, shape, layout, Device::host, x.sample_stride, x.position_stride};
        State state = initial_state(batch_norm(), 3);
        Saved saved;
        forward(batch_norm(), Mode::train, x, {}, &state, saved, y, implementation);
        std::size_t untouched = 0;
        for (double v : out) untouched += v == -7;
        CHECK(untouched == 240);
        each([&](std::size_t at, std::size_t i) {
            const auto k = static_cast<std::int64_t>(i);
            CHECK(out[at] == expected[static_cast<std::size_t>(tight.offset(k / 15, k / 5 % 3, k % 5))]);
        });
    }
}

TEST_CASE("an empty tensor gives empty results, zero parameter gradients and leaves State alone") {
    FOR_EACH_IMPLEMENTATION;
    for (const Variant& v : variants)
        for (const Shape& shape : {Shape{0, 4, 3}, Shape{2, 4, 0}, Shape{2, 0, 3}}) {
            const Spec spec = v.make();
            if (!implementation.supports({spec, {2, 4, 3}})) continue;
            std::vector<double> none, dgamma(4, 5), dbeta(4, 6);
            State state = initial_state(spec, shape.C);
            const State before = state;
            Saved saved;
            forward(spec, Mode::train, view(none, shape), {}, &state, saved, view(none, shape), implementation);
            backward(spec, Mode::train, view(none, shape), view(none, shape), {}, saved,
                     {view(none, shape), dgamma.data(), dbeta.data()}, implementation);
            CAPTURE(v.name, shape.N, shape.C, shape.S);
            forward(spec, Mode::eval, view(none, shape), {}, &state, saved, view(none, shape), implementation);
            backward(spec, Mode::eval, view(none, shape), view(none, shape), {}, saved,
                     {view(none, shape), dgamma.data(), dbeta.data()}, implementation);
            CHECK(state.count == 0);
            CHECK(state.mean == before.mean);
            if (shape.C == 4) CHECK((dgamma == std::vector<double>(4) && dbeta == std::vector<double>(4)));
        }
}

TEST_CASE("NaN stays in its own block") {
    FOR_EACH_IMPLEMENTATION;
    std::vector<double> x = numbers(60);
    const Shape shape{4, 3, 5};
    const auto clean = normalized(group_norm(3), x, shape, implementation);
    x[17] = std::nan("");  // sample 1, channel 0
    const auto dirty = normalized(group_norm(3), x, shape, implementation);
    for (std::size_t i = 0; i < 60; ++i) CHECK((i / 5 == 3 ? std::isnan(dirty[i]) : dirty[i] == clean[i]));
}

TEST_CASE("a block without variance and eps gives beta and zero gradients instead of NaN") {
    FOR_EACH_IMPLEMENTATION;
    std::vector<double> x(6, 4.0), y(6), dy = numbers(6), dx(6, 1);
    std::vector<double> beta{3};
    const Shape shape{1, 1, 6};
    Saved saved;
    forward(layer_norm(0), Mode::train, view(x, shape), {nullptr, beta.data()}, nullptr, saved, view(y, shape),
            implementation);
    backward(layer_norm(0), Mode::train, view(x, shape), view(dy, shape), {nullptr, beta.data()}, saved,
             {view(dx, shape)}, implementation);
    CHECK(y == std::vector<double>(6, 3.0));
    CHECK(dx == std::vector<double>(6, 0.0));
    x.assign(6, 0);
    forward(weight_norm(), Mode::train, view(x, shape), {}, nullptr, saved, view(y, shape), implementation);
    CHECK(y == std::vector<double>(6, 0.0));
}

TEST_CASE("the error names the value and what is accepted") {
    std::vector<double> x = numbers(60), y(60);
    const Shape shape{4, 3, 5};
    Saved saved;
    State state = initial_state(batch_norm(), 3);
    const auto message = [&](const Spec& spec, const Tensor& in, const Tensor& out, State* s) {
        try {
            forward(spec, Mode::train, in, {}, s, saved, out);
        } catch (const Error& e) {
            return std::string(e.what());
        }
        return std::string("accepted");
    };
    CHECK_THAT(message(batch_norm(), view(x, shape), view(y, {4, 5, 3}), &state),
               Contains("N=4 C=5 S=3") && Contains("N=4 C=3 S=5"));
    CHECK_THAT(message(batch_norm(), view(x, shape), view(y, shape), nullptr), Contains("State is needed"));
    State small = initial_state(batch_norm(), 2);
    CHECK_THAT(message(batch_norm(), view(x, shape), view(y, shape), &small), Contains("2 means") && Contains("C = 3"));
    CHECK_THAT(message(group_norm(2), view(x, shape), view(y, shape), nullptr), Contains("C = 3") && Contains("G = 2"));
    CHECK_THAT(message(layer_norm(std::nan("")), view(x, shape), view(y, shape), nullptr), Contains("eps = nan"));
    CHECK_THAT(message(layer_norm(), view(x, shape), {nullptr, DType::f64, shape}, nullptr), Contains("null data"));
    Tensor squeezed = view(x, shape);
    squeezed.sample_stride = 14;
    CHECK_THAT(message(layer_norm(), squeezed, view(y, shape), nullptr), Contains("14") && Contains("15"));
    Tensor on_gpu = view(x, shape), to_gpu = view(y, shape);
    on_gpu.device = to_gpu.device = Device::cuda;
    CHECK_THAT(message(layer_norm(), on_gpu, to_gpu, nullptr), Contains("cuda"));
    Spec renorm = batch_renorm(0.5);
    State sigma = initial_state(renorm, 3);
    CHECK_THAT(message(renorm, view(x, shape), view(y, shape), &sigma), Contains("r_max = 0.5"));
    CHECK_THROWS_AS(backward(batch_norm(), Mode::train, view(x, shape), view(x, shape), {}, Saved{}, {view(y, shape)}),
                    Error);
    CHECK_THROWS_AS(find_implementation("refrence"), Error);
}

TEST_CASE("a refused call changes nothing") {
    std::vector<double> x = numbers(3), y(3, -7);
    State state = initial_state(batch_norm(), 3);
    Saved saved{{1}, {2}, {3}, {}, {}, {}};
    CHECK_THROWS_AS(forward(batch_norm(), Mode::train, view(x, {1, 3, 1}), {}, &state, saved, view(y, {1, 3, 1})),
                    Error);
    CHECK(y == std::vector<double>(3, -7.0));
    CHECK(state.count == 0);
    CHECK(saved.mean == std::vector<double>{1});
}

TEST_CASE("shapes: activations of any rank, trailing dimensions, weights by dim") {
    CHECK(activation_shape(std::vector<std::int64_t>{2, 3}) == Shape{2, 3, 1});
    CHECK(activation_shape(std::vector<std::int64_t>{2, 3, 4, 5, 6}) == Shape{2, 3, 120});
    CHECK(activation_shape(std::vector<std::int64_t>{2, 4, 5, 3}, Layout::channels_last) == Shape{2, 3, 20});
    CHECK(trailing_shape(std::vector<std::int64_t>{2, 3, 4, 5}, 2) == Shape{6, 20, 1});
    CHECK(weight_shape(std::vector<std::int64_t>{8, 3, 5, 5}, 0) == Shape{1, 8, 75});
    CHECK(weight_shape(std::vector<std::int64_t>{8, 3, 5, 5}, 1) == Shape{8, 3, 25});
    CHECK(weight_shape(std::vector<std::int64_t>{8, 3, 5, 5}, std::nullopt) == Shape{1, 1, 600});
    CHECK_THROWS_AS(activation_shape(std::vector<std::int64_t>{2}), Error);
    CHECK_THROWS_AS(activation_shape(std::vector<std::int64_t>{2, -3}), Error);
    CHECK_THROWS_AS(trailing_shape(std::vector<std::int64_t>{2, 3}, 3), Error);
    CHECK_THROWS_AS(weight_shape(std::vector<std::int64_t>{2, 3}, 2), Error);
}

TEST_CASE("weight norm by dim 1 normalises the other axis, and by none the whole") {
    std::vector<double> v{3, 0, 4, 2};  // [2, 2]
    const std::vector<std::int64_t> dims{2, 2};
    CHECK(normalized(weight_norm(), v, weight_shape(dims, 0))[0] == 1);
    const auto by_column = normalized(weight_norm(), v, weight_shape(dims, 1));
    CHECK(by_column[0] == Approx(0.6));
    CHECK(by_column[2] == Approx(0.8));
    CHECK(normalized(weight_norm(), v, weight_shape(dims, std::nullopt))[2] == Approx(4 / std::sqrt(29.0)));
}

TEST_CASE("data-dependent initialisation leaves pre-activations with mean 0 and variance 1") {
    std::vector<double> t = numbers(80);
    for (std::size_t i = 0; i < t.size(); ++i) t[i] = 5 + 3 * t[i];
    const Shape shape{8, 2, 5};
    const WeightNormInit init = weight_norm_init(view(t, shape));
    for (std::size_t c = 0; c < 2; ++c) {
        double sum = 0, squares = 0;
        for (std::size_t i = 0; i < t.size(); ++i)
            if (i / 5 % 2 == c)
                sum += init.g[c] * t[i] + init.b[c], squares += std::pow(init.g[c] * t[i] + init.b[c], 2);
        CHECK(sum / 40 == Approx(0).margin(1e-14));  // 40 terms of order 10, 2^-53 each
        CHECK(squares / 40 == Approx(1).epsilon(1e-13));
    }
}

TEST_CASE("the schedule of batch renorm is batch norm first and reaches each limit when the paper says") {
    const RenormSchedule schedule;
    Spec spec = batch_renorm();
    const auto at = [&](std::int64_t step) {
        schedule.apply(spec, step);
        return std::pair(spec.r_max, spec.d_max);
    };
    CHECK(at(0) == std::pair(1.0, 0.0));
    CHECK(at(4999) == std::pair(1.0, 0.0));
    CHECK(at(15000) == std::pair(1 + 2 * 10000.0 / 35000, 2.5));
    CHECK(at(25000).second == 5.0);
    CHECK(at(40000) == std::pair(3.0, 5.0));
    CHECK(at(1000000) == std::pair(3.0, 5.0));
}

TEST_CASE("r and d of later slices see the running statistics that earlier slices left") {
    Spec spec = batch_renorm(100, 100);
    spec.stat_batch = 2;
    std::vector<double> x = numbers(8), y(8);
    State state = initial_state(spec, 1);
    Saved saved;
    forward(spec, Mode::train, view(x, {8, 1, 1}), {}, &state, saved, view(y, {8, 1, 1}));
    double mean = 0, sigma = 1;
    for (std::size_t k = 0; k < 4; ++k) {
        const double batch = std::sqrt(saved.var[k] + spec.eps);
        CHECK(saved.r[k] == Approx(batch / sigma).epsilon(1e-14));
        CHECK(saved.d[k] == Approx((saved.mean[k] - mean) / sigma).epsilon(1e-12));
        mean = 0.9 * mean + 0.1 * saved.mean[k];
        sigma = 0.9 * sigma + 0.1 * batch;
    }
    CHECK(state.count == 4);
    CHECK(state.sigma[0] == Approx(sigma));
}

TEST_CASE("recalibrate refuses what has no statistics, and an empty stream") {
    CHECK_THROWS_AS(Population(layer_norm(), 3, Average::paper), Error);
    CHECK_THROWS_AS(recalibrate(batch_norm(), {}, Average::paper), Error);
    CHECK_THROWS_AS(Population(batch_norm(), 3, Average::pooled).state(), Error);
    std::vector<double> x = numbers(8);
    Population population(batch_norm(), 3, Average::paper);
    CHECK_THROWS_AS(population.add(view(x, {4, 2, 1})), Error);
    CHECK_THROWS_AS(fold(layer_norm(), {}, {}, DType::f64), Error);
}

TEST_CASE("an unknown name is answered with the nearest") {
    CHECK_THAT(unknown("variant", "bach_norm", std::vector<std::string_view>{"batch_norm", "layer_norm"}),
               Contains("did you mean batch_norm?"));
    CHECK_THAT(unknown("variant", "qqqqqqqqqqqq", std::vector<std::string_view>{"batch_norm"}),
               !Contains("did you mean"));
}
