// Every gradient of the substrate, by its inputs and its parameters, judged by verify/check/gradient.hpp in f64; and
// the same with faults planted.

#include <algorithm>
#include <functional>

#include "norms/variants.hpp"
#include "studies/nn/layers.hpp"
#include "studies/nn/linear.hpp"
#include "studies/nn/loss.hpp"
#include "studies/nn/norm.hpp"
#include "studies/nn/sequential.hpp"
#include "tests/catch.hpp"
#include "verify/case/draw.hpp"
#include "verify/check/gradient.hpp"

using namespace normlab;
using namespace normlab::nn;
using verify::Verdict;

namespace {

struct Setting {
    Dims dims;
    Pass pass = {};
    double step = 0.25;
    double spread = 1;   // of x
    bool apart = false;  // x without two elements nearer than 1.5 steps to each other, or to 0
    std::function<void(Sequential&)> before = [](Sequential&) {};  // every forward
};

// What verify says of dx and every parameter's gradient, phi = sum dy y.
std::vector<verify::Finding> judged(Sequential& net, const Setting& s) {
    Random random(7);
    const auto normals = [&](std::int64_t n) { return random.normals(static_cast<std::size_t>(n)); };
    Array x(Device::host, DType::f64), dx(Device::host, DType::f64), dy(Device::host, DType::f64);
    x.resize(s.dims);
    std::vector<double> values = normals(s.dims.size());
    for (double& v : values) v *= s.spread;
    if (s.apart) {  // ranks, spread out and away from 0
        std::vector<std::size_t> order(values.size());
        for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
        std::ranges::sort(order, {}, [&](std::size_t i) { return values[i]; });
        for (std::size_t rank = 0; rank < order.size(); ++rank)
            values[order[rank]] =
                1.5 * s.step * (static_cast<double>(rank) + 0.5 - static_cast<double>(order.size() / 2));
    }
    x.set(values);
    s.before(net);
    dy.resize(net.forward(x, s.pass).dims());
    const std::vector<double> weights = normals(dy.dims().size());
    dy.set(weights);
    const std::vector<Parameter*> parameters = net.parameters();
    for (Parameter* p : parameters)  // away from where they begin, which may be special
        if (p->name == "bias" || p->name == "beta" || p->name == "gamma") p->value.set(normals(p->value.dims().size()));
    s.before(net);
    net.forward(x, s.pass);
    net.backward(x, dy, &dx);

    const auto judge = [&](const std::string& name, Array& argument, const std::vector<double>& gradient) {
        const std::vector<double> at = argument.values();
        const auto phi = [&](std::span<const double> moved) {
            argument.set(moved);
            s.before(net);
            const std::vector<double> y = net.forward(x, s.pass).values();
            verify::Sum sum;
            for (std::size_t i = 0; i < y.size(); ++i)
                sum.value += weights[i] * y[i], sum.size += std::abs(weights[i] * y[i]);
            return sum;
        };
        // a product over a sample's features, a normalization, a few more
        const double roundings = 3 * static_cast<double>(s.dims.features()) + 100;
        auto findings = verify::check_gradient(name, phi, at, gradient, {.roundings = roundings, .step = s.step});
        argument.set(at);
        return findings;
    };
    std::vector<verify::Finding> all = judge("dx", x, dx.values());
    for (Parameter* p : parameters)
        std::ranges::move(judge(p->name, p->value, p->gradient.values()), std::back_inserter(all));
    return all;
}

std::string text(const verify::Finding& f) {
    return f.quantity + ": " + std::to_string(f.error) + " of " + std::to_string(f.bound) + " " + f.where + " " +
           f.note;
}

void check(Sequential& net, const Setting& s) {
    for (const verify::Finding& f : judged(net, s)) {
        INFO(net.name() << ", " << text(f));
        CHECK(f.verdict == Verdict::pass);
    }
}

const Setup f64{.backend = &cpu(), .dtype = DType::f64, .seed = 3};

template <class L, class... Args>
void check_layer(const Setting& s, Args&&... args) {
    Sequential net(f64);
    net.add<L>(std::forward<Args>(args)...);
    check(net, s);
}

// Layers with a wrong gradient.
class WrongSigmoid : public Sigmoid {
public:
    using Sigmoid::Sigmoid;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override {
        Sigmoid::backward(x, y, dy, dx);
        std::vector<double> v = dx->values();
        for (double& d : v) d *= 1.01;
        dx->set(v);
    }
};
class WrongDense : public Dense {
public:
    using Dense::Dense;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override {
        Dense::backward(x, y, dy, dx);
        std::vector<double> v = weight().gradient.values();
        *std::ranges::max_element(v, {}, [](double d) { return std::abs(d); }) *= 1.01;
        weight().gradient.set(v);
    }
};

}  // namespace

