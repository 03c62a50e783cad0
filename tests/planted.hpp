#pragma once
// Faults of verify/faults as implementations of this process, registered so that cases can name them. They have no
// origin and are called as built-in ones are.

#include "norms/registry.hpp"
#include "verify/faults/table.hpp"

namespace normlab::planted {

/// The layer of verify/faults with these formulas, as planted_NAME; of the same name it is made once. f64 and f32 only.
const Implementation& with_formula(const std::string& name, const verify::faults::Formula& formula);

/// With this fault of the table, in the problems that it can show in.
const Implementation& with_fault(std::string_view name);

/// Without one.
const Implementation& right();

}  // namespace normlab::planted
