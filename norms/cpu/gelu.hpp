#pragma once

namespace normlab::cpu {

// Compiled once: what calls the library's erfc is the same for every instruction set.
double gelu(double z);
double gelu_slope(double z);

}  // namespace normlab::cpu
