#pragma once
// Which cases a selection and a tier make.

#include "verify/run/catalogue.hpp"

namespace normlab::verify {

/// What is asked for; an empty list means all.
struct Selection {
    std::vector<std::string> variants, implementations, checks;
    std::vector<DType> dtypes;
    std::vector<Layout> layouts;
    std::vector<Mode> modes;
};

/// Those asked for, or all that can run on this machine. Throws Error for an unknown name, and for one that cannot run
/// here, with its reason.
std::vector<std::string> chosen_implementations(const Selection& selection);

/// smoke, ci or full. Throws Error for another word.
Tier parse_tier(const std::string& word);

/// Every check over implementations x variants x dtypes x layouts x modes; from tier ci on also the catalogue of
/// hostile inputs. Throws Error for unknown names.
std::vector<Case> plan(const Selection& selection, Tier tier);

/// Every pair of 16-bit values, and every value in evaluation.
std::vector<Case> plan_exhaustive(Selection selection);

/// One entry of the catalogue. Empty where it has nothing for the selection.
std::vector<Case> plan_hostile(const HostileInput& input, const Selection& selection);

}  // namespace normlab::verify