TEST_CASE("layers with weights have the gradients of what they compute") {
    for (const bool weight_norm : {false, true}) {
        const LinearOptions options{.weight_norm = weight_norm};
        check_layer<Dense>({{3, 5}}, 5, 4, options);
        check_layer<Dense>({{2, 2, 3, 2}}, 12, 3, options);
        check_layer<Conv>({{2, 3, 4, 5}}, 3, 4, 3, options);
        check_layer<Conv>({{2, 2, 1, 3}}, 2, 2, 3, options);
        check_layer<Conv>({{2, 3, 4, 5}}, 3, 4, 1, options);
    }
    check_layer<Dense>({{3, 5}}, 5, 4, LinearOptions{.bias = false});
}

TEST_CASE("activations, pooling, dropout and residual layers have the gradients of what they compute") {
    const Setting apart{.dims = {2, 3, 4, 5}, .step = 0.04, .apart = true};
    check_layer<Relu>(apart);
    check_layer<MaxPool>(apart);
    check_layer<Sigmoid>({{4, 6}});
    check_layer<AveragePool>({{2, 3, 4, 5}});
    check_layer<Dropout>({{4, 25}, {Task::train, 17}}, 0.4);
    check_layer<Dropout>({{4, 25}, {Task::evaluate}}, 0.4);
    for (const bool shortcut : {false, true}) {
        Sequential net(f64);
        auto& residual = net.add<nn::Residual>();
        residual.branch().add<Conv>(3, shortcut ? 4 : 3);
        residual.branch().add<Sigmoid>();
        if (shortcut) residual.shortcut().add<Conv>(3, 4, 1);
        check(net, {{2, 3, 4, 5}});
    }
}

TEST_CASE("every normalization has the gradient of what it computes, wherever its statistics come from") {
    for (const char* implementation : {"reference", "cpu"})
        for (const Variant& variant : variants) {
            if (is_weights(variant.make())) continue;
            Spec spec = variant.make();
            if (!find_implementation(implementation).supports({spec, {6, 4, 6}})) continue;
            spec.momentum = 0;  // running statistics stand still, so that the layer is a function
            Setting s{{6, 4, 3, 2}};
            const auto at_the_limits = [](Sequential& net) {  // of r and d, which are constants in the backward pass
                for (Norm* norm : net.all<Norm>())
                    if (norm->spec().correction == Correction::renorm)
                        norm->set_state(StatisticsFrom::moving, {{-9, -9, -9, -9}, {}, {0.01, 0.01, 0.01, 0.01}, 0});
            };
            s.before = at_the_limits;
            Sequential net(f64);
            Norm& norm = net.add<Norm>(4, spec, NormOptions{.implementation = implementation});
            check(net, s);
            if (!norm.keeps_running()) continue;

            s.before = [](Sequential&) {};
            const std::vector<double> mean{0.3, -0.2, 0.1, 0}, spread{1.5, 0.5, 2, 1};
            norm.set_state(StatisticsFrom::population, {mean, spread, spread, 1});
            norm.evaluate_with(StatisticsFrom::population);
            s.pass = {Task::evaluate};
            check(net, s);
            s.pass = {Task::train};
            norm.freeze();
            check(net, s);
            norm.thaw();
            norm.evaluate_with(StatisticsFrom::batch);
            s.pass = {Task::evaluate};
            check(net, s);

            Sequential sliced(f64);
            spec.stat_batch = 3;
            sliced.add<Norm>(4, spec, NormOptions{.implementation = implementation});
            s.pass = {Task::train};
            s.before = at_the_limits;
            check(sliced, s);
        }
}

