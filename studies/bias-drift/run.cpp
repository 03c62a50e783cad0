// One layer in f64, x_hat = norm(W u + b), fitted to targets by squared error on one batch. Targets of unit c are 1 +
// (a teacher's output, of variance 1/2) + (noise, variance 1/2): their mean is not 0, so that the gradient of the loss
// by x_hat does not add up to 0 over the batch, as it needs not in a net whose later layers are not fitted yet.
#include <algorithm>
#include <cmath>

#include "norms/variants/batch_norm.hpp"
#include "studies/bias-drift/study.hpp"
#include "studies/nn/linear.hpp"
#include "studies/nn/loss.hpp"
#include "studies/nn/norm.hpp"
#include "studies/nn/optimiser.hpp"
#include "studies/nn/rounding.hpp"
#include "studies/nn/sequential.hpp"

namespace normlab::studies::outside {
namespace {

constexpr std::int64_t looks = 100;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

struct UnitFit {
    explicit UnitFit(const json& s)
        : inputs(s.at("inputs")), units(s.at("units")), batch(s.at("batch")), spec(batch_norm(0)),
          implementation(find_implementation(s.at("impl").get<std::string>())),
          backend(nn::backend_for(implementation.name())),
          net({.backend = &backend, .dtype = DType::f64, .seed = s.at("seed")}), loss(backend, nn::LossKind::squared),
          x(backend.device(), DType::f64), targets(backend.device(), DType::f64),
          dense(net.add<nn::Dense>(
              inputs, units, nn::LinearOptions{.init = nn::gaussian(1 / std::sqrt(static_cast<double>(inputs)))})),
          norm(net.add<nn::Norm>(
              units, spec, nn::NormOptions{.implementation = implementation.name(), .affine = false, .schedule = {}})) {
        const random::Stream samples{s.at("seed"), 1}, teacher{s.at("seed"), 2}, noise{s.at("seed"), 3};
        std::vector<double> u(at(batch * inputs)), t(at(batch * units), 1.0);
        for (std::size_t i = 0; i < u.size(); ++i) u[i] = samples.normal(i);
        for (std::int64_t n = 0; n < batch; ++n)
            for (std::int64_t c = 0; c < units; ++c) {
                double output = 0;
                for (std::int64_t k = 0; k < inputs; ++k)
                    output += u[at(n * inputs + k)] * teacher.normal(static_cast<std::uint64_t>(c * inputs + k));
                output /= std::sqrt(static_cast<double>(inputs));
                t[at(n * units + c)] +=
                    (output + noise.normal(static_cast<std::uint64_t>(n * units + c))) / std::sqrt(2.0);
            }
        x.resize({batch, inputs}), targets.resize({batch, units});
        x.set(u), targets.set(t);
    }

    // Forward, loss and backward; `way` as in the flag's help.
    double pass(const std::string& way, std::int64_t step) {
        if (way != "inside") {
            net.forward(x, {nn::Task::initialise});  // the batch's statistics, taken as constants below
            norm.set_state(nn::StatisticsFrom::population, statistics(way == "scaled"));
            norm.evaluate_with(nn::StatisticsFrom::population);
            norm.freeze();
        }
        loss.run(net.forward(x, {nn::Task::train, step}), targets, net.output_gradient());
        net.backward(x);
        return loss.value();
    }

    State statistics(bool scaled) const {
        const std::vector<double> z = net.output(0).values();
        const auto m = static_cast<double>(batch);
        State s{std::vector<double>(at(units)), std::vector<double>(at(units), scaled ? 0.0 : 1.0), {}, 1};
        for (std::size_t i = 0; i < z.size(); ++i) s.mean[i % at(units)] += z[i] / m;
        for (std::size_t i = 0; scaled && i < z.size(); ++i)
            s.var[i % at(units)] += std::pow(z[i] - s.mean[i % at(units)], 2) / m;
        return s;
    }

    std::vector<double> bias() { return dense.bias()->value.values(); }

