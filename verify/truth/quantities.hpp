#pragma once
// What a call gives, as a table: the name of each quantity in findings, where it lies in results, in truth and in
// bounds. Loops run over it.

#include <span>
#include <string_view>

#include "verify/truth/bounds.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {

/// Up to running_spread: results of a call, with truth and bounds. The others are what test vectors of other programs
/// hold besides. norm: sqrt(var + eps), |v| of weight norm; raw_r, raw_d: before clipping; running_spread: the variance
/// or sigma, whichever the variant keeps. ddx, ddy, ddgamma: of the double backward; S: what these are gradients of.
/// scale: those of a y of 8 bits, where they are found.
enum class Quantity {
    y,
    dx,
    dgamma,
    dbeta,
    s,
    d_residual,
    dtau,
    mean,
    var,
    rstd,
    r,
    d,
    running_mean,
    running_spread,
    count,
    norm,
    raw_r,
    raw_d,
    ddx,
    ddy,
    ddgamma,
    S,
    scale
};

inline constexpr std::size_t quantity_count = static_cast<std::size_t>(Quantity::scale) + 1;

/// Whether a call that wants these gives it: y it does always.
bool is_asked(Quantity quantity, const Wanted& wanted);

/// What a quantity has one value of.
enum class Per {
    element,
    entry,  ///< of gamma and beta
    channel,
    block,
    call
};

struct QuantityRow {
    Quantity quantity;
    std::string_view name;  ///< "saved mean"
    Per per;
    int degree = 0;           ///< f(a x; a^2 eps) = a^degree f(x; eps)
    bool correction = false;  ///< batch renorm's: elsewhere r = 1 and d = 0
    bool residual = false;    ///< of a layer with a residual alone
    bool threshold = false;   ///< of a layer with a threshold alone
    std::vector<double> Bounds::*bound = nullptr;
    // y and gradients
    std::vector<double> Outputs<double>::*output = nullptr;
    std::vector<truth::Wide> truth::Result::*truth = nullptr;  ///< of the running statistics too
    std::vector<double> Inputs<double>::*by = nullptr;         ///< of a gradient: what it is the derivative by
    std::vector<Complex> Inputs<Complex>::*by_complex = nullptr;
    // saved statistics
    std::vector<double> Saved::*saved = nullptr;
    double* SavedView::*view = nullptr;
    bool Saves::*saves = nullptr;  ///< null: batch renorm's
    Quad (*of_block)(const truth::Block&) = nullptr;

    /// Of a saved statistic: whether the implementation keeps it for the problem.
    bool is_saved(const Problem& problem, const Saves& kept) const {
        return saves ? kept.*saves : problem.has_correction();
    }
    /// whether the problem has it at all
    bool is_of(const Problem& problem) const {
        return (!correction || problem.has_correction()) && (!residual || problem.spec.adds()) &&
               (!threshold || problem.spec.thresholds());
    }
    /// Of its values in memory: State and Saved are f64.
    DType dtype(const Problem& problem) const {
        return !output                   ? DType::f64
               : per == Per::entry       ? problem.params()
               : residual                ? problem.residuals()
               : quantity == Quantity::y ? problem.outputs()
                                         : problem.dtype;
    }
    /// How many values: of y, gradients and second ones.
    std::size_t count(const Problem& problem) const {
        return static_cast<std::size_t>(per == Per::entry ? problem.affine_count() : problem.shape.size());
    }
    /// The problem with that dtype: f16 data have dgamma in f32, whose infinities no f16 excuses.
    Problem stored(Problem problem) const {
        problem.dtype = dtype(problem);
        return problem;
    }
    /// "running var" or "running sigma" where the variant decides.
    std::string_view name_in(const Spec& spec) const;
    const std::vector<double>& in(const Outputs<double>& outputs) const;  ///< empty: not computed, or not saved
    std::vector<truth::Wide> in(const truth::Result& result) const;
};

namespace quantities {
std::span<const QuantityRow> all();                        ///< in the order of the enumeration, as the following
std::span<const QuantityRow> outputs();                    ///< y, dx, dgamma, dbeta
std::vector<QuantityRow> outputs(const Problem& problem);  ///< these; s and d_residual, dtau where it has them
std::span<const QuantityRow> saved();                      ///< mean, var, rstd, r, d
std::span<const QuantityRow> results();                    ///< these, running mean and spread
std::span<const QuantityRow> second();                     ///< ddx, ddy, ddgamma
}  // namespace quantities

const QuantityRow& row_of(Quantity quantity);

/// An array of State. A variant keeps the mean and one of the others, which are its running spread.
struct StateArray {
    Quantity quantity;
    std::string_view name;
    int degree;  ///< as QuantityRow's
    std::vector<double> State::*values;
    double* StateView::*view;
};
inline constexpr StateArray state_arrays[] = {
    {Quantity::running_mean, "running mean", 1, &State::mean, &StateView::mean},
    {Quantity::running_spread, "running var", 2, &State::var, &StateView::var},
    {Quantity::running_spread, "running sigma", 1, &State::sigma, &StateView::sigma},
};

/// The running variance, or sigma where that is kept.
inline const std::vector<double>& spread_of(const State& s) { return s.var.empty() ? s.sigma : s.var; }
inline std::vector<double>& spread_of(State& s) { return s.var.empty() ? s.sigma : s.var; }
/// Its place in a view.
inline double*& spread_of(StateView& s, const Spec& spec) { return spec.running == Running::sigma ? s.sigma : s.var; }

}  // namespace normlab::verify
