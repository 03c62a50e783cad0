// The substrate as studies use it: layers by hand, normalization's settings, optimisers, the same bits however it is
// run.

#include <cmath>
#include <cstring>
#include <numeric>
#include <thread>

#include "norms/variants.hpp"
#include "studies/data/digits.hpp"
#include "studies/nn/exponential.hpp"
#include "studies/nn/layers.hpp"
#include "studies/nn/linear.hpp"
#include "studies/nn/norm.hpp"
#include "studies/nn/optimiser.hpp"
#include "studies/nn/score.hpp"
#include "tests/catch.hpp"

using namespace normlab;
using namespace normlab::nn;
using Catch::Matchers::Contains;

namespace {

Array array(const Dims& dims, const std::vector<double>& values, DType dtype = DType::f64) {
    Array a(Device::host, dtype);
    a.resize(dims);
    a.set(values);
    return a;
}

std::vector<double> normals(std::int64_t n, std::uint64_t purpose = 1) {
    const random::Stream stream{11, purpose};
    std::vector<double> v;
    for (std::int64_t i = 0; i < n; ++i) v.push_back(stream.normal(static_cast<std::uint64_t>(i)));
    return v;
}

void check_near(const std::vector<double>& got, const std::vector<double>& expected, double error = 1e-12) {
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
        CAPTURE(i);
        CHECK(std::abs(got[i] - expected[i]) <= error);
    }
}

const Setup f64{.backend = &cpu(), .dtype = DType::f64, .seed = 1};

template <class F>
std::string refusal(F&& f) {
    try {
        f();
    } catch (const Error& e) {
        return e.what();
    }
    return "accepted";
}

struct Trained {
    std::vector<double> parameters;
    const void* memory = nullptr;  // of the first layer's output, after the first step and after the last
    const void* memory_after = nullptr;
};

// A small convolutional net on digits.
Trained train(int threads, const Spec& spec = batch_norm()) {
    const data::Split digits = data::digits({.train = 600, .test = 1});
    Sequential net({.backend = &cpu(), .seed = 5, .threads = threads});
    net.add<Conv>(1, 8);
    net.add<Norm>(8, spec);
    net.add<Relu>();
    net.add<MaxPool>();
    auto& residual = net.add<nn::Residual>();
    residual.branch().add<Conv>(8, 8);
    residual.branch().add<Relu>();
    residual.branch().add<Norm>(8, group_norm(4));
    net.add<Dropout>(0.1);
    net.add<AveragePool>();
    net.add<Dense>(8, 10, LinearOptions{.weight_norm = true});
    Loss loss(cpu(), LossKind::softmax);
    Sgd sgd(cpu(), net.parameters(), constant(0.1), 0.9, 1e-4);
    data::Epochs batches(digits.train.size(), 32, 2);
    data::Batch batch;
    Array x(Device::host, DType::f32), targets(Device::host, DType::f32);
    Trained t;
    for (std::int64_t step = 0; step < 25; ++step) {
        data::gather(digits.train, batches.batch(step), batch);
        load(batch, x, targets);
        loss.run(net.forward(x, {Task::train, step}), targets, net.output_gradient());
        net.backward(x);
        sgd.step(step);
        (step == 0 ? t.memory : t.memory_after) = net.output(0).tensor().data;
    }
    for (Parameter* p : net.parameters()) {
        const auto values = p->value.values();
        t.parameters.insert(t.parameters.end(), values.begin(), values.end());
    }
    return t;
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(double)) == 0;
}

}  // namespace

TEST_CASE("the exponential is right to three units in the last place, and keeps NaN") {
    double worst = 0, worst_f32 = 0;
    for (double x = -700; x < 700; x += 0.1371) worst = std::max(worst, std::abs(exponential(x) / std::exp(x) - 1));
    for (float x = -86; x < 87; x += 0.01371f)
        worst_f32 =
            std::max(worst_f32, std::abs(static_cast<double>(exponential(x)) / std::exp(static_cast<double>(x)) - 1));
    CHECK(worst < 3 * 0x1p-52);
    CHECK(worst_f32 < 3 * 0x1p-23);
    CHECK(std::isnan(exponential(std::nanf(""))));
    CHECK(exponential(-1e30f) < 1e-37f);
    CHECK(exponential(0.0) == 1);
}

