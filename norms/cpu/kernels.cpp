// Compiled once for each instruction set that CMake names: NORMLAB_CPU_LEVEL is its namespace. The bits of the results
// do not depend on it.
#include "norms/cpu/kernels.hpp"

#include "norms/cpu/column_passes.hpp"
#include "norms/cpu/few.hpp"
#include "norms/cpu/quantize.hpp"
#include "norms/element.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {
namespace {

// What the kernels have in the place of parameters that are stored less an offset or in 16 bits: C of each, of the type
// that is computed in, at the front of the workspace. The kernels know of neither.
template <class T>
struct WideParameters {
    using P = ParamOf<T>;
    P *gamma = nullptr, *beta = nullptr, *dgamma = nullptr, *dbeta = nullptr;
    std::size_t bytes;

    WideParameters(const Setup& s, void* workspace) : C_(s.problem.shape.C), params_(s.problem.params()) {
        Arena arena(workspace);
        if (narrow() || s.problem.spec.gamma_offset != 0) gamma = arena.take<P>(C_);
        if (narrow()) beta = arena.take<P>(C_), dgamma = arena.take<P>(C_), dbeta = arena.take<P>(C_);
        bytes = arena.used();
    }

    template <class Args>
    Args in_place_of(const Setup& s, Args args) const {
        const auto widen = [&](const void*& from, P* to, std::int32_t offset) {
            if (!from || !to) return;
            in_groups([&](auto stored, std::int64_t c, auto count) {
                store<P>(to + c, load<P>(static_cast<const decltype(stored)*>(from) + c, count), count);
            });
            for (std::int64_t c = 0; offset != 0 && c < C_; ++c) to[c] += static_cast<P>(offset);
            from = to;
        };
        widen(args.affine.gamma, gamma, s.problem.spec.gamma_offset), widen(args.affine.beta, beta, 0);
        args.workspace = static_cast<std::byte*>(args.workspace) + bytes;
        return args;
    }

    Gradients in_place_of(Gradients gradients) const {
        if (gradients.dgamma && dgamma) gradients.dgamma = dgamma;
        if (gradients.dbeta && dbeta) gradients.dbeta = dbeta;
        return gradients;
    }
    // The one rounding of gradients.
    void round_into(const Gradients& to) const {
        const auto narrow_to = [&](void* into, const P* sums) {
            if (!into || !sums) return;
            in_groups([&](auto stored, std::int64_t c, auto count) {
                store<P>(static_cast<decltype(stored)*>(into) + c, load<P>(sums + c, count), count);
            });
        };
        narrow_to(to.dgamma, dgamma), narrow_to(to.dbeta, dbeta);
    }

private:
    bool narrow() const { return is_narrow(params_); }
    // f(an element as it is stored, the first channel, how many), eight channels at a time.
    template <class F>
    void in_groups(F f) const {
        with_storage_type(params_, [&](auto stored) {
            if constexpr (sizeof stored <= sizeof(P))
                for_groups(C_, [&](std::int64_t c, auto count) { f(stored, c, count); });
        });
    }

