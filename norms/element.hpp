#pragma once
// Elements of every dtype on the host: the storage type, reading and writing one with a conversion, one dispatch for all.

#include <complex>
#include <type_traits>

#include <boost/multiprecision/cpp_bin_float.hpp>

#include "norms/half.hpp"
#include "norms/tensor.hpp"

namespace normlab {

/// IEEE binary128 precision (113 bits). Expression templates off, so that `auto` and xtensor are safe.
using Quad = boost::multiprecision::number<boost::multiprecision::cpp_bin_float_quad::backend_type, boost::multiprecision::et_off>;
using Complex = std::complex<double>;
static_assert(sizeof(Quad) == 32);   // size_of(DType::quad)

template <class T>
inline constexpr bool is_complex = std::is_same_v<T, Complex>;

/// The real part; for real T the value itself. In correction factors it is what makes them constants under the complex step.
template <class T>
auto real_part(const T& v) {
    if constexpr (is_complex<T>) return v.real(); else return v;
}

template <class To, class From>
To convert(const From& v) {
    if constexpr (std::is_same_v<To, From>) return v;
    else if constexpr (std::is_same_v<From, bf16> || std::is_same_v<From, f16>) return convert<To>(static_cast<float>(v));
    else if constexpr (std::is_same_v<To, bf16> || std::is_same_v<To, f16>) return To(convert<float>(v));
    else if constexpr (is_complex<From>) return convert<To>(v.real());
    else if constexpr (is_complex<To>) return To(convert<double>(v));
    else return static_cast<To>(v);
}

/// Calls f with a value of the storage type of `d`.
template <class F>
decltype(auto) with_storage_type(DType d, F&& f) {
    switch (d) {
        case DType::f64: return f(double{});
        case DType::f32: return f(float{});
        case DType::bf16: return f(bf16{});
        case DType::f16: return f(f16{});
        case DType::quad: return f(Quad{});
        case DType::complex: return f(Complex{});
    }
    throw Error("unknown dtype");
}

template <class T>
T read_element(const void* data, DType d, std::int64_t i) {
    return with_storage_type(d, [&](auto tag) { return convert<T>(static_cast<const decltype(tag)*>(data)[i]); });
}

template <class T>
void write_element(void* data, DType d, std::int64_t i, const T& v) {
    with_storage_type(d, [&](auto tag) { static_cast<decltype(tag)*>(data)[i] = convert<decltype(tag)>(v); });
}

}  // namespace normlab
