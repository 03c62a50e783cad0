#pragma once
// The calls that a check makes of a function of Python.

#include "norms/implementation.hpp"
#include "python/function.hpp"

namespace normlab::python {

/// Whether the function gives this gradient, where it gives any. `gamma`, `beta`: that it takes.
bool gives_gamma(const Function& f);
bool gives_beta(const Function& f);

/// The function outlives the plan.
std::unique_ptr<Plan> function_plan(const Problem& problem, const Function& function);

}  // namespace normlab::python
