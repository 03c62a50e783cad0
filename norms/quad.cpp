#include "norms/quad.hpp"

#include <fmt/format.h>

namespace normlab {

double read_quad(const void* data, std::int64_t i) { return static_cast<double>(static_cast<const Quad*>(data)[i]); }
void write_quad(void* data, std::int64_t i, double v) { static_cast<Quad*>(data)[i] = Quad(v); }

void refuse_dtype(DType d) { throw Error(fmt::format("no kernel works on {}", row_of(d).name)); }

}  // namespace normlab
