#include "studies/noise/measured_norm.hpp"

#include <algorithm>

namespace normlab::noise {
namespace {

Problem problem_of(const Spec& spec, const Shape& shape, Mode mode, DType dtype, Device device) {
    return {
        .spec = spec, .shape = shape, .dtype = dtype, .layout = Layout::channels_first, .mode = mode, .device = device};
}

}  // namespace

Array array_of(Device device, const Shape& shape, DType dtype) {
    Array x(device, dtype);
    x.resize({.N = shape.N, .C = shape.C, .H = shape.S});
    return x;
}

Tensor channels_first(const Array& x) {
    Tensor t = x.tensor();
    t.layout = Layout::channels_first;
    return t;
}

MeasuredNorm::MeasuredNorm(const Spec& spec, const Shape& shape, Mode mode, DType dtype,
                           const Implementation& implementation)
    : operation_(problem_of(spec, shape, mode, dtype, implementation.device()), implementation, {.threads = 1}),
      device_(implementation.device()), saved_(operation_),
      state_(device_, spec.running == Running::none ? 0 : 2 * static_cast<std::size_t>(shape.C) * sizeof(double)),
      y_(array()), dx_(array()) {}

void MeasuredNorm::set_state(double mean, double spread) {
    std::vector<double> both(state_.bytes() / sizeof(double), mean);
    std::fill(both.begin() + static_cast<std::ptrdiff_t>(both.size() / 2), both.end(), spread);
    state_.upload(std::as_bytes(std::span(both)));
    count_ = 0;
}

StateView MeasuredNorm::state() const {
    const Problem& p = operation_.problem();
    if (p.spec.running == Running::none) return {};
    auto* mean = static_cast<double*>(state_.data());
    double* spread = mean + p.shape.C;
    if (p.spec.running == Running::sigma) return {mean, nullptr, spread, &count_};
    return {mean, spread, nullptr, &count_};
}

void MeasuredNorm::forward(const Array& x) {
    operation_.forward(channels_first(x), {}, state(), saved_.view(), channels_first(y_));
}

void MeasuredNorm::backward(const Array& x, const Array& dy) {
    operation_.backward(channels_first(x), channels_first(dy), {}, saved_.view(), {.dx = channels_first(dx_)});
}

std::vector<double> MeasuredNorm::download(const double* from, std::int64_t count) const {
    std::vector<double> to(from ? static_cast<std::size_t>(count) : 0);
    copy(to.data(), Device::host, from, device_, to.size() * sizeof(double));
    return to;
}

Saved MeasuredNorm::saved() const {
    const SavedView s = saved_.view();
    const std::int64_t n = operation_.problem().statistics_count();
    return {download(s.mean, n), download(s.var, n), download(s.rstd, n), download(s.r, n), download(s.d, n), {}};
}

std::vector<double> MeasuredNorm::running(int column) const {
    const std::int64_t C = operation_.problem().shape.C;
    return download(static_cast<const double*>(state_.data()) + column * C, C);
}

}  // namespace normlab::noise
