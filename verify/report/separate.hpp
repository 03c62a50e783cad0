#pragma once
// What cases that fail have in common and others have not.

#include <string>
#include <vector>

#include "verify/case/case.hpp"

namespace normlab::verify {

/// The smallest description, one property or two, that all of `failing` have and as few of `passing` as can be: "in all
/// 12 cases with nhwc, in none of 30 others"; "only with S > 1: 9 of 14 such cases". Properties are the words and
/// settings of a case, limits of its sizes and of kappa, and remainders of its lengths. Empty where fewer than three
/// fail, which have much in common by chance, or where nothing separates them.
std::string separation(const std::vector<const Case*>& failing, const std::vector<const Case*>& passing);

}  // namespace normlab::verify
