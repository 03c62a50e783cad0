#pragma once

namespace normlab::system {

/// The share of a memory that a run may plan to use: the rest is left to the system and other programs.
inline constexpr double share_of_memory = 0.8;

/// How much memory a run may plan to use, in bytes: that share of what the machine has.
double memory_budget();

}  // namespace normlab::system
