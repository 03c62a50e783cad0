#pragma once
// Quad, the scalar of DType::quad. A header of its own: Boost's costs whoever includes it more than all of this
// library's together.

#include "norms/element.hpp"

#ifdef NORMLAB_FLOAT128
#include <boost/multiprecision/float128.hpp>
#else
#include <boost/multiprecision/cpp_bin_float.hpp>
#endif

namespace normlab {

// The compiler's arithmetic, where there is any, takes between three quarters (products) and an eighth (roots) of the
// time of Boost's own.
#ifdef NORMLAB_FLOAT128
using QuadBackend = boost::multiprecision::float128_backend;
#else
using QuadBackend = boost::multiprecision::cpp_bin_float_quad::backend_type;
#endif

/// IEEE binary128 precision (113 bits). Expression templates off, so that `auto` and xtensor are safe.
using Quad = boost::multiprecision::number<QuadBackend, boost::multiprecision::et_off>;
static_assert(sizeof(Quad) == size_of(DType::quad));

template <>
inline Quad read_element<Quad>(const void* data, DType d, std::int64_t i) {
    return d == DType::quad ? static_cast<const Quad*>(data)[i] : Quad(read_element<double>(data, d, i));
}

template <>
inline void write_element<Quad>(void* data, DType d, std::int64_t i, const Quad& v) {
    if (d == DType::quad) static_cast<Quad*>(data)[i] = v;
    else if (d == DType::complex) write_element(data, d, i, static_cast<double>(v));
    else with_storage_type(d, [&](auto tag) { static_cast<decltype(tag)*>(data)[i] = convert<decltype(tag)>(v); });
}

}  // namespace normlab
