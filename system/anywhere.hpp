#pragma once
// NORMLAB_ANYWHERE marks functions that nvcc compiles for the host and the device alike.

#ifdef __CUDACC__
#define NORMLAB_ANYWHERE __host__ __device__
#else
#define NORMLAB_ANYWHERE
#endif
