// Compiled once for each instruction set that CMake names: NORMLAB_CPU_LEVEL is its namespace. The bits of the results
// do not depend on it.
#include "norms/cpu/kernels.hpp"

#include "norms/cpu/column_passes.hpp"
#include "norms/cpu/few.hpp"
#include "norms/element.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {
namespace {

template <class T>
Kernels kernels_of() {
    return {[](const Setup& s, const ForwardArgs& args, int threads) {
                if (s.has_few()) return few_forward<T>(s, args, threads);
                s.kernel == Kernel::column ? forward_columns<T>(s, args, threads) : forward_blocks<T>(s, args, threads);
            },
            [](const Setup& s, const BackwardArgs& all, int threads) {
                BackwardArgs args = all;
                const bool parameters = args.gradients.dgamma || args.gradients.dbeta;
                if (s.has_few()) args.gradients.dx.data = nullptr;  // dgamma and dbeta first, as dx may replace dy
                if (!s.has_few() || parameters)
                    s.kernel == Kernel::column ? backward_columns<T>(s, args, threads)
                                               : backward_blocks<T>(s, args, threads);
                if (s.has_few() && all.gradients.dx.data) few_backward<T>(s, all, threads);
            },
            [](const Setup& s) {
                if (s.kernel == Kernel::column) return ColumnArrays<ArithmeticOf<T>>(s, nullptr).arena.used();
                Arena arena(nullptr);
                take_parameter_sums(s, arena);
                return arena.used();
            }};
}

}  // namespace

Kernels kernels(DType dtype) {
    return with_storage_type(dtype, [](auto tag) { return kernels_of<decltype(tag)>(); });
}

}  // namespace NORMLAB_CPU_LEVEL
}  // namespace normlab::cpu
