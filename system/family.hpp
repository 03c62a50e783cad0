#pragma once
// What a process of ours has started, and what that has: found again by an environment variable that they inherit,
// whatever their parent, group or session has become.

#include <string>

namespace normlab::system {

inline constexpr const char* family_name = "NORMLAB_PROCESS";  ///< the variable

/// Ends every process with the variable `family`, NAME=VALUE, but this one.
void end_family(const std::string& family);

/// Of this process, which has the variable itself; otherwise nothing happens.
void end_own_family();

/// From now on what is left of a child's children are children of this process.
void adopt_grandchildren();

/// Ends all children.
void end_children();

}  // namespace normlab::system