    std::int64_t inputs, units, batch;
    Spec spec;
    const Implementation& implementation;
    nn::Backend& backend;
    nn::Sequential net;
    nn::Loss loss;
    nn::Array x, targets;
    nn::Dense& dense;
    nn::Norm& norm;
};

// How far rounding may move the loss: x = W u + b and its mean are off by the roundings of their sums, of values as
// large as the largest |W u + b| +
// |b|, x_hat by as much over the spread (which `scaled` takes of the batch, and is off by as much, relative); the loss
//   by its slope times that, its
// square, and the roundings of its own sum.
double loss_bound(UnitFit& fit, const State& used, double loss) {
    const std::vector<double> z = fit.net.output(0).values(), slope = fit.net.gradient(1).values(),
                              x_hat = fit.net.output(1).values(), b = fit.bias();
    double bound = nn::summation(fit.batch * fit.units + 4) * loss, terms = nn::summation(fit.batch + fit.inputs + 12);
    std::vector<double> largest(b.size());
    for (std::size_t i = 0; i < z.size(); ++i)
        largest[i % b.size()] = std::max(largest[i % b.size()], std::abs(z[i]) + std::abs(b[i % b.size()]));
    for (std::size_t i = 0; i < z.size(); ++i) {
        const double off =
            2 * terms * largest[i % b.size()] / std::sqrt(used.var[i % b.size()]) * (1 + std::abs(x_hat[i]));
        bound += std::abs(slope[i]) * off + off * off / static_cast<double>(z.size());
    }
    return bound;
}

double distance(const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
    return std::sqrt(sum);
}

// How far rounding may have moved the bias in the coming step by `rate`, where the gradient passes through the batch's
// statistics: its gradient is sum_j dz_j, 0 but for the rounding of each dz_j and of the sum; and that of the step.
double rounding_of_step(UnitFit& fit, double rate) {
    const std::vector<double> dz = fit.net.gradient(0).values(), bias = fit.bias();
    const std::vector<double> off =
        nn::gradient_bounds(fit.net.output(0), fit.net.gradient(1), fit.spec, fit.implementation).dx;
    double squares = 0;
    for (std::int64_t c = 0; c < fit.units; ++c) {
        double sum = 0;
        for (std::int64_t n = 0; n < fit.batch; ++n)
            sum += off[at(n * fit.units + c)] + nn::summation(fit.batch) * std::abs(dz[at(n * fit.units + c)]);
        squares += sum * sum;
    }
    return rate * std::sqrt(squares) + 2 * nn::unit * distance(bias, std::vector<double>(bias.size()));
}

// Of the bias, centred: d loss / d b_c = sum_j 2 (x_hat_j - t_j) / (m C) = -2 mean(t) / C, sum_j x_hat_j being 0.
double expected_growth(const UnitFit& fit, double rate, std::int64_t steps) {
    double expected = 0;
    const std::vector<double> t = fit.targets.values();
    for (std::int64_t c = 0; c < fit.units; ++c) {
        double mean = 0;
        for (std::int64_t n = 0; n < fit.batch; ++n) mean += t[at(n * fit.units + c)] / static_cast<double>(fit.batch);
        expected += std::pow(2 * mean / static_cast<double>(fit.units) * rate * static_cast<double>(steps), 2);
    }
    return std::sqrt(expected);
}

}  // namespace

json run(const json& s) {
    UnitFit fit(s);
    const std::string way = s.at("way");
    const bool bias_alone = s.at("trained") == "bias";
    const std::int64_t steps = s.at("steps"), every = std::max<std::int64_t>(steps / looks, 1);
    const double rate = s.at("rate");
    nn::Parameter& bias = *fit.dense.bias();
    std::vector<nn::Parameter*> trained{&bias};
    if (!bias_alone) trained.push_back(&fit.dense.weight());
    nn::Sgd sgd(fit.backend, trained, nn::constant(rate));

    const std::vector<double> weights = fit.dense.weight().value.values(), start = fit.bias();
    double first = 0, change = 0, rounding = 0, growth = 0, travel = 0, half_way = 0;
    json out{{"step", json::array()},
             {"loss", json::array()},
             {"bias", json::array()},
             {"weights", json::array()},
             {"ended", steps}};
    for (std::int64_t t = 0; t < steps; ++t) {
        const double loss = fit.pass(way, t);
        if (!std::isfinite(loss)) {
            out["ended"] = t;
            break;
        }
        if (t == 0) first = loss;
        const double bound = loss_bound(fit, fit.statistics(way != "centred"), loss);
        // against the first loss, which is off by its own rounding, no more than this one's: |b| was smaller
        if (bias_alone) {
            const double ratio = std::abs(loss - first) / (2 * bound);
            if (!(ratio <= change)) change = ratio;
        }
        if (way == "inside") rounding += rounding_of_step(fit, rate);
        sgd.step(t);
        const double moved = distance(fit.bias(), start), turned = distance(fit.dense.weight().value.values(), weights);
        if (std::isfinite(moved)) growth = std::max(growth, moved);
        if (std::isfinite(turned)) travel = std::max(travel, std::hypot(turned, moved));
        if (t + 1 == steps / 2) half_way = moved;
        if ((t + 1) % every == 0) {
            out["step"].push_back(t + 1), out["loss"].push_back(loss), out["bias"].push_back(moved);
            out["weights"].push_back(nn::l2(fit.dense.weight().value));
        }
    }
    out.update({{"loss_change", change},
                {"growth", growth},
                {"half_way", half_way},
                {"travel", travel},
                {"expected", expected_growth(fit, rate, steps)},
                {"rounding", rounding}});
    return out;
}

}  // namespace normlab::studies::outside
