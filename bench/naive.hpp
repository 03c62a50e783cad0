#pragma once

namespace normlab::bench {

/// Adds the implementation `naive`: the formulas of norm.hpp as anybody would write them with xtensor, for what a
/// faster one is to be compared with. f32 and f64 on the host, one thread, no stat_batch. To be called once or more.
void register_naive();

}  // namespace normlab::bench
