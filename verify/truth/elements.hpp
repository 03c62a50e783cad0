#pragma once
// The elements of a tensor, however it lies.

#include "norms/tensor.hpp"

namespace normlab::verify {

/// f(logical number, place in memory), in logical order.
template <class F>
void for_elements(const Tensor& t, F f) {
    const Steps at = t.steps();
    std::size_t i = 0;
    for (std::int64_t n = 0; n < t.shape.N; ++n)
        for (std::int64_t c = 0; c < t.shape.C; ++c)
            for (std::int64_t s = 0; s < t.shape.S; ++s) f(i++, at.offset(n, c, s));
}

}  // namespace normlab::verify
