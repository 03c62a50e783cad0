#pragma once
// Covering arrays: few rows in which every combination of the levels of any two factors (of any three) occurs.

#include <cstddef>
#include <functional>
#include <vector>

namespace normlab::verify {

/// A level for each factor.
using Row = std::vector<std::size_t>;

struct Covering {
    std::vector<Row> rows;
    std::size_t covered = 0;     ///< combinations that occur in some row
    std::size_t impossible = 0;  ///< those for which no row was found that is allowed
};

/// The rows for factors of so many levels each. Greedy (Cohen, Dalal, Fredman & Patton 1997): each new row begins with
/// a combination that is still missing, and takes the levels that add most. The same rows on every machine.
Covering covering_array(const std::vector<std::size_t>& levels, std::size_t strength,
                        const std::function<bool(const Row&)>& allowed);

}  // namespace normlab::verify
