#include "norms/reference/plan.hpp"

template class normlab::reference::ReferencePlan<normlab::Quad>;
template class normlab::reference::ReferencePlan<normlab::Complex>;
