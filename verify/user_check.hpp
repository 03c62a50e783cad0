#pragma once
// A kernel checked from its author's own test suite: find_package(normlab), target_link_libraries(mine
// normlab::verify), and with Catch2
//
//     #include "verify/user_check.hpp"
//
//     TEST_CASE("my layer norm") {
//         const normlab::Kernel<float> mine{
//             [](const normlab::Problem& p, const normlab::Arrays<float>& a) {
//                 my_forward(a.x, a.gamma, a.beta, a.y, p.shape.N, p.shape.C, p.spec.eps);
//             },
//             [](const normlab::Problem& p, const normlab::Arrays<float>& a) {
//                 my_backward(a.x, a.dy, a.gamma, a.dx, a.dgamma, a.dbeta, p.shape.N, p.shape.C, p.spec.eps);
//             }};
//         const normlab::CheckResult result = normlab::check(mine, normlab::layer_norm());
//         INFO(result.text);
//         CHECK(result);
//     }
//
// With GoogleTest the last two lines are EXPECT_TRUE(result) << result.text;
// Checks and bounds are those of `normlab verify`. The kernel runs in the caller's process.

#include <functional>
#include <string>
#include <type_traits>

#include "norms/half.hpp"
#include "norms/registry.hpp"
#include "norms/variants.hpp"

namespace normlab {

/// The arrays of one call, dense, of problem.shape and problem.layout: [N, C, S] or [N, S, C]. Layer and rms norm come
/// with S = 1: a sample of C elements, each with a gamma of its own. The kernel may write only the arrays whose
/// comment says so, and must write every element of those that are marked as written. y may be x, and dx may be dy.
/// Param is T, but float for bf16 and f16; parameters have C entries.
template <class T>
struct Arrays {
    using Param = ParamOf<T>;

    const T *x = nullptr, *dy = nullptr;  ///< dy: in backward
    /// problem.affine_count() each, or null: 1, 0; rms_norm and weight_norm have no beta
    const Param *gamma = nullptr, *beta = nullptr;
    T *y = nullptr, *dx = nullptr;  ///< written: y by forward, dx by backward unless null
    /// written by backward unless null, whether gamma and beta are there or not
    Param *dgamma = nullptr, *dbeta = nullptr;
    /// C each, as spec.running says; moved by forward in training
    double *running_mean = nullptr, *running_var = nullptr, *running_sigma = nullptr;
    std::int64_t* count = nullptr;  ///< updates of them so far; likewise
    /// problem.statistics_count() each: forward may leave what it likes for backward
    double *mean = nullptr, *var = nullptr, *rstd = nullptr;
    /// the same number: batch renorm in training; written by forward
    double *r = nullptr, *d = nullptr;
};

/// T: float, double, bf16 or f16. A kernel that throws fails the check, with the exception's text.
template <class T>
struct Kernel {
    std::function<void(const Problem&, const Arrays<T>&)> forward, backward;
};

struct CheckOptions {
    std::string tier = "ci";                               ///< or smoke, full
    Accumulation accumulation = Accumulation::sequential;  ///< how the kernel forms sums; its bounds follow from it
    std::vector<Layout> layouts = {Layout::channels_first};
    std::vector<Mode> modes = {Mode::train, Mode::eval};
    std::vector<std::string> checks = {};  ///< names of `normlab list`; empty: all
    std::vector<std::string> cases = {};   ///< run exactly these, as a failure printed them
};

struct CheckResult {
    std::size_t held = 0, failed = 0, unresolved = 0, skipped = 0;
    std::string text;  ///< each failed and unresolved finding with the line that reruns it, then a line that sums up
    explicit operator bool() const { return failed == 0 && unresolved == 0 && held > 0; }
};

/// The kernel as an implementation's plan calls it.
struct ErasedKernel {
    DType dtype = DType::f32;
    std::function<void(const Problem&, const ForwardArgs&)> forward;
    std::function<void(const Problem&, const BackwardArgs&)> backward;
};

/// Runs the checks of a tier on the kernel, for the variant of `spec`. eps, momentum, running, r_max and d_max of
/// `spec` are used where a check does not vary them itself, so the kernel must take them, and groups, from the Problem
/// that it is given. Calls of check() wait for each other, and the kernel is called by one thread at a time. Throws
/// Error for unknown names, or where nothing is left to run.
CheckResult check(const ErasedKernel& kernel, const Spec& spec, const CheckOptions& options = {});

template <class T>
CheckResult check(const Kernel<T>& kernel, const Spec& spec, const CheckOptions& options = {}) {
    static_assert(
        requires { DTypeOf<T>::value; }, "a kernel of float, double or a storage type of norms/half.hpp is checked");
    using Param = typename Arrays<T>::Param;
    const auto common = [](const auto& args) {
        Arrays<T> a;
        a.x = static_cast<const T*>(args.x.data);
        a.gamma = static_cast<const Param*>(args.affine.gamma), a.beta = static_cast<const Param*>(args.affine.beta);
        a.mean = const_cast<double*>(args.saved.mean), a.var = const_cast<double*>(args.saved.var),
        a.rstd = const_cast<double*>(args.saved.rstd);
        a.r = const_cast<double*>(args.saved.r), a.d = const_cast<double*>(args.saved.d);
        return a;
    };
    ErasedKernel erased{DTypeOf<T>::value, {}, {}};
    erased.forward = [&](const Problem& p, const ForwardArgs& args) {
        Arrays<T> a = common(args);
        a.y = static_cast<T*>(args.y.data);
        a.running_mean = args.state.mean, a.running_var = args.state.var, a.running_sigma = args.state.sigma,
        a.count = args.state.count;
        kernel.forward(p, a);
    };
    erased.backward = [&](const Problem& p, const BackwardArgs& args) {
        Arrays<T> a = common(args);
        a.dy = static_cast<const T*>(args.dy.data), a.dx = static_cast<T*>(args.gradients.dx.data);
        a.dgamma = static_cast<Param*>(args.gradients.dgamma), a.dbeta = static_cast<Param*>(args.gradients.dbeta);
        kernel.backward(p, a);
    };
    return check(erased, spec, options);
}

}  // namespace normlab
