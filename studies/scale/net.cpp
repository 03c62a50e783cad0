#include "studies/scale/net.hpp"

#include <cmath>

namespace normlab::studies::scale_laws {
namespace {

Spec normalisation() {
    Spec spec = batch_norm(0);
    spec.running = Running::none;
    return spec;
}

}  // namespace

Net::Net(const json& s, Kind what)
    : kind(what), inputs(s.at("inputs")), units(s.at("units")), batch(s.at("batch")), seed(s.at("seed")),
      spec(normalisation()), implementation(find_implementation(s.at("impl").get<std::string>())),
      backend(nn::backend_for(implementation.name())), net({.backend = &backend, .dtype = DType::f64, .seed = seed}),
      loss(backend, nn::LossKind::softmax), x(backend.device(), DType::f64), targets(backend.device(), DType::f64) {
    const nn::Init init = nn::gaussian(1 / std::sqrt(static_cast<double>(inputs)));  // |w| near 1
    dense = &net.add<nn::Dense>(inputs, units,
                                nn::LinearOptions{.init = init,
                                                  .bias = false,
                                                  .weight_norm = kind == Kind::weight_norm,
                                                  .implementation = implementation.name()});
    if (kind != Kind::weight_norm)
        net.add<nn::Norm>(units, spec,
                          nn::NormOptions{.implementation = implementation.name(), .affine = false, .schedule = {}});
    x.resize({batch, inputs}), targets.resize({batch, kind == Kind::linear ? units : classes});
    if (kind == Kind::linear) return;
    net.add<nn::Sigmoid>();
    net.add<nn::Dense>(units, classes, nn::LinearOptions{.init = nn::gaussian(1)});
}

void Net::draw(std::uint64_t purpose, std::int64_t step) {
    const random::Stream stream{seed, purpose << 32 | static_cast<std::uint64_t>(step)};
    std::vector<double> values(static_cast<std::size_t>(batch * inputs)),
        labels(static_cast<std::size_t>(targets.dims().size()), 0.0);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = stream.normal(i);
    for (std::size_t i = 0; kind == Kind::linear && i < labels.size(); ++i)
        labels[i] = stream.normal(values.size() + i);
    for (std::int64_t n = 0; kind != Kind::linear && n < batch; ++n) {
        const std::int64_t label = stream.below(classes, values.size() + static_cast<std::size_t>(n));
        labels[static_cast<std::size_t>(n * classes + label)] = 1;
    }
    x.set(values), targets.set(labels);
}

void Net::pass(std::int64_t step) {
    const nn::Array& y = net.forward(x, {nn::Task::train, step});
    if (kind == Kind::linear) net.output_gradient().resize(y.dims()), net.output_gradient().set(targets.values());
    else loss.run(y, targets, net.output_gradient());
    net.backward(x);
}

// z = W x: off by summation(p) sum_k |w_k x_k|, and dz by its bound and, through z, by the slope. <w, dw> = sum_j dz_j
// z_j + what z, dW = dz^T x and the inner product are off by; the first sum is 0 for the exact dz of the computed z.
Net::Rounding Net::rounding() const {
    const std::vector<double> w = weights(), dw = gradient(), in = x.values(), z = net.output(0).values(),
                              dz = net.gradient(0).values();
    const nn::GradientBounds bounds = nn::gradient_bounds(net.output(0), net.gradient(1), spec, implementation);
    Rounding out;
    const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
    for (std::int64_t c = 0; c < units; ++c) {
        double product = 0, off = 0;  // off: of z, relative to the spread
        std::vector<double> size(at(batch)), entry(at(inputs));
        for (std::int64_t j = 0; j < batch; ++j) {
            for (std::int64_t k = 0; k < inputs; ++k)
                size[at(j)] += std::abs(w[at(c * inputs + k)] * in[at(j * inputs + k)]);
            off = std::max(off, nn::summation(inputs) * size[at(j)] / bounds.spread[at(c)]);
        }
        for (std::int64_t j = 0; j < batch; ++j) {
            const std::size_t i = at(j * units + c);
            product += bounds.dx[i] * std::abs(z[i]) +
                       std::abs(dz[i]) * (nn::summation(inputs) + nn::summation(batch)) * size[at(j)];
            for (std::int64_t k = 0; k < inputs; ++k)
                entry[at(k)] += (bounds.dx[i] + off * bounds.slope[i] + nn::summation(batch) * std::abs(dz[i])) *
                                std::abs(in[at(j * inputs + k)]);
        }
        for (std::int64_t k = 0; k < inputs; ++k)
            product += nn::summation(inputs) * std::abs(w[at(c * inputs + k)] * dw[at(c * inputs + k)]);
        out.product.push_back(product);
        out.entry.insert(out.entry.end(), entry.begin(), entry.end());
    }
    return out;
}

double squared(const std::vector<double>& matrix, std::int64_t row, std::int64_t columns) {
    double sum = 0;
    for (std::int64_t k = row * columns; k < (row + 1) * columns; ++k)
        sum += matrix[static_cast<std::size_t>(k)] * matrix[static_cast<std::size_t>(k)];
    return sum;
}

}  // namespace normlab::studies::scale_laws
