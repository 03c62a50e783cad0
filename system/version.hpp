#pragma once
// What this program is: its version, the commit it was built from, and with what.

#include <string>
#include <utility>
#include <vector>

namespace normlab::system {

std::string version();     ///< "0.1.0"
std::string commit();      ///< 12 digits, with "-dirty" where the tree had changes; "unknown" where git was not asked
std::string compiler();    ///< "GCC 12.2.0"
std::string build_type();  ///< "Release"

/// The parts that are built where they can be, each with its version or the reason why it is absent.
std::vector<std::pair<std::string, std::string>> optional_parts();

/// The time now, as "2026-11-28T21:25:05Z"; or that of SOURCE_DATE_EPOCH, for files that are to be the same bytes each
/// time. Throws std::invalid_argument where that is no number of seconds.
std::string utc_time();

}  // namespace normlab::system
