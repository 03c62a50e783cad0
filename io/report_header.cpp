#include "io/report_header.hpp"

#include <nlohmann/json.hpp>

#include "system/version.hpp"

namespace normlab::io {

nlohmann::json report_header(std::string_view program) {
    return {{"schema", 1},
            {"program", program},
            {"version", system::version()},
            {"commit", system::commit()},
            {"date", system::utc_time()}};
}

}  // namespace normlab::io
