#include "norms/quad.hpp"
#include "norms/reference/plan.hpp"
#include "norms/reference/plans.hpp"

namespace normlab::reference {

std::unique_ptr<Plan> verification_plan(const Problem& p) {
    if (p.dtype == DType::quad) return std::make_unique<ReferencePlan<Quad>>(p);
    return std::make_unique<ReferencePlan<Complex>>(p);
}

}  // namespace normlab::reference
