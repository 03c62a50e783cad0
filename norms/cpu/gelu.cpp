#include "norms/cpu/gelu.hpp"

#include "norms/activation.hpp"

namespace normlab::cpu {

double gelu(double z) { return activated(Activation::gelu, z); }
double gelu_slope(double z) { return activation_slope(Activation::gelu, z); }

}  // namespace normlab::cpu