TEST_CASE("a 3x3 convolution sums each position's neighbourhood, zero outside, whatever the chunks") {
    Sequential net(f64);
    Conv& conv = net.add<Conv>(2, 3);
    const Dims dims{41, 2, 14, 13};  // 41 * 182 * 18 elements of columns: several chunks
    const std::vector<double> x = normals(dims.size()), w = conv.weight().value.values(), b = normals(3, 2);
    conv.bias()->value.set(b);
    const std::vector<double> y = net.forward(array(dims, x), {Task::train}).values();
    for (std::int64_t p = 0; p < dims.N * 14 * 13; p += 7)
        for (std::int64_t o = 0; o < 3; ++o) {
            const std::int64_t n = p / 182, i = p / 13 % 14, j = p % 13;
            double sum = b[static_cast<std::size_t>(o)];
            for (std::int64_t di = -1; di <= 1; ++di)
                for (std::int64_t dj = -1; dj <= 1; ++dj)
                    for (std::int64_t c = 0; c < 2; ++c)
                        if (i + di >= 0 && i + di < 14 && j + dj >= 0 && j + dj < 13)
                            sum += w[static_cast<std::size_t>(((o * 3 + di + 1) * 3 + dj + 1) * 2 + c)] *
                                   x[static_cast<std::size_t>(((n * 14 + i + di) * 13 + j + dj) * 2 + c)];
            CHECK(std::abs(y[static_cast<std::size_t>(p * 3 + o)] - sum) < 1e-13);  // 19 terms of size 1
        }
}

TEST_CASE("a convolution's gradients of many samples are made of each sample's, whatever the chunks") {
    const Dims dims{41, 2, 14, 13};  // as above
    const std::vector<double> values = normals(dims.size()), above = normals(41 * 182 * 3, 2);
    const auto gradients = [&](std::int64_t first, std::int64_t samples) {
        Sequential net(f64);
        Conv& conv = net.add<Conv>(2, 3);
        const auto part = [&](const std::vector<double>& v, std::int64_t C) {
            return array({samples, C, 14, 13}, {v.begin() + first * 182 * C, v.begin() + (first + samples) * 182 * C});
        };
        const Array x = part(values, 2);
        Array dx(Device::host, DType::f64);
        net.forward(x, {});
        net.backward(x, part(above, 3), &dx);
        return std::pair(conv.weight().gradient.values(), dx.values());
    };
    const auto [dw, dx] = gradients(0, 41);
    std::vector<double> dw_sum(dw.size()), dx_all;
    for (std::int64_t n = 0; n < 41; ++n) {
        const auto [dw_one, dx_one] = gradients(n, 1);
        for (std::size_t i = 0; i < dw.size(); ++i) dw_sum[i] += dw_one[i];
        dx_all.insert(dx_all.end(), dx_one.begin(), dx_one.end());
    }
    // 7462 terms of size 1: 7462^2 roundings of 1.1e-16 at the very most, 7e-9; their square root is what comes, 1e-12
    check_near(dw, dw_sum, 1e-10);
    check_near(dx, dx_all, 1e-13);
}

TEST_CASE("pooling, relu and losses give what can be worked out by hand, and NaN stays") {
    const double nan = std::nan("");
    Sequential pool(f64), relu(f64), mean(f64);
    pool.add<MaxPool>(), relu.add<Relu>(), mean.add<AveragePool>();
    const Array x = array({1, 1, 3, 4}, {1, 2, -3, -4, 5, 0, -1, -2, 9, 9, 9, 9});
    check_near(pool.forward(x, {}).values(), {5, -1});
    check_near(mean.forward(x, {}).values(), {34.0 / 12});
    const auto rectified = relu.forward(array({1, 3}, {-1, 2, nan}), {}).values();
    CHECK((rectified[0] == 0 && rectified[1] == 2 && std::isnan(rectified[2])));
    CHECK(std::isnan(pool.forward(array({1, 1, 2, 2}, {1, nan, 2, 3}), {}).values()[0]));

    Loss softmax(cpu(), LossKind::softmax), squared(cpu(), LossKind::squared);
    Array dx(Device::host, DType::f64);
    const Array logits = array({2, 2}, {0, std::log(3.0), 1000, 0}), targets = array({2, 2}, {0, 1, 1, 0});
    softmax.run(logits, targets, dx);
    check_near(softmax.each(), {std::log(4.0 / 3), 0});
    check_near(dx.values(), {0.125, -0.125, 0, 0});
    squared.run(array({2, 2}, {1, 2, 3, 4}), array({2, 2}, {1, 0, 3, 1}), dx);
    CHECK(squared.value() == Approx((4.0 + 9) / 4));
    check_near(dx.values(), {0, 1, 0, 1.5});
}

