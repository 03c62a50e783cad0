#include <cmath>

#include "studies/scale/net.hpp"
#include "studies/scale/study.hpp"

namespace normlab::studies::scale_laws {
namespace {

constexpr std::int64_t looks = 100;  // at |w| in a run

// G of each unit: the mean of |dL/dw|^2 |w|^2 over batches that training does not see.
std::vector<double> sphere_gradient(Net& net, std::int64_t batches) {
    std::vector<double> G(static_cast<std::size_t>(net.units));
    for (std::int64_t k = 0; k < batches; ++k) {
        net.draw(3, k);
        net.pass(k);
        const std::vector<double> w = net.weights(), dw = net.gradient();
        for (std::int64_t c = 0; c < net.units; ++c)
            G[static_cast<std::size_t>(c)] +=
                squared(dw, c, net.inputs) * squared(w, c, net.inputs) / static_cast<double>(batches);
    }
    return G;
}

double mean(const std::vector<double>& values) {
    double sum = 0;
    for (const double v : values) sum += v / static_cast<double>(values.size());
    return sum;
}

std::vector<double> fourth_powers(const Net& net) {
    std::vector<double> powers;
    for (std::int64_t c = 0; c < net.units; ++c) powers.push_back(std::pow(squared(net.weights(), c, net.inputs), 2));
    return powers;
}

}  // namespace

// A step is w -= eta (dw + lambda w). The rate is chosen by what it does: without decay |w|^4 grows in each step by
// `step` of itself at first, eta = sqrt(step / (2 G)) for |w| = 1; with decay eta lambda = `step`, and eta so that
// |w|^4 = 1 is where it tends to, from 4 at the start.
json growth(const json& s) {
    const double step = s.at("step");
    const bool decays = s.at("experiment") == "decay";
    const std::int64_t steps = s.at("steps"), every = std::max<std::int64_t>(steps / looks, 1);
    Net net(s, Kind::classifier);
    std::vector<double> w = net.weights();
    for (std::int64_t c = 0; c < net.units; ++c) {
        const double scale = (decays ? std::sqrt(2.0) : 1) / std::sqrt(squared(w, c, net.inputs));  // |w|^4 = 4 or 1
        for (std::int64_t k = c * net.inputs; k < (c + 1) * net.inputs; ++k) w[static_cast<std::size_t>(k)] *= scale;
    }
    net.dense->weight().value.set(w);
    const std::vector<double> G = sphere_gradient(net, s.at("draws"));
    const double rate = std::sqrt((decays ? 2 * step : step / 2) / mean(G)), decay = decays ? step / rate : 0;
    nn::Sgd sgd(net.backend, {&net.dense->weight()}, nn::constant(rate), 0, decay);

    json out{{"rate", rate}, {"step", json::array()}, {"fourth_power", json::array()}};
    double worst = 0, smallest = HUGE_VAL, late = 0, late_steps = 0, seen = 0;
    const double start = mean(fourth_powers(net));
    for (std::int64_t t = 0; t < steps; ++t) {
        net.draw(4, t);
        net.pass(t);
        const std::vector<double> before = net.weights(), dw = net.gradient();
        const bool look = (t + 1) % every == 0;
        const std::vector<double> bound = look && !decays ? net.rounding().product : std::vector<double>();
        sgd.step(t);
        for (std::size_t c = 0; c < bound.size(); ++c) {
            // |w - eta g|^2 = |w|^2 + eta^2 |g|^2 - 2 eta <w, g>; each entry of the new w has two roundings, of eta g
            //   and of the difference; the
            // sums of squares theirs.
            const auto row = static_cast<std::int64_t>(c);
            const double old = squared(before, row, net.inputs), now = squared(net.weights(), row, net.inputs),
                         added = rate * rate * squared(dw, row, net.inputs);
            const double rounding = 2 * rate * bound[c] + nn::summation(net.inputs + 4) * (old + now + added) +
                                    4 * nn::unit * (now + std::sqrt(now * added));
            const double ratio = std::abs(now - old - added) / rounding;
            if (!(ratio <= worst)) worst = ratio;
            smallest = std::min(smallest, added / rounding);
        }
        for (std::int64_t c = 0; c < net.units; ++c)
            seen +=
                squared(before, c, net.inputs) * squared(dw, c, net.inputs) / static_cast<double>(net.units * steps);
        if (look) out["step"].push_back(t + 1), out["fourth_power"].push_back(mean(fourth_powers(net)));
        if (2 * t >= steps) late += mean(fourth_powers(net)), ++late_steps;
    }
    // eta^2 G: of the law, with the unit spheres' mean
    const double per_step = rate * rate * mean(G);
    out["law_per_step"] = 2 * per_step, out["start"] = start;
    out["equilibrium_law"] = decays ? rate * mean(G) / (2 * decay) : 0;
    out["growth_over_law"] = (mean(fourth_powers(net)) - start) / (2 * per_step * static_cast<double>(steps));
    out["equilibrium_over_law"] = decays ? late / late_steps / (rate * mean(G) / (2 * decay)) : 0;
    out["sphere_gradient_seen"] = seen / mean(G);  // in training, over G
    out["growth_error"] = worst, out["growth_over_bound"] = std::isfinite(smallest) ? smallest : 0;
    return out;
}

// w = g v / |v|: dL/dv is orthogonal to v. Of a step's <v, dv> what rounding leaves is at most (n + 10) u |g| |dw|
// twice over (dv = (g/|v|)(dw - (v/|v|) dg), dg an inner product of n terms), and |dw|^2 = dg^2 + (|v| / g)^2 |dv|^2, v
// and what is left of dw being orthogonal. A step shrinks
// |v| if |v|^2 falls by more than that and the roundings of two sums of squares.
json weight_norm(const json& s) {
    Net net(s, Kind::weight_norm);
    const std::int64_t steps = s.at("steps"), every = std::max<std::int64_t>(steps / looks, 1);
    const double rate = s.at("rate");
    nn::Sgd sgd(net.backend, net.dense->parameters(), nn::constant(rate));
    const nn::Parameter& g = *net.dense->parameters().at(1);
    std::int64_t shrank = 0;
    double fall = -HUGE_VAL;
    json out{{"step", json::array()}, {"length", json::array()}};
    for (std::int64_t t = 0; t < steps; ++t) {
        net.draw(5, t);
        net.pass(t);
        const std::vector<double> before = net.weights(), dv = net.gradient(), sizes = g.value.values(),
                                  dg = g.gradient.values();
        sgd.step(t);
        const std::vector<double> after = net.weights();
        double length = 0;
        for (std::int64_t c = 0; c < net.units; ++c) {
            const auto i = static_cast<std::size_t>(c);
            const double old = squared(before, c, net.inputs), now = squared(after, c, net.inputs),
                         slope = squared(dv, c, net.inputs);
            const double g_dw = std::sqrt(sizes[i] * sizes[i] * dg[i] * dg[i] + old * slope);
            const double slack =
                4 * rate * nn::summation(net.inputs + 10) * g_dw + nn::summation(net.inputs + 4) * (old + now);
            if (!(now >= old - slack)) ++shrank;
            fall = std::max(fall, (old - now) / slack);
            length += std::sqrt(now) / static_cast<double>(net.units);
        }
        if ((t + 1) % every == 0) out["step"].push_back(t + 1), out["length"].push_back(length);
    }
    out["shrank"] = shrank, out["largest_fall_over_bound"] = fall;
    return out;
}

}  // namespace normlab::studies::scale_laws
