#pragma once
// The catalogue of hostile inputs: named cases, each showing a fault that libraries have had, with what is expected of
// it (verify/README.md maps those faults to these names). A name stands for cases of every variant, implementation,
// dtype, layout and mode that it makes sense for.

#include "verify/check/check.hpp"

namespace normlab::verify {

struct HostileInput {
    std::string_view name, construction, shows, expected;
    std::vector<Case> (*cases)(const Case& base);  ///< base: variant, implementation, dtype, layout, mode
    bool large = false;                            ///< takes seconds and gigabytes: in no tier but full
    std::string_view missing = {};                 ///< what normlab lacks to run it at all; such a one has no cases
};

std::span<const HostileInput> hostile_inputs();

/// By name; blanks and underscores are as good as hyphens. Throws Error naming the nearest.
const HostileInput& find_hostile_input(std::string_view name);

}  // namespace normlab::verify
