#pragma once
// A y of 8 bits (Spec::quantizes) against truth: what it stands for, each number, and the scale where that is found.

#include "verify/check/check.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::verify {

/// Findings y, q and, where it is a result, scale. `hard` and `soft` are bounds of the y that is rounded, b for short;
/// no soft ones: no warning. L is the largest number of the type, d half its smallest subnormal, u_io its unit
/// roundoff.
///
/// y: q * scale is off by b and by the rounding of y / scale, u_io (|y| + b) + d scale. The quotient's own roundings
/// are 4 u of it (below), and no more than what u_io |y| has beyond u_io / (1 + u_io) |y|, the error of rounding to
/// nearest. Where |y| is beyond L scale the distance is to that: it saturates, and no distance grows by it. q: rounding
/// is monotone, so that of y in [y - b, y + b] it gives a number from round((y - b) / scale) to round((y + b) / scale),
/// the quotients off by 4 u of themselves: scale, 1 / scale and a product with it are each rounded in f32. Where these
/// are one number, q is that number: to truncate, to round a tie elsewhere or to round twice is seen there. Near a
/// midpoint either neighbour holds: whoever rounds to bf16 first is seen only between a midpoint and its own neighbour.
/// scale: amax lies between the largest |y| - b and the largest |y| + b, and what is made of it is within 2 ulp of f32,
/// 4 u; stored as its inverse, 2 u more. A power of two is one exactly.
/// Of what uses a scale beside a y that is, or may be, infinite, or NaN, nothing is judged but that NaN stays NaN: such
/// y have no part in amax here, and have in many libraries.
std::vector<Finding> judge_quantized(const Inputs<double>& in, const truth::Result& truth,
                                     const std::vector<double>& hard, const std::vector<double>& soft,
                                     const Outputs<double>& out);

}  // namespace normlab::verify
