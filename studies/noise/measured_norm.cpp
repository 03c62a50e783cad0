#include "studies/noise/layer.hpp"

#include <algorithm>

namespace normlab::noise {
namespace {

Problem problem_of(const Spec& spec, const Shape& shape, Mode mode, DType dtype, Device device) {
    return {.spec = spec, .shape = shape, .dtype = dtype, .layout = Layout::channels_first, .mode = mode, .device = device};
}

std::size_t entries(const Shape& shape) { return static_cast<std::size_t>(shape.size()); }

}  // namespace

Array::Array(Device device, const Shape& shape, DType dtype) : memory_(device, entries(shape) * size_of(dtype)), shape_(shape), dtype_(dtype) {}

void Array::set(std::span<const double> values) {
    if (dtype_ == DType::f64) return memory_.upload(std::as_bytes(values));
    const std::vector<float> rounded(values.begin(), values.end());
    memory_.upload(std::as_bytes(std::span(rounded)));
}

std::vector<double> Array::values() const {
    std::vector<double> all(entries(shape_));
    if (dtype_ == DType::f64) {
        memory_.download(std::as_writable_bytes(std::span(all)));
    } else {
        std::vector<float> narrow(all.size());
        memory_.download(std::as_writable_bytes(std::span(narrow)));
        std::ranges::copy(narrow, all.begin());
    }
    return all;
}

Layer::Layer(const Spec& spec, const Shape& shape, Mode mode, DType dtype, const Implementation& implementation)
    : operation_(problem_of(spec, shape, mode, dtype, implementation.device()), implementation, {.threads = 1}),
      device_(implementation.device()),
      saved_(operation_),
      state_(device_, spec.running == Running::none ? 0 : 2 * static_cast<std::size_t>(shape.C) * sizeof(double)),
      y_(array()),
      dx_(array()) {}

void Layer::set_state(double mean, double spread) {
    std::vector<double> both(state_.bytes() / sizeof(double), mean);
    std::fill(both.begin() + static_cast<std::ptrdiff_t>(both.size() / 2), both.end(), spread);
    state_.upload(std::as_bytes(std::span(both)));
    count_ = 0;
}

StateView Layer::state() const {
    const Problem& p = operation_.problem();
    if (p.spec.running == Running::none) return {};
    auto* mean = static_cast<double*>(state_.data());
    double* spread = mean + p.shape.C;
    if (p.spec.running == Running::sigma) return {mean, nullptr, spread, &count_};
    return {mean, spread, nullptr, &count_};
}

void Layer::forward(const Array& x) { operation_.forward(x.view(), {}, state(), saved_.view(), y_.view()); }

void Layer::backward(const Array& x, const Array& dy) { operation_.backward(x.view(), dy.view(), {}, saved_.view(), {.dx = dx_.view()}); }

std::vector<double> Layer::download(const double* from, std::int64_t count) const {
    std::vector<double> to(from ? static_cast<std::size_t>(count) : 0);
    copy(to.data(), Device::host, from, device_, to.size() * sizeof(double));
    return to;
}

Statistics Layer::statistics() const {
    const SavedView s = saved_.view();
    const std::int64_t n = operation_.problem().statistics_count();
    return {download(s.mean, n), download(s.var, n), download(s.rstd, n), download(s.r, n), download(s.d, n)};
}

std::vector<double> Layer::running(int column) const {
    const std::int64_t C = operation_.problem().shape.C;
    return download(static_cast<const double*>(state_.data()) + column * C, C);
}

}  // namespace normlab::noise