    std::int64_t C_;
    DType params_;
};

template <class T, class Out>
void forward_to(const Setup& s, const ForwardArgs& args, const Out& out, int threads) {
    if (s.has_few()) return few_forward<T>(s, args, out, threads);
    s.kernel == Kernel::column ? forward_columns<T>(s, args, out, threads)
                               : forward_blocks<T>(s, args, Elements<T, Out>{s, out}, threads);
}

// y of another type than the data, which row and slab alone have, blocks of few elements among theirs.
template <class T>
void forward_output(const Setup& s, const ForwardArgs& args, int threads) {
    if constexpr (sizeof(T) <= sizeof(float)) {
        const auto forward_with = [&](const auto& put) { forward_blocks<T>(s, args, put, threads); };
        const DType type = s.problem.outputs();
        if (type == DType::e4m3) return forward_with(QuantizedElements<T, e4m3>{s});
        if (type == DType::e5m2) return forward_with(QuantizedElements<T, e5m2>{s});
        auto* y = static_cast<float*>(args.y.data);
        s.problem.spec.activates() ? forward_with(Elements<T, Activated<float>>{s, {y, s.problem.spec.activation}})
                                   : forward_with(Elements<T, AsItIs<float>>{s, {y}});
    }
}

template <class T>
void forward(const Setup& s, const ForwardArgs& args, int threads) {
    if (s.problem.outputs() != s.problem.dtype) return forward_output<T>(s, args, threads);
    T* y = static_cast<T*>(args.y.data);
    s.problem.spec.activates() ? forward_to<T>(s, args, Activated<T>{y, s.problem.spec.activation}, threads)
                               : forward_to<T>(s, args, AsItIs<T>{y}, threads);
}

// G: of dy, or of dz = dy act'(z) in its place.
template <class T, class G>
void backward(const Setup& s, const BackwardArgs& all, int threads) {
    BackwardArgs args = all;
    const bool parameters = args.gradients.dgamma || args.gradients.dbeta;
    if (s.has_few()) args.gradients.dx.data = nullptr;  // dgamma and dbeta first, as dx may replace dy
    if (!s.has_few() || parameters)
        s.kernel == Kernel::column ? backward_columns<T, G>(s, args, threads) : backward_blocks<T, G>(s, args, threads);
    if (s.has_few() && all.gradients.dx.data) few_backward<T, G>(s, all, threads);
}

// dz of the whole tensor, at the front of the workspace. z is formed again as forward formed it, but of x_hat itself.
template <class T>
void backward_behind(Setup s, BackwardArgs args, int threads) {
    using A = ArithmeticOf<T>;
    s.problem.spec.cast = Cast::after;
    Arena arena(args.workspace);
    const BeforeActivation<T> out{static_cast<const T*>(args.dy.data), arena.take<A>(s.problem.shape.size()),
                                  s.problem.spec.activation};
    args.workspace = static_cast<std::byte*>(args.workspace) + arena.used();
    if (s.has_few()) elements_of_few<T>(s, args, out, threads);
    else if (s.kernel != Kernel::column) put_blocks(s, args, Elements<T, BeforeActivation<T>>{s, out}, threads);
    else elements_of_columns<A, T>(s, args, ColumnArrays<A>(s, args.workspace), out, threads);
    args.dy.data = out.dz;
    backward<T, A>(s, args, threads);
}

template <class T>
Kernels kernels_of() {
    return {[](const Setup& s, const ForwardArgs& given, int threads) {
                forward<T>(s, WideParameters<T>(s, given.workspace).in_place_of(s, given), threads);
            },
            [](const Setup& s, const BackwardArgs& given, int threads) {
                const WideParameters<T> wide(s, given.workspace);
                BackwardArgs args = wide.in_place_of(s, given);
                args.gradients = wide.in_place_of(given.gradients);
                s.problem.spec.activates() ? backward_behind<T>(s, args, threads) : backward<T, T>(s, args, threads);
                wide.round_into(given.gradients);
            },
            [](const Setup& s) {
                Arena dz(nullptr);
                if (s.problem.spec.activates()) dz.take<ArithmeticOf<T>>(s.problem.shape.size());
                const std::size_t parameters = WideParameters<T>(s, nullptr).bytes + dz.used();
                if (s.kernel == Kernel::column)
                    return parameters + ColumnArrays<ArithmeticOf<T>>(s, nullptr).arena.used();
                Arena arena(nullptr);
                take_parameter_sums(s, arena);
                return parameters + arena.used();
            }};
}

}  // namespace

Kernels kernels(DType dtype) {
#ifdef NORMLAB_CPU_F64_F32_ALONE  // as_plugin.cpp is compiled for every mutant
    return dtype == DType::f64 ? kernels_of<double>() : kernels_of<float>();
#else
    return with_storage_type(dtype, [](auto tag) { return kernels_of<decltype(tag)>(); });
#endif
}

}  // namespace NORMLAB_CPU_LEVEL
}  // namespace normlab::cpu
