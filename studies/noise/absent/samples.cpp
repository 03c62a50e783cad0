// Stands in for samples.cu where there is no nvcc.
#include "studies/noise/samples.hpp"

namespace normlab::noise::cuda {

void fill(const Draw&, void*, const Shape&, DType) {
    throw Failure("built without CUDA: samples cannot be drawn on a device");
}

}  // namespace normlab::noise::cuda
