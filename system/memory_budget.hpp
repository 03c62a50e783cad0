#pragma once

namespace normlab::system {

/// How much memory a run may plan to use, in bytes: four fifths of what the machine has, which leaves room for the system and other programs.
double memory_budget();

}  // namespace normlab::system
