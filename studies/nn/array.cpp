#include "studies/nn/array.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace normlab::nn {
namespace {

std::size_t bytes_of(const Dims& dims, DType dtype) { return static_cast<std::size_t>(dims.size()) * size_of(dtype); }

template <class From>
void upload(Memory& memory, const Dims& dims, DType dtype, std::span<const From> values) {
    if (static_cast<std::int64_t>(values.size()) != dims.size())
        throw Error(
            fmt::format("{} values for an array of {}; as many as it has are accepted", values.size(), dims.size()));
    if (dtype == (std::is_same_v<From, float> ? DType::f32 : DType::f64)) return memory.upload(std::as_bytes(values));
    using To = std::conditional_t<std::is_same_v<From, float>, double, float>;
    std::vector<To> converted;
    for (From v : values) converted.push_back(static_cast<To>(v));
    memory.upload(std::as_bytes(std::span(converted)));
}

}  // namespace

void Array::resize(const Dims& dims) {
    if (dtype_ != DType::f32 && dtype_ != DType::f64) throw Error("an array of the substrate holds f32 or f64");
    if (std::min({dims.N, dims.C, dims.H, dims.W}) < 0)
        throw Error(fmt::format("an array of {} x {} x {} x {}; dimensions of at least 0 are accepted", dims.N, dims.H,
                                dims.W, dims.C));
    if (const std::size_t bytes = bytes_of(dims, dtype_); bytes > memory_.bytes()) memory_ = Memory(device_, bytes);
    dims_ = dims;
}

Tensor Array::view(std::int64_t N, std::int64_t C, std::int64_t S) const {
    return {memory_.data(), dtype_, {N, C, S}, Layout::channels_last, device_};
}
Tensor Array::tensor() const { return view(dims_.N, dims_.C, dims_.positions()); }
Tensor Array::matrix() const { return view(dims_.N * dims_.positions(), dims_.C, 1); }
Tensor Array::rows() const { return view(dims_.N, dims_.features(), 1); }

Tensor Array::slice(std::int64_t first, std::int64_t samples) const {
    Tensor t = view(samples * dims_.positions(), dims_.C, 1);
    t.data = memory_.at(bytes_of({first, dims_.C, dims_.H, dims_.W}, dtype_));
    return t;
}

void Array::set(std::span<const float> values) { upload(memory_, dims_, dtype_, values); }
void Array::set(std::span<const double> values) { upload(memory_, dims_, dtype_, values); }
void Array::fill(double value) { set(std::vector<double>(static_cast<std::size_t>(dims_.size()), value)); }

std::vector<double> Array::values() const {
    std::vector<double> all(static_cast<std::size_t>(dims_.size()));
    if (dtype_ == DType::f64) {
        memory_.download(std::as_writable_bytes(std::span(all)));
    } else {
        std::vector<float> narrow(all.size());
        memory_.download(std::as_writable_bytes(std::span(narrow)));
        std::ranges::copy(narrow, all.begin());
    }
    return all;
}

HostView::HostView(const Array& a) : tensor(a.tensor()) {
    if (a.device() == Device::host) return;
    copy_ = a.values();
    tensor.data = copy_.data(), tensor.dtype = DType::f64, tensor.device = Device::host;
}

double l2(const Array& a) {
    double sum = 0;
    for (double v : a.values()) sum += v * v;
    return std::sqrt(sum);
}

}  // namespace normlab::nn