TEST_CASE("dropout keeps the mean, drops the same at the same step, and rests in evaluation") {
    Sequential net(f64);
    net.add<Dropout>(0.25);
    const Array x = array({100, 100}, std::vector<double>(10000, 3.0));
    const auto first = net.forward(x, {Task::train, 4}).values(), other = net.forward(x, {Task::train, 5}).values();
    const double mean = std::accumulate(first.begin(), first.end(), 0.0) / 1e4;
    CHECK(std::abs(mean - 3) < 5 * 3 * std::sqrt(0.25 / 0.75) / 100);  // five standard errors
    CHECK(first != other);
    CHECK(net.forward(x, {Task::train, 4}).values() == first);
    CHECK(net.forward(x, {Task::evaluate, 4}).values() == x.values());
}

TEST_CASE("initial weights have the deviation that was asked for, and differ between layers and seeds") {
    const auto weights = [](std::uint64_t seed, Init init, std::size_t layer) {
        Sequential net({.backend = &cpu(), .dtype = DType::f64, .seed = seed});
        net.add<Dense>(200, 200, LinearOptions{.init = init});
        net.add<Dense>(200, 200, LinearOptions{.init = init});
        return net.parameters()[2 * layer]->value.values();
    };
    const auto deviation = [](const std::vector<double>& v) {
        return std::sqrt(std::inner_product(v.begin(), v.end(), v.begin(), 0.0) / static_cast<double>(v.size()));
    };
    // five standard errors
    CHECK(deviation(weights(1, gaussian(0.3), 0)) == Approx(0.3).epsilon(5 / std::sqrt(2 * 40000.0)));
    CHECK(deviation(weights(1, he_normal(2), 0)) == Approx(0.2).epsilon(5 / std::sqrt(2 * 40000.0)));
    CHECK(weights(1, he_normal(), 0) == weights(1, he_normal(), 0));
    CHECK(weights(1, he_normal(), 0) != weights(1, he_normal(), 1));
    CHECK(weights(1, he_normal(), 0) != weights(2, he_normal(), 0));
}

TEST_CASE("optimisers and schedules do their formulas and weight decay is of weights alone") {
    CHECK(constant(0.5).at(999) == 0.5);
    CHECK(step_decay(1, 0.1, 10).at(19) == Approx(0.1));
    CHECK(exponential_decay(1, 0.25, 10).at(5) == Approx(0.5));
    const auto parameter = [](bool decays) {
        Parameter p{"p", array({1, 2}, {1, -2}), array({1, 2}, {0.5, 1}), decays};
        return p;
    };
    Parameter weight = parameter(true), bias = parameter(false);
    Sgd sgd(cpu(), {&weight, &bias}, constant(0.1), 0.5, 0.2);
    sgd.step(0), sgd.step(1);
    // weight: v = 0.5 + 0.2 = 0.7, w = 0.93; v = 0.35 + 0.5 + 0.186 = 1.036, w = 0.8264; and v = 1 - 0.4 = 0.6, w =
    // -2.06; v = 0.3 + 1 - 0.412, w = -2.1488
    check_near(weight.value.values(), {0.8264, -2.1488});
    check_near(bias.value.values(), {1 - 0.05 - 0.075, -2 - 0.1 - 0.15});
    Parameter p = parameter(true);
    Adagrad adagrad(cpu(), {&p}, constant(0.1), 0, 1e-10);
    adagrad.step(0), adagrad.step(1);
    check_near(p.value.values(), {1 - 0.1 - 0.1 / std::sqrt(2.0), -2 - 0.1 - 0.1 / std::sqrt(2.0)}, 1e-9);
    CHECK_THAT(refusal([&] { Sgd(cpu(), {}, constant(-1)).step(3); }), Contains("learning rate -1 at step 3"));
    CHECK_THAT(refusal([&] { Sgd(cpu(), {}, constant(1), 1); }), Contains("momentum 1"));
}

