// Normalization as a layer: its batch separate from the optimiser's, the ways to evaluate, freezing, schedules.

#include <cmath>

#include "norms/variants.hpp"
#include "studies/data/digits.hpp"
#include "studies/nn/linear.hpp"
#include "studies/nn/norm.hpp"
#include "studies/nn/score.hpp"
#include "tests/catch.hpp"

using namespace normlab;
using namespace normlab::nn;
using Catch::Matchers::Contains;

namespace {

constexpr std::int64_t N = 8, C = 3, S = 4;
const Setup f64{.backend = &cpu(), .dtype = DType::f64, .seed = 1};

Array drawn(std::uint64_t purpose, std::int64_t samples = N) {
    const random::Stream stream{21, purpose};
    std::vector<double> v;
    for (std::int64_t i = 0; i < samples * C * S; ++i)
        v.push_back(1 + 2 * stream.normal(static_cast<std::uint64_t>(i)));
    Array a(Device::host, DType::f64);
    a.resize({samples, C, 2, 2});
    a.set(v);
    return a;
}

// y and State of norm.hpp's own call.
std::vector<double> expected(const Spec& spec, Mode mode, const Array& x, State& state) {
    Array y(Device::host, DType::f64);
    y.resize(x.dims());
    Saved saved;
    forward(spec, mode, x.tensor(), {}, &state, saved, y.tensor(), find_implementation("cpu"));
    return y.values();
}

template <class F>
std::string refusal(F&& f) {
    try {
        f();
    } catch (const Error& e) {
        return e.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE("the layer is norm.hpp's call, for every variant, with a normalisation batch of its own too") {
    for (const std::int64_t stat_batch : {0, 2, 4})
        for (const Variant& variant : variants) {
            Spec spec = variant.make();
            if (is_weights(spec) || spec.is_partial() || (stat_batch && !spec.block.samples)) continue;
            if (variant.name == "group_norm") spec.groups = 3;
            spec.stat_batch = stat_batch;
            CAPTURE(variant.name, stat_batch);
            Sequential net(f64);
            Norm& norm = net.add<Norm>(C, spec);
            State state = initial_state(spec, C);
            for (const std::uint64_t step : {1, 2})
                CHECK(net.forward(drawn(step), {Task::train}).values() ==
                      expected(spec, Mode::train, drawn(step), state));
            // any number of samples
            CHECK(net.forward(drawn(3, 5), {Task::evaluate}).values() ==
                  expected(spec, Mode::eval, drawn(3, 5), state));
            if (!norm.keeps_running()) continue;
            CHECK(norm.state(StatisticsFrom::moving).mean == state.mean);
            CHECK(norm.state(StatisticsFrom::moving).count == state.count);
        }
}

TEST_CASE("moving averages of biased and of unbiased variance are kept side by side") {
    for (const std::int64_t stat_batch : {0, 2}) {
        Spec unbiased = batch_norm(), biased = batch_norm();
        unbiased.stat_batch = biased.stat_batch = stat_batch;
        biased.running = Running::biased_variance;
        State u = initial_state(unbiased, C), b = initial_state(biased, C);
        Sequential net(f64);
        Norm& norm = net.add<Norm>(C, unbiased);
        for (const std::uint64_t step : {1, 2, 3}) {
            net.forward(drawn(step), {Task::train});
            expected(unbiased, Mode::train, drawn(step), u), expected(biased, Mode::train, drawn(step), b);
        }
        CHECK(norm.state(StatisticsFrom::moving).var == u.var);
        CHECK(norm.state(StatisticsFrom::moving_biased).var == b.var);
        CHECK(norm.state(StatisticsFrom::moving_biased).mean == b.mean);
        CHECK(u.var != b.var);
        norm.evaluate_with(StatisticsFrom::moving_biased);
        CHECK(net.forward(drawn(4), {Task::evaluate}).values() == expected(biased, Mode::eval, drawn(4), b));
        CHECK(norm.state(StatisticsFrom::moving_biased).count == b.count);  // evaluation moves nothing
    }
}

TEST_CASE("precise statistics are those of recalibrate, through a net, and leave moving averages alone") {
    const data::Split digits = data::digits({.train = 240, .test = 60});
    for (const char* variant : {"batch_norm", "batch_renorm"}) {
        Sequential net(f64);
        net.add<Dense>(784, C);
        Spec spec = find_variant(variant).make();
        spec.stat_batch = 20;
        Norm& norm = net.add<Norm>(C, spec);
        const State before = norm.state(StatisticsFrom::moving);
        CHECK_THAT(refusal([&] { norm.evaluate_with(StatisticsFrom::population); }),
                   Contains("no population statistics"));
        data::Epochs batches(240, 60, 1);
        measure_population(net, digits.train, batches, 4, Average::pooled);
        CHECK(norm.state(StatisticsFrom::moving).mean == before.mean);
        CHECK(norm.state(StatisticsFrom::moving).count == 0);

        Population population(spec, C, Average::pooled);
        data::Batch batch;
        Array x(Device::host, DType::f64), targets(Device::host, DType::f64);
        for (std::int64_t k = 0; k < 4; ++k) {
            data::gather(digits.train, batches.batch(k), batch);
            load(batch, x, targets);
            net.forward(x, {Task::evaluate});
            population.add(net.output(0).tensor(), find_implementation("cpu"));
        }
        CHECK(norm.state(StatisticsFrom::population).mean == population.state().mean);
        State state = population.state();
        norm.evaluate_with(StatisticsFrom::population);
        const auto y = net.forward(x, {Task::evaluate}).values();
        CHECK(y == expected(spec, Mode::eval, net.output(0), state));
    }
}

TEST_CASE("evaluation by the batch's own statistics is batch norm without running ones, for batch renorm too") {
    for (const char* variant : {"batch_norm", "batch_renorm"}) {
        Sequential net(f64);
        Norm& norm = net.add<Norm>(C, find_variant(variant).make());
        net.forward(drawn(1), {Task::train});
        const State before = norm.state(StatisticsFrom::moving);
        Spec alone = batch_norm();
        alone.running = Running::none;
        State none;
        norm.evaluate_with(StatisticsFrom::batch);
        CHECK(norm.evaluates_by_batch());
        CHECK(net.forward(drawn(2), {Task::evaluate}).values() == expected(alone, Mode::train, drawn(2), none));
        CHECK(norm.state(StatisticsFrom::moving).mean == before.mean);
    }
}

TEST_CASE("a frozen layer trains by given statistics, which stand still, until it thaws") {
    const Spec spec = batch_norm();
    Sequential net(f64);
    Norm& norm = net.add<Norm>(C, spec);
    net.forward(drawn(1), {Task::train});
    State state = norm.state(StatisticsFrom::moving);
    norm.freeze();
    CHECK(net.forward(drawn(2), {Task::train}).values() == expected(spec, Mode::eval, drawn(2), state));
    CHECK(norm.state(StatisticsFrom::moving).count == 1);
    norm.thaw();
    CHECK(net.forward(drawn(2), {Task::train}).values() == expected(spec, Mode::train, drawn(2), state));
    CHECK(norm.state(StatisticsFrom::moving).count == 2);
    norm.evaluate_with(StatisticsFrom::batch);
    CHECK_THAT(refusal([&] { norm.freeze(); }), Contains("moving, moving_biased and population"));
}

TEST_CASE("batch renorm follows its schedule: batch norm while it holds, its own limits at the end") {
    const RenormSchedule schedule{.hold = 2, .r_end = 6, .d_end = 4, .r_max = 3, .d_max = 5};
    Sequential net(f64);
    Spec spec = batch_renorm();
    net.add<Norm>(C, spec, NormOptions{.schedule = schedule});
    State state = initial_state(spec, C);
    for (std::int64_t step = 0; step < 8; ++step) {
        schedule.apply(spec, step);
        const auto purpose = static_cast<std::uint64_t>(step);
        State plain = initial_state(batch_norm(), C);
        const auto y = net.forward(drawn(purpose), {Task::train, step}).values();
        CHECK(y == expected(spec, Mode::train, drawn(purpose), state));
        // at the hold's end the limits begin to grow
        CHECK((y == expected(batch_norm(), Mode::train, drawn(purpose), plain)) == (step <= 2));
    }
}

TEST_CASE("evaluation by batches leaves a last part of a batch out") {
    const data::Split digits = data::digits({.train = 60, .test = 50});
    Sequential net({.backend = &cpu(), .seed = 1});
    net.add<Dense>(784, 10);
    Norm& norm = net.add<Norm>(10, batch_norm());
    const Score all = evaluate(net, digits.test, 20), first = evaluate(net, data::first(digits.test, 40), 20);
    CHECK(all.loss != first.loss);
    norm.evaluate_with(StatisticsFrom::batch);
    CHECK(evaluate(net, digits.test, 20).loss == evaluate(net, data::first(digits.test, 40), 20).loss);
    CHECK_THAT(refusal([&] { evaluate(net, digits.test, 64); }), Contains("batches of 64") && Contains("50"));
}

TEST_CASE("an output that is NaN is wrong, and of equal outputs the first counts") {
    const data::Split digits = data::digits({.train = 10, .test = 50});
    Sequential net({.backend = &cpu(), .seed = 1});
    Dense& dense = net.add<Dense>(784, 10);
    dense.weight().value.fill(0);
    CHECK(evaluate(net, digits.test).error == Approx(0.9));  // every sample is called 0
    CHECK(evaluate(net, digits.test).loss == Approx(std::log(10.0)));
    dense.weight().value.fill(std::nan(""));
    CHECK(evaluate(net, digits.test).error == 1);
}
