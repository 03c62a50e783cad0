#pragma once
// What each JSON file that the program writes says of itself.

#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace normlab::io {

/// {"schema": 1, "program": "normlab verify", "version", "commit", "date"}: the value of a report's "header". A
/// schema's fields keep their names and meaning; fields may be added to it.
nlohmann::json report_header(std::string_view program);

}  // namespace normlab::io
