#include "norms/reference/plan.hpp"
#include "norms/reference/plans.hpp"

namespace normlab::reference {

std::unique_ptr<Plan> native_plan(const Problem& p) {
    if (arithmetic_dtype(p.dtype) == DType::f64) return std::make_unique<ReferencePlan<double>>(p);
    return std::make_unique<ReferencePlan<float>>(p);
}

}  // namespace normlab::reference
