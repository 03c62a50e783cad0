#pragma once
// What cases that fail have in common and others have not.

#include <string>
#include <vector>

#include "verify/case/case.hpp"

namespace normlab::verify {

/// The smallest description, one condition or two, that all of `failing` have and as few of `passing` as can be: "in
/// all 12 cases with nhwc, in none of 30 others"; "only with S > 1: 9 of 14 such cases". Conditions are the words and
/// settings of a case, limits of its sizes and of kappa, and remainders of its sizes, which go before limits that
/// explain no more. Each needs support: failing cases of which nearly the same, beyond that condition and different in
/// one other key at most, holds. Empty where there is none, where most cases with the condition hold (but for layout,
/// dtype, mode and variant, in which each case has its like), where a condition on something else explains the
/// failures as well, and where fewer than three fail.
/// `smaller` fail too, and are not counted: cases made small, which have left out what is not needed.
std::string separation(const std::vector<const Case*>& failing, const std::vector<const Case*>& passing,
                       const std::vector<const Case*>& smaller = {});

}  // namespace normlab::verify
