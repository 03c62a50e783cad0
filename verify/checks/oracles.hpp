#pragma once
// What the derivative checks share: the arguments of a layer, derivatives along a direction and which of them belong
// together.

#include "verify/check/compare.hpp"
#include "verify/check/gradient.hpp"

namespace normlab::verify {

/// x (weight norm's v), gamma (its g) or beta.
struct Argument {
    std::string_view name;  ///< of its gradient
    std::vector<double> Inputs<double>::*values;
    std::vector<Complex> Inputs<Complex>::*complex_values;
    std::vector<double> Outputs<double>::*gradient;
    std::vector<double> Bounds::*bound;  ///< of that gradient
    std::vector<truth::Wide> truth::Result::*truth;

    bool is_x() const { return values == &Inputs<double>::x; }
};

/// Those that the inputs have.
std::vector<Argument> arguments(const Inputs<double>& inputs);

/// The derivative of y by an argument is zero between different parts: blocks for x, entries of gamma and beta.
struct Parts {
    std::size_t count = 0;
    std::vector<std::size_t> of_argument, of_y;  ///< the part of each element
    std::string_view kind;                       ///< "block" or "entry"
};
Parts parts(const Inputs<double>& inputs, const truth::Result& truth, const Argument& argument);

/// J v: the derivative of y along v in one argument, by the complex step on the reference: exact but for rounding, for
/// there is no difference. Batch renorm's r and d are real there, and so hold still.
std::vector<double> tangent(const Inputs<double>& inputs, const Argument& argument, const std::vector<double>& v);

/// How far rounding may move `tangent`, per element of y. The Jacobian of x_hat is symmetric, and the complex step does
/// to v what a backward pass with gamma = 1 does to a cotangent: the bound of dx with v for dy, in sequential f64,
/// times |gamma|. By gamma it is |v| times the bound of r x_hat + d, by beta two roundings. `truth` must have gradients
/// (of any dy; they are not used).
std::vector<double> tangent_bound(const Inputs<double>& inputs, const truth::Result& truth, const Argument& argument,
                                  const std::vector<double>& v);

/// A kappa at which a gradient of the dtype, summed in sequence over a small block, still has two digits: bounds above
/// a tenth of it see nothing.
double demanding_kappa(DType dtype);

/// Small cases of the derivative checks: well and badly conditioned, eps as large as a tenth of the variance, batch
/// renorm inside, at and outside its limits, several slices. `shape` has an even number of samples and of channels.
std::vector<Case> oracle_cases(const Case& base, const Shape& shape);

/// Batch renorm's r and d are constants. A black box computes them from what it is given, so it is given running
/// statistics that move along with x and make them come out as `at` has them: sigma = sigma_B / r, mean = mean_B - d
/// sigma. Does nothing where there are none.
void freeze_correction(Inputs<double>& inputs, const truth::Result& at);

}  // namespace normlab::verify
