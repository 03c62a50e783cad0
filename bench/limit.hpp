#pragma once
// What no implementation can beat: copying (forward: one tensor read, one written) and triad (backward: two read, one
// written; McCalpin's STREAM) of tensors of the same size, with the same number of threads.

#include <cstddef>

#include "bench/model.hpp"

namespace normlab::bench {

/// non-temporal ones do not read what they overwrite, and leave the cache as it is
enum class Stores { plain, non_temporal };
std::string_view name_of(Stores);

/// Whether this build and this processor have non-temporal stores.
bool has_non_temporal_stores();

/// forward: a = b; backward: a = b + 0.5 c, in f32, on `bytes` bytes rounded down to whole floats. All 32-byte aligned.
/// `threads` share it; 1 without OpenMP.
void stream(Direction direction, Stores stores, int threads, void* a, const void* b, const void* c, std::size_t bytes);

}  // namespace normlab::bench