TEST_CASE("weight-normalised layers begin as their plain twins, and with data give mean 0 and variance 1") {
    Sequential plain(f64), normalised(f64);
    plain.add<Conv>(2, 5), normalised.add<Conv>(2, 5, 3, LinearOptions{.weight_norm = true});
    plain.add<Sigmoid>(), normalised.add<Sigmoid>();
    plain.add<Dense>(20, 4), normalised.add<Dense>(20, 4, LinearOptions{.weight_norm = true});
    const Array x = array({30, 2, 2, 2}, normals(240));
    check_near(normalised.forward(x, {}).values(), plain.forward(x, {}).values());
    initialise_weight_norm(normalised, x);
    for (const std::size_t layer : {0, 2}) {
        const auto t = normalised.output(layer).values();
        const std::size_t C = layer == 0 ? 5 : 4;
        for (std::size_t c = 0; c < C; ++c) {
            double sum = 0, squares = 0;
            for (std::size_t i = c; i < t.size(); i += C) sum += t[i], squares += t[i] * t[i];
            CHECK(std::abs(sum) < 1e-10);
            CHECK(squares / static_cast<double>(t.size() / C) == Approx(1).epsilon(1e-10));
        }
    }
    const auto first = normalised.output(2).values();
    check_near(normalised.forward(x, {}).values(), first);  // it lasts
}

TEST_CASE(
    "training gives the same bits for any number of threads, on every run, beside other runs, and takes no new "
    "memory") {
    const Trained one = train(1);
    CHECK(one.memory == one.memory_after);
    CHECK(same_bits(one.parameters, train(1).parameters));
    CHECK(same_bits(one.parameters, train(3).parameters));
    Trained beside, other;
    std::thread first([&] { beside = train(1); }), second([&] { other = train(2, layer_norm()); });
    first.join(), second.join();
    CHECK(same_bits(one.parameters, beside.parameters));
    CHECK(!same_bits(one.parameters, other.parameters));
}

TEST_CASE("a small net learns, with the reference's normalization as with the fast one") {
    const data::Split digits = data::digits({.train = 1000, .test = 200});
    const auto error = [&](const std::string& implementation) {
        Sequential net({.backend = &cpu(), .seed = 5});
        net.add<Dense>(784, 50);
        net.add<Norm>(50, batch_norm(), NormOptions{.implementation = implementation});
        net.add<Sigmoid>();
        net.add<Dense>(50, 10);
        Loss loss(cpu(), LossKind::softmax);
        Sgd sgd(cpu(), net.parameters(), constant(0.1), 0.9);
        data::Epochs batches(digits.train.size(), 50, 2);
        data::Batch batch;
        Array x(Device::host, DType::f32), targets(Device::host, DType::f32);
        for (std::int64_t step = 0; step < 150; ++step) {
            data::gather(digits.train, batches.batch(step), batch);
            load(batch, x, targets);
            loss.run(net.forward(x, {Task::train, step}), targets, net.output_gradient());
            net.backward(x);
            sgd.step(step);
        }
        return evaluate(net, digits.test).error;
    };
    const double fast = error("cpu"), reference = error("reference");
    CHECK(fast < 0.79);  // chance is 0.9, of 200 samples with a standard deviation of 0.021: five below it
    CHECK(std::abs(fast - reference) < 0.1);
}

TEST_CASE("what does not fit is refused by name and value") {
    Sequential net(f64);
    net.add<Dense>(4, 3);
    CHECK_THAT(refusal([&] {
                   net.forward(array({2, 5}, normals(10)), {});
               }),
               Contains("dense 4-3") && Contains("4 are accepted"));
    CHECK_THAT(refusal([&] { net.forward(array({0, 4}, {}), {}); }), Contains("empty batch"));
    CHECK_THAT(refusal([&] { net.forward(array({2, 4}, normals(8), DType::f32), {}); }), Contains("dtype"));
    CHECK_THAT(refusal([&] { net.add<Conv>(1, 1, 5); }), Contains("5 x 5"));
    CHECK_THAT(refusal([&] { net.add<Dropout>(1.0); }), Contains("dropout rate 1"));
    CHECK_THAT(refusal([&] { net.add<Norm>(3, weight_norm()); }), Contains("of weights"));
    CHECK_THAT(refusal([&] { net.add<Norm>(3, batch_norm(), NormOptions{.implementation = "cqu"}); }), Contains("cpu"));
    Sequential residual(f64);
    residual.add<nn::Residual>().branch().add<Conv>(2, 3);
    CHECK_THAT(refusal([&] {
                   residual.forward(array({1, 2, 3, 3}, normals(18)), {});
               }),
               Contains("3 x 3 x 3") && Contains("3 x 3 x 2"));
    Loss loss(cpu(), LossKind::softmax);
    Array dx(Device::host, DType::f64);
    CHECK_THAT(refusal([&] {
                   loss.run(array({2, 3}, normals(6)), array({2, 2}, normals(4)), dx);
               }),
               Contains("targets"));
}
