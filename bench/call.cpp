#include "bench/call.hpp"

#include <algorithm>
#include <limits>

#include "norms/element.hpp"
#include "verify/case/draw.hpp"

namespace normlab::bench {
namespace {

Problem on(Problem problem, Device device) {
    problem.device = device;
    return problem;
}

std::size_t bytes_of_parameter(const Problem& p) {
    return (static_cast<std::size_t>(p.shape.C) * size_of(p.params()) + 255) / 256 * 256;
}

template <class T>
std::span<const std::byte> bytes_of(const std::vector<T>& v) {
    return std::as_bytes(std::span(v));
}

std::vector<std::byte> stored(const std::vector<double>& values, DType dtype) {
    std::vector<std::byte> bytes(values.size() * size_of(dtype));
    for (std::size_t i = 0; i < values.size(); ++i)
        write_element(bytes.data(), dtype, static_cast<std::int64_t>(i), values[i]);
    return bytes;
}

}  // namespace

Parameters::Parameters(const Problem& p, std::uint64_t seed) : state(initial_state(p.spec, p.shape.C)) {
    Random random(seed);
    const auto between = [&](double low, double high) { return low + (high - low) * random.uniform(); };
    for (std::int64_t c = 0; c < p.shape.C; ++c) {
        gamma.push_back(rounded(between(0.5, 2), p.params()));
        beta.push_back(rounded(between(-1, 1), p.params()));
    }
    for (double& v : state.mean) v = between(-1, 1);
    for (auto* spread : {&state.var, &state.sigma})
        for (double& v : *spread) v = between(0.5, 2);
    if (!p.spec.quantizes() || p.spec.finds_scale()) return;
    const double largest = row_of(p.outputs()).largest;
    scale = rounded(p.spec.scale_inverse ? largest / 8 : 8 / largest, DType::f32);
}

Call::Call(Problem problem, const Implementation& implementation, int threads, const Parameters& parameters,
           std::size_t sets)
    : problem_(on(problem, implementation.device())), saves_(implementation.saves()),
      operation_(problem_, implementation, {.threads = threads}), parameter_bytes_(bytes_of_parameter(problem_)),
      parameters_(problem_.device, 4 * parameter_bytes_),
      running_(problem_.device, 2 * parameters.state.mean.size() * sizeof(double)), count_(parameters.state.count),
      scale_bytes_(static_cast<std::size_t>(problem_.scale_count()) * sizeof(float)),
      scales_(problem_.device, sets * scale_bytes_) {
    const DType dtype = problem_.params();
    parameters_.upload(stored(parameters.gamma, dtype));
    parameters_.upload(stored(parameters.beta, dtype), parameter_bytes_);
    const State& state = parameters.state;
    if (!state.mean.empty()) {
        auto* mean = static_cast<double*>(running_.data());
        double* spread = mean + state.mean.size();
        const bool sigma = problem_.spec.running == Running::sigma;
        running_.upload(bytes_of(state.mean));
        running_.upload(bytes_of(sigma ? state.sigma : state.var), state.mean.size() * sizeof(double));
        state_ = {mean, sigma ? nullptr : spread, sigma ? spread : nullptr, &count_};
    }
    // NaN in what is to be written: memory may still hold the right values of another implementation.
    const std::vector<std::byte> unwritten(std::max(2 * parameter_bytes_, 3 * statistics_bytes()), std::byte{0xff});
    parameters_.upload(std::span(unwritten).first(2 * parameter_bytes_), 2 * parameter_bytes_);
    for (std::size_t i = 0; i < sets; ++i) {
        saved_.emplace_back(operation_);
        copy(saved_.back().view().mean, problem_.device, unwritten.data(), Device::host, 3 * statistics_bytes());
    }
    const double scale = problem_.spec.finds_scale() ? std::numeric_limits<double>::quiet_NaN() : parameters.scale;
    scales_.upload(stored(std::vector<double>(sets * scale_bytes_ / sizeof(float), scale), DType::f32));
}

void Call::forward(const void* x, void* y, std::size_t set, const void* residual, void* s) {
    operation_.forward(tensor(const_cast<void*>(x)), {parameter(0), parameter(1)}, state_, saved_[set].view(),
                       problem_.tensor(y, problem_.outputs(), {}),
                       residual ? Added{tensor(const_cast<void*>(residual)), tensor(s)} : Added{}, nullptr,
                       scale_bytes_ > 0 ? reinterpret_cast<float*>(scales_.at(set * scale_bytes_)) : nullptr);
}

void Call::backward(const void* x, const void* dy, void* dx, std::size_t set, const void* ds) {
    operation_.backward(tensor(const_cast<void*>(x)), tensor(const_cast<void*>(dy)), {parameter(0), parameter(1)},
                        saved_[set].view(), {tensor(dx), parameter(2), parameter(3)},
                        ds ? tensor(const_cast<void*>(ds)) : Tensor{});
}

std::vector<double> Call::gradient(std::size_t i) const {
    const DType dtype = problem_.params();
    std::vector<std::byte> bytes(static_cast<std::size_t>(problem_.shape.C) * size_of(dtype));
    parameters_.download(bytes, i * parameter_bytes_);
    std::vector<double> values;
    for (std::int64_t c = 0; c < problem_.shape.C; ++c) values.push_back(read_element<double>(bytes.data(), dtype, c));
    return values;
}

std::vector<float> Call::scales(std::size_t set) const {
    std::vector<float> out(scale_bytes_ / sizeof(float));
    scales_.download(std::as_writable_bytes(std::span(out)), set * scale_bytes_);
    return out;
}

Saved Call::saved(std::size_t set) const {
    Saved out;
    const SavedView view = saved_[set].view();
    const auto fetch = [&](bool there, std::vector<double>& to, const double* from) {
        if (!there) return;
        to.resize(statistics_bytes() / sizeof(double));
        copy(to.data(), Device::host, from, problem_.device, statistics_bytes());
    };
    fetch(saves_.mean, out.mean, view.mean), fetch(saves_.var, out.var, view.var),
        fetch(saves_.rstd, out.rstd, view.rstd);
    return out;
}

Arena::Arena(Device device, DType dtype, std::size_t inputs, std::size_t outputs)
    : inputs_(device, inputs), outputs_(device, outputs + offset) {
    Random random(1);
    std::vector<double> values((std::size_t{1} << 20) / size_of(dtype));
    for (double& v : values) v = 4 * random.uniform() - 1;  // mean 1, sd 1.15
    const std::vector<std::byte> pattern = stored(values, dtype);
    for (const Memory* memory : {&inputs_, &outputs_})
        for (std::size_t at = 0; at < memory->bytes(); at += pattern.size())
            copy(memory->at(at), device, pattern.data(), Device::host, std::min(pattern.size(), memory->bytes() - at));
}

}  // namespace normlab::bench
