#include "norms/reference/plan.hpp"

template class normlab::reference::ReferencePlan<float>;
template class normlab::reference::ReferencePlan<double>;
