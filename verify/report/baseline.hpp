#pragma once
// Accuracy against an earlier run: what `verify --json` wrote then, beside what is measured now.
//
// A run's results are the same bits every time, so a larger error is real. Two allowances keep changes that are none
// from being flagged, such as another compiler's or library's last bit: error now <= 2 before + rounding is no loss.
// `rounding` is one rounding of the right value at that element to the result's dtype (|value| u; an eighth of the
// bound for quantities that are no rounded value: their bounds allow at least 8 roundings for one). `before` is the
// error at the same element, or, where another element is the worst now, the most it can have been: the worst error /
// bound of then, times the bound of now.
//
// A finding is the same if its case's text, the digest of the data that a user brought, its table row and its quantity
// are. Numbers that are drawn follow from the text, so after a change in how normlab draws, a new baseline is due.
// Findings that are UNRESOLVED, then or now, are not compared.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "verify/run/outcome.hpp"

namespace normlab::verify {

/// Whether the error is worse than the one before, by the rule above.
bool is_worse(double error, double before, double rounding);

/// What tells the case of one run as that of another: its text, and the digest of the data that a user brought.
std::string case_key(const Outcome& outcome);

/// A finding that is less accurate than it was.
struct Loss {
    const Outcome* outcome;
    const Finding* finding;
    double then;  ///< the error; now's is the finding's
};

struct BaselineResult {
    std::size_t compared = 0, better = 0;  ///< better: by the rule above, the other way round
    std::vector<Loss> losses;
    std::vector<Loss> failing;  ///< held then, and does not now
    std::vector<Loss> holding;  ///< did not hold then, and does now
};

class Baseline {
public:
    /// Reads OLD.json. Throws io::InputError where it is missing, no JSON, or not what `verify --json` writes.
    explicit Baseline(std::filesystem::path path);

    /// Throws io::InputError where it has no finding of any of these cases: nothing could be compared.
    void require_overlap(const std::vector<Case>& cases) const;

    BaselineResult compare(const std::vector<Outcome>& outcomes) const;

    /// A line for each loss with its rerun line, and one that counts; `command` replaces the leading "normlab".
    std::string text(const BaselineResult& result, const std::string& command) const;
    std::string loss_line(const Loss& loss) const;
    /// The same of a finding that holds now and did not, or does not hold and did.
    std::string change_line(const Loss& change) const;

private:
    struct Old {
        double error, bound;
        bool held;
        std::string element;
    };
    std::filesystem::path path_;
    std::map<std::string, std::map<std::string, Old>> cases_;  ///< by case and data, then by table row and quantity
};

}  // namespace normlab::verify
