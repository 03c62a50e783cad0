// Compiled once for each instruction set that CMake names: NORMLAB_CPU_LEVEL is its namespace. The bits of the results
// do not depend on it.
#include "norms/cpu/kernels.hpp"

#include "norms/cpu/column_passes.hpp"
#include "norms/cpu/few.hpp"
#include "norms/element.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {
namespace {

// Factors of x_hat in the place of a gamma that is stored less an offset: C of them, of the parameters' type, at the
// front of the workspace. The kernels know of no offset.
template <class T>
ParamOf<T>* take_factors(const Setup& s, Arena& arena) {
    return s.problem.spec.gamma_offset == 0 ? nullptr : arena.take<ParamOf<T>>(s.problem.shape.C);
}

template <class T, class Args>
Args with_factors(const Setup& s, Args args) {
    Arena arena(args.workspace);
    ParamOf<T>* factors = take_factors<T>(s, arena);
    if (!factors) return args;
    if (const auto* gamma = static_cast<const ParamOf<T>*>(args.affine.gamma)) {
        const auto offset = static_cast<ParamOf<T>>(s.problem.spec.gamma_offset);
        for (std::int64_t c = 0; c < s.problem.shape.C; ++c) factors[c] = offset + gamma[c];
        args.affine.gamma = factors;
    }
    args.workspace = static_cast<std::byte*>(args.workspace) + arena.used();
    return args;
}

template <class T>
Kernels kernels_of() {
    return {[](const Setup& s, const ForwardArgs& given, int threads) {
                const ForwardArgs args = with_factors<T>(s, given);
                if (s.has_few()) return few_forward<T>(s, args, threads);
                s.kernel == Kernel::column ? forward_columns<T>(s, args, threads) : forward_blocks<T>(s, args, threads);
            },
            [](const Setup& s, const BackwardArgs& given, int threads) {
                const BackwardArgs all = with_factors<T>(s, given);
                BackwardArgs args = all;
                const bool parameters = args.gradients.dgamma || args.gradients.dbeta;
                if (s.has_few()) args.gradients.dx.data = nullptr;  // dgamma and dbeta first, as dx may replace dy
                if (!s.has_few() || parameters)
                    s.kernel == Kernel::column ? backward_columns<T>(s, args, threads)
                                               : backward_blocks<T>(s, args, threads);
                if (s.has_few() && all.gradients.dx.data) few_backward<T>(s, all, threads);
            },
            [](const Setup& s) {
                Arena arena(nullptr);
                take_factors<T>(s, arena);
                const std::size_t factors = s.problem.spec.gamma_offset == 0 ? 0 : arena.used();
                if (s.kernel == Kernel::column) return factors + ColumnArrays<ArithmeticOf<T>>(s, nullptr).arena.used();
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
