#pragma once
// The element types, a row each: whatever depends on the type of an element asks this table, or the C++ types of
// half.hpp.

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace normlab {

/// Element types. `quad` (IEEE binary128 precision, norms/quad.hpp) and `complex` (std::complex<double>) exist for
/// verification: quad for identities, complex for derivatives by the complex step. Kernels may decline them. `e4m3` and
/// `e5m2` (norms/fp8.hpp) are of a y alone (Spec::output), and data are never of them.
enum class DType { f64, f32, bf16, f16, quad, complex, e4m3, e5m2 };

/// Bytes of a Quad: of the compiler's own, where it has one, or of Boost's.
#ifdef NORMLAB_FLOAT128
inline constexpr std::size_t quad_size = 16;
#else
inline constexpr std::size_t quad_size = 32;
#endif

struct DTypeRow {
    DType type;
    std::string_view name;
    std::size_t size;  ///< bytes of an element
    DType arithmetic;  ///< type that results are computed in, and gamma and beta are of unless a Spec says otherwise
    double roundoff;   ///< half the distance from 1 to the next larger number
    double largest, smallest_normal, smallest_subnormal;  ///< of quad and complex, those of f64
    double largest_kappa;    ///< of cases that are drawn: beyond it neighbours of a block are no longer told apart
    int plugin_code;         ///< NORMLAB_F64 and so on of norms/plugin.h; -1: it does not cross the plug-in interface
    std::string_view numpy;  ///< in what is exported for other libraries; empty: it is not exported
};

// clang-format off
inline constexpr DTypeRow dtype_table[] = {
    // type          name           size arithmetic      roundoff  largest                  normal     subnormal  kappa code numpy
    {DType::f64,     "f64",           8, DType::f64,     0x1p-53,  0x1.fffffffffffffp1023,  0x1p-1022, 0x1p-1074, 1e6,   0,  "float64"},
    {DType::f32,     "f32",           4, DType::f32,     0x1p-24,  0x1.fffffep127,          0x1p-126,  0x1p-149,  1e6,   1,  "float32"},
    {DType::bf16,    "bf16",          2, DType::f32,     0x1p-8,   0x1.fep127,              0x1p-126,  0x1p-133,  1e2,   2,  ""},
    {DType::f16,     "f16",           2, DType::f32,     0x1p-11,  65504,                   0x1p-14,   0x1p-24,   1e3,   3,  ""},
    {DType::quad,    "quad",  quad_size, DType::quad,    0x1p-113, 0x1.fffffffffffffp1023,  0x1p-1022, 0x1p-1074, 1e6,  -1,  ""},
    {DType::complex, "complex",       16, DType::complex, 0x1p-53,  0x1.fffffffffffffp1023,  0x1p-1022, 0x1p-1074, 1e6,  -1,  ""},
    {DType::e4m3,    "e4m3",          1, DType::f32,     0x1p-4,   448,                     0x1p-6,    0x1p-9,    1e2,  -1,  ""},
    {DType::e5m2,    "e5m2",          1, DType::f32,     0x1p-3,   57344,                   0x1p-14,   0x1p-16,   1e2,  -1,  ""},
};
// clang-format on

constexpr const DTypeRow& row_of(DType d) { return dtype_table[static_cast<std::size_t>(d)]; }
static_assert(std::ranges::all_of(dtype_table, [](const DTypeRow& row) { return &row == &row_of(row.type); }),
              "rows in the order of the enumeration");

/// Bytes of one element.
constexpr std::size_t size_of(DType d) { return row_of(d).size; }

/// The type that results are computed in: f32 for narrower ones, otherwise their own. Problem::params() says what type
/// gamma, beta and their gradients have.
constexpr DType arithmetic_dtype(DType d) { return row_of(d).arithmetic; }

/// Stored in fewer digits than it is computed in: bf16, f16; of a y e4m3 and e5m2, too.
constexpr bool is_narrow(DType d) { return arithmetic_dtype(d) != d; }

/// Unit roundoff of the precision that a dtype is computed in.
constexpr double unit_roundoff(DType d) { return row_of(arithmetic_dtype(d)).roundoff; }

/// Unit roundoff of narrow storage, 0 for the others.
constexpr double storage_roundoff(DType d) { return is_narrow(d) ? row_of(d).roundoff : 0; }

/// What narrow storage loses where it underflows, 0 for the others.
constexpr double storage_underflow(DType d) { return is_narrow(d) ? row_of(d).smallest_subnormal / 2 : 0; }

/// Those that kernels are made for and that can be asked for by name; the others are made inside checks.
constexpr bool is_kernel_dtype(DType d) { return row_of(d).plugin_code >= 0; }
inline constexpr auto kernel_dtypes = [] {
    std::array<DType, std::ranges::count_if(dtype_table, is_kernel_dtype, &DTypeRow::type)> all{};
    std::size_t i = 0;
    for (const DTypeRow& row : dtype_table)
        if (is_kernel_dtype(row.type)) all[i++] = row.type;
    return all;
}();

}  // namespace normlab
