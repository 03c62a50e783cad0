#pragma once
// The numbers of one call, in logical order [n][c][s] whatever the layout, and running an implementation on them.

#include <vector>

#include "norms/element.hpp"
#include "norms/registry.hpp"

namespace normlab::verify {

/// T is double (exact for f64, f32 and 16-bit data), Quad or Complex. Values are representable in the problem's dtypes.
template <class T>
struct Inputs {
    Problem problem;
    std::vector<T> x, dy;
    std::vector<T> gamma, beta;  ///< Problem::affine_count() values each, or empty: absent
    State state;                 ///< before the call
    /// cotangents of dx, dgamma and dbeta, for the double backward; empty: absent, 0
    std::vector<T> v = {}, u = {}, w = {};
    /// of a layer with a residual, otherwise empty; the cotangent of s, empty: absent, 0
    std::vector<T> residual = {}, ds = {};
    std::vector<std::uint8_t> mask = {};  ///< of a layer with a mask, N*S bytes; otherwise empty
    std::vector<T> scale = {};            ///< of a y of 8 bits, where it is given, as it is stored
    std::vector<T> tau = {};              ///< of a layer with a threshold, as gamma and beta; otherwise empty

    /// Whether the mask leaves element i in.
    bool counts(std::size_t i) const {
        const auto C = static_cast<std::size_t>(problem.shape.C), S = static_cast<std::size_t>(problem.shape.S);
        return mask.empty() || mask[i / (C * S) * S + i % S] != 0;
    }
    /// Whether the double backward is called for. Behind an activation, with a residual, with a mask and where
    /// statistics are of a part there is none.
    bool twice() const {
        return !dy.empty() && !(v.empty() && u.empty() && w.empty()) && !problem.spec.activates() &&
               !problem.spec.adds() && !problem.spec.masked && !problem.spec.is_partial();
    }

    /// What is normalized: x, or what forward's statistics see of x + residual.
    std::vector<T> seen() const { return summed(problem.spec.residual == Residual::stored); }
    /// What backward reads: x, or s.
    std::vector<T> stored() const { return summed(true); }
    /// The same layer behind the sum, on these numbers.
    Inputs without_residual(std::vector<T> normalized) const {
        Inputs out{problem, std::move(normalized), dy, gamma, beta, state};
        out.problem.spec.residual = Residual::none, out.problem.spec.residual_dtype.reset();
        out.mask = mask, out.tau = tau;
        return out;
    }

    /// What x_hat is multiplied by where this entry of gamma is used, and that of element i.
    T factor(std::size_t entry) const { return gamma.empty() ? T(1) : problem.spec.factor(gamma[entry]); }
    T factor_of(std::size_t i) const { return factor(problem.affine_entry(i)); }
    /// Of a threshold; 0 where there is none.
    T tau_of(std::size_t entry) const { return tau.empty() ? T(0) : tau[entry]; }

    /// The same numbers as another scalar, in another dtype.
    template <class U>
    Inputs<U> as(DType dtype) const {
        Inputs<U> out{problem, {}, {}, {}, {}, state};
        out.problem.dtype = dtype, out.problem.spec.param_dtype.reset();
        out.problem.spec.residual_dtype.reset();
        out.mask = mask;
        out.problem.spec = out.problem.spec.without_output();
        const auto copy = [](const std::vector<T>& from, std::vector<U>& to) {
            for (const T& e : from) to.push_back(convert<U>(e));
        };
        copy(x, out.x), copy(dy, out.dy), copy(gamma, out.gamma), copy(beta, out.beta);
        copy(v, out.v), copy(u, out.u), copy(w, out.w), copy(ds, out.ds), copy(tau, out.tau);
        if (residual.empty()) return out;
        const std::vector<T> sum = seen();  // is the sum there, too, where nothing rounds to fewer digits
        for (std::size_t i = 0; i < sum.size(); ++i) out.residual.push_back(convert<U>(sum[i]) - convert<U>(x[i]));
        return out;
    }

private:
    // One addition in the type of the arithmetic; in double that of two floats is right after one rounding more.
    std::vector<T> summed(bool as_stored) const {
        std::vector<T> sum = x;
        for (std::size_t i = 0; i < residual.size(); ++i) {
            sum[i] += residual[i];
            if constexpr (std::is_same_v<T, double>) {
                sum[i] = rounded(sum[i], arithmetic_dtype(problem.dtype));
                if (as_stored) sum[i] = rounded(sum[i], problem.residuals());
            }
        }
        return sum;
    }
};

template <class T>
struct Outputs {
    std::vector<T> y, dx, dgamma, dbeta;
    State state;  ///< after the call
    Saved saved;
    std::vector<T> ddx = {}, ddy = {}, ddgamma = {};
    std::vector<T> s = {}, d_residual = {};  ///< of a layer with a residual
    std::vector<T> dtau = {};                ///< of a layer with a threshold
    /// of a y of 8 bits: what is stored; y is then what that stands for
    std::vector<T> q = {}, scale = {};
};

/// What backward is asked for, and backward_backward.
struct Wanted {
    bool dx = true, dgamma = true, dbeta = true;
    bool ddx = true, ddy = true, ddgamma = true;
    bool d_residual = true, dtau = true;
};

/// y of q and scale, of a problem whose y is of 8 bits.
void dequantize(Outputs<double>& outputs, const Problem& problem);

/// Forward, backward where anything is wanted and dy is there, and backward_backward where the inputs call for it and
/// backward ran. Throws Declined where the implementation has none. Instantiated for double, Quad and Complex.
template <class T>
Outputs<T> run(const Implementation& implementation, const Inputs<T>& inputs, Wanted wanted = {});

/// Forward only.
template <class T>
Outputs<T> run_forward(const Implementation& implementation, const Inputs<T>& inputs) {
    return run(implementation, inputs,
               {.dx = false, .dgamma = false, .dbeta = false, .d_residual = false, .dtau = false});
}

/// Where the problem's dy is expanded along an axis, the first of its elements there stands for all.
void expand(Inputs<double>& inputs);

/// Place in dense memory of logical element i = (n * C + c) * S + s.
std::size_t memory_index(const Problem& p, std::size_t i);

/// Each rounded to the dtype.
std::vector<double> rounded(std::vector<double> v, DType dtype);

}  // namespace normlab::verify
