#include <boost/math/constants/constants.hpp>
#include <boost/math/special_functions/erf.hpp>

#include "norms/activation.hpp"
#include "norms/quad.hpp"
#include "norms/reference/plan.hpp"
#include "norms/reference/plans.hpp"

namespace normlab::activation {

template <>
Quad erfc_of<Quad>(const Quad& v) {
#ifdef NORMLAB_FLOAT128
    return Quad(erfcq(v.backend().value()));
#else
    return boost::math::erfc(v);
#endif
}
template <>
Quad two_over_root_pi<Quad>() {
    return boost::math::constants::two_div_root_pi<Quad>();
}

}  // namespace normlab::activation

namespace normlab::reference {

std::unique_ptr<Plan> verification_plan(const Problem& p) {
    if (p.dtype == DType::quad) return std::make_unique<ReferencePlan<Quad>>(p);
    return std::make_unique<ReferencePlan<Complex>>(p);
}

}  // namespace normlab::reference