TEST_CASE("losses have the gradients of what they compute") {
    for (const LossKind kind : {LossKind::softmax, LossKind::squared}) {
        Loss loss(cpu(), kind);
        Array x(Device::host, DType::f64), targets(Device::host, DType::f64), dx(Device::host, DType::f64);
        Random random(5);
        x.resize({6, 4}), targets.resize({6, 4});
        const std::vector<double> at = random.normals(24);
        std::vector<double> t;
        for (int i = 0; i < 24; ++i) t.push_back(random.uniform());  // not only classes
        targets.set(t), x.set(at);
        loss.run(x, targets, dx);
        const std::vector<double> gradient = dx.values();
        const auto phi = [&](std::span<const double> moved) {
            x.set(moved);
            loss.run(x, targets, dx);
            return verify::Sum{loss.value(), loss.value()};
        };
        for (const verify::Finding& f : verify::check_gradient("loss", phi, at, gradient)) {
            INFO(text(f));
            CHECK(f.verdict == Verdict::pass);
        }
    }
}

TEST_CASE("a net's gradient goes through all of its layers") {
    Sequential net(f64);
    net.add<Conv>(1, 3, 3, LinearOptions{.bias = false});
    net.add<Norm>(3, batch_norm());
    net.add<Sigmoid>();
    auto& residual = net.add<nn::Residual>();
    residual.branch().add<Conv>(3, 3, 3, LinearOptions{.bias = false});
    residual.branch().add<Norm>(3, group_norm(3));
    residual.branch().add<Sigmoid>();
    net.add<AveragePool>();
    net.add<Dense>(3, 2, LinearOptions{.weight_norm = true});
    Setting s{{4, 1, 4, 4}};
    s.before = [initial = net.all<Norm>()[0]->state(StatisticsFrom::moving)](Sequential& n) {
        n.all<Norm>()[0]->set_state(StatisticsFrom::moving, initial);
    };
    check(net, s);
}

TEST_CASE("a gradient that is one per cent wrong is caught, the whole or one element of it") {
    Sequential whole(f64);
    whole.add<WrongSigmoid>();
    const auto of_x = judged(whole, {{4, 6}});
    REQUIRE(of_x.size() == 2);
    CHECK(of_x[0].verdict == Verdict::fail);
    CHECK(of_x[1].verdict == Verdict::fail);

    Sequential one(f64);
    one.add<WrongDense>(5, 4);
    for (const verify::Finding& f : judged(one, {{3, 5}})) {
        INFO(text(f));
        CHECK((f.verdict == Verdict::fail) == (f.quantity.rfind("weight", 0) == 0));
    }
}

TEST_CASE("what is no gradient's fault is no failure, and what no difference can tell is unresolved") {
    const std::vector<double> x{0.3, -0.4}, none{0, 0}, nan{std::nan(""), 0};
    const auto constant = [](std::span<const double>) { return verify::Sum{1, 1}; };
    const auto findings = verify::check_gradient("constant", constant, x, none);
    CHECK(findings[0].verdict == Verdict::unresolved);
    CHECK(findings[1].verdict == Verdict::pass);
    const auto square = [](std::span<const double> v) {
        return verify::Sum{v[0] * v[0] + v[1], v[0] * v[0] + std::abs(v[1])};
    };
    for (const verify::Finding& f : verify::check_gradient("square", square, x, std::vector<double>{0.6, 1}))
        CHECK(f.verdict == Verdict::pass);
    for (const verify::Finding& f : verify::check_gradient("square", square, x, nan)) CHECK(f.verdict == Verdict::fail);
}
