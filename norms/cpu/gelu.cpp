#include "norms/activation.hpp"
#include "norms/cpu/kernels.hpp"

namespace normlab::cpu {

double gelu(double z) { return activated(Activation::gelu, z); }
double gelu_slope(double z) { return activation_slope(Activation::gelu, z); }

}  // namespace normlab::cpu
