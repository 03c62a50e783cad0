#pragma once
// Elements on the host: reading and writing one with a conversion, and one dispatch for the dtypes that kernels are
// made for. Quad is in quad.hpp.

#include <complex>
#include <type_traits>
#include <utility>

#include "norms/fp8.hpp"
#include "norms/half.hpp"
#include "norms/tensor.hpp"

namespace normlab {

using Complex = std::complex<double>;

template <class T>
inline constexpr bool is_complex = std::is_same_v<T, Complex>;

/// The real part; for real T the value itself. In correction factors it is what makes them constants under the complex
/// step.
template <class T>
auto real_part(const T& v) {
    if constexpr (is_complex<T>) return v.real();
    else return v;
}

/// Narrow storage types convert from and to float; those of 8 bits from a double, with one rounding.
template <class T>
inline constexpr bool is_narrow_storage = std::is_class_v<T> && sizeof(T) < sizeof(float);
template <class T>
inline constexpr bool is_eight_bits = is_narrow_storage<T> && sizeof(T) == 1;

template <class To, class From>
To convert(const From& v) {
    if constexpr (std::is_same_v<To, From>) return v;
    else if constexpr (is_narrow_storage<From>) return convert<To>(static_cast<float>(v));
    else if constexpr (is_eight_bits<To>) return To(convert<double>(v));
    else if constexpr (is_narrow_storage<To>) return To(convert<float>(v));
    else if constexpr (is_complex<From>) return convert<To>(v.real());
    else if constexpr (is_complex<To>) return To(convert<double>(v));
    else return static_cast<To>(v);
}

[[noreturn]] void refuse_dtype(DType d);

/// Calls f with a value of the storage type of `d`, one that kernels are made for.
template <class F>
decltype(auto) with_storage_type(DType d, F&& f) {
#define NORMLAB_CASE(dtype, Storage) \
    case DType::dtype: return f(Storage{});
    switch (d) {
        NORMLAB_EACH_STORAGE_TYPE(NORMLAB_CASE)
        default: break;
    }
#undef NORMLAB_CASE
    refuse_dtype(d);
}

/// The same of whatever y may be stored in (Spec::output).
template <class F>
decltype(auto) with_output_type(DType d, F&& f) {
    if (d == DType::e4m3) return f(e4m3{});
    if (d == DType::e5m2) return f(e5m2{});
    return with_storage_type(d, std::forward<F>(f));
}

// Of quad, in f64: quad.cpp.
double read_quad(const void* data, std::int64_t i);
void write_quad(void* data, std::int64_t i, double v);

template <class T>
T read_element(const void* data, DType d, std::int64_t i) {
    if (d == DType::complex) return convert<T>(static_cast<const Complex*>(data)[i]);
    if (d == DType::quad) return convert<T>(read_quad(data, i));
    return with_output_type(d, [&](auto tag) { return convert<T>(static_cast<const decltype(tag)*>(data)[i]); });
}

template <class T>
void write_element(void* data, DType d, std::int64_t i, const T& v) {
    if (d == DType::complex) static_cast<Complex*>(data)[i] = convert<Complex>(v);
    else if (d == DType::quad) write_quad(data, i, convert<double>(v));
    else with_output_type(d, [&](auto tag) { static_cast<decltype(tag)*>(data)[i] = convert<decltype(tag)>(v); });
}

/// Calls f with a function of i that reads element i of the array as T: one dispatch for many elements.
template <class T, class F>
void with_reader(const void* data, DType d, F&& f) {
    if (!is_kernel_dtype(d)) return f([=](std::int64_t i) { return read_element<T>(data, d, i); });
    with_storage_type(d, [&](auto tag) {
        f([from = static_cast<const decltype(tag)*>(data)](std::int64_t i) { return convert<T>(from[i]); });
    });
}

/// Likewise, with a function of i and v that writes v there.
template <class T, class F>
void with_writer(void* data, DType d, F&& f) {
    if (!is_kernel_dtype(d)) return f([=](std::int64_t i, const T& v) { write_element(data, d, i, v); });
    with_storage_type(d, [&](auto tag) {
        f([to = static_cast<decltype(tag)*>(data)](std::int64_t i, const T& v) { to[i] = convert<decltype(tag)>(v); });
    });
}

/// v rounded to the dtype; itself where that is wider than f64.
inline double rounded(double v, DType d) {
    if (d == DType::quad || d == DType::complex) return v;
    return with_output_type(d, [v](auto tag) { return convert<double>(convert<decltype(tag)>(v)); });
}

}  // namespace normlab
