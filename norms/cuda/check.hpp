#pragma once
// Every call of the CUDA runtime goes through NORMLAB_CUDA: a Failure says where, which call and what CUDA says about
// it.

#include <string>

#include <cuda_runtime_api.h>

#include "system/failure.hpp"

namespace normlab::cuda {

inline void check(cudaError_t status, const char* call, const char* file, int line) {
    if (status == cudaSuccess) return;
    throw Failure(std::string(file) + ":" + std::to_string(line) + ": " + call + ": " + cudaGetErrorString(status));
}

}  // namespace normlab::cuda

#define NORMLAB_CUDA(call) ::normlab::cuda::check((call), #call, __FILE__, __LINE__)
