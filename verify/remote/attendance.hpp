#pragma once
// What the calls of a plug-in do beside their results, looked at in the worker process: what they touch beyond their
// arrays, what they change of the process and leave behind, and what they keep from call to call.

#include <vector>

#include "norms/plugin.hpp"
#include "verify/check/check.hpp"

namespace normlab::verify {

/// Loads the plug-in. From then on its calls are attended to.
const Implementation& load_attended(const PluginName& plugin);

/// A case begins: what it leaves behind is its own.
void attend_case(const Case& c);

/// A finding for each kind of thing that a call of the case did and should not have. `contracts`, which asks for these
/// too, has findings of what was as it should be, and of what many calls keep.
std::vector<Finding> attended(const Case& c, const Implementation& plugin);

}  // namespace normlab::verify
