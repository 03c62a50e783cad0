#pragma once

#include "norms/cpu/setup.hpp"

#define NORMLAB_CPU_KERNELS(level)  \
    namespace normlab::cpu::level { \
    Kernels kernels(DType dtype);   \
    }
NORMLAB_CPU_KERNELS(baseline)  // what every machine of the architecture has
#ifdef NORMLAB_CPU_HAS_V3
NORMLAB_CPU_KERNELS(v3)  // x86-64-v3: AVX2, F16C
#endif
#undef NORMLAB_CPU_KERNELS
