#pragma once
// Cases and outcomes as messages between processes. Nothing is lost: NaN and infinities too arrive as they are.

#include <string>

#include <nlohmann/json.hpp>

#include "verify/run/outcome.hpp"
#include "verify/run/plan.hpp"

namespace normlab::verify {

nlohmann::json to_json(const Case& c);
Case case_from_json(const nlohmann::json& j);

/// All but the case itself, which whoever asked has.
nlohmann::json to_json(const Outcome& o);
Outcome outcome_from_json(const nlohmann::json& j, const Case& c);

nlohmann::json to_json(const Selection& s);
Selection selection_from_json(const nlohmann::json& j);

}  // namespace normlab::verify
