#pragma once
// The elements of a tensor, however it lies.

#include <vector>

#include "norms/spec.hpp"

namespace normlab::verify {

/// f(logical number, place in memory), in logical order.
template <class Byte, class F>
void for_elements(const BasicTensor<Byte>& t, F f) {
    const Steps at = t.steps();
    std::size_t i = 0;
    for (std::int64_t n = 0; n < t.shape.N; ++n)
        for (std::int64_t c = 0; c < t.shape.C; ++c)
            for (std::int64_t s = 0; s < t.shape.S; ++s) f(i++, at.offset(n, c, s));
}

/// Problem::affine_entry of each element: divisions are slow where every element needs several.
inline std::vector<std::size_t> affine_entries(const Problem& p) {
    const auto [N, C, S] = p.shape;
    std::vector<std::size_t> entries;
    entries.reserve(static_cast<std::size_t>(p.shape.size()));
    for (std::int64_t n = 0; n < N; ++n)
        for (std::int64_t c = 0; c < C; ++c) {
            const std::size_t first = S > 0 ? p.affine_entry(static_cast<std::size_t>((n * C + c) * S)) : 0,
                              step = p.spec.affine_set == AffineSet::element ? 1 : 0;
            for (std::int64_t s = 0; s < S; ++s) entries.push_back(first + static_cast<std::size_t>(s) * step);
        }
    return entries;
}

}  // namespace normlab::verify
