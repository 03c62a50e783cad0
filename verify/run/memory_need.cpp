#include "verify/run/memory_need.hpp"

namespace normlab::verify {

double bytes_needed(const Case& c) {
    const auto size = static_cast<double>(c.shape.size());
    // x, dy and what an implementation keeps; parameters, their gradients, and truth and bounds of these
    if (c.tile) return 3 * size * static_cast<double>(size_of(c.dtype)) + 100 * static_cast<double>(c.shape.C);
    // truth by the tape: what the formula does not reach, and a check in quad
    const bool ordinary = c.dtype != DType::f64 ||
                          (c.x.given.empty() && !c.data && c.x.pattern != "edges" && c.sigma > 1e-30 && c.sigma < 1e30);
    const bool taped = c.check == "chain_rule" || !ordinary;
    return 400 * size + (taped ? 1700.0 * static_cast<double>(size > 0 ? c.problem().block_size() : 0) : 0);
}

}  // namespace normlab::verify
