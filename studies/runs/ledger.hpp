#pragma once
// Claims and what became of them. A study's claims.json was committed before its results; the verdict follows from it
// and from the measures of the records alone.

#include <filesystem>

#include "studies/runs/study.hpp"

namespace normlab::studies {

enum class Verdict { reproduced, not_reproduced, inconclusive, not_testable };
std::string_view name_of(Verdict verdict);

/// measure > above, or measure < below.
struct Condition {
    std::string measure;
    double threshold = 0;
    bool above = true;
    /// Reproduced where the whole interval lies on the right side, not reproduced where it lies on the wrong one,
    /// inconclusive between.
    Verdict of(const Interval& measured) const;
};

struct Claim {
    std::string id, source, statement, paper;  ///< paper: the figure that it reports
    /// why nothing here tests it; empty: the conditions do, all of which must hold
    std::string reason;
    std::vector<Condition> conditions;
    std::string criterion() const;  ///< "a > 0 and b < 2"
};

/// Throws Error for text that is not in the form that README.md shows: the program is built with it.
std::vector<Claim> parse_claims(const std::string& text);

struct Judged {
    Claim claim;
    std::string study, evidence;  ///< the measures with their intervals; where the records are
    Verdict verdict = Verdict::inconclusive;
};

/// Not reproduced if a condition is not, inconclusive if one is or its measure is missing, else reproduced.
Judged judge(const Claim& claim, const std::string& study, const std::map<std::string, Interval>& measures);

/// All claims of all studies by the records in FOLDER/STUDY/records. Without records, or where they are not all the
/// runs of one of the study's sizes by one commit on one set of data, claims are inconclusive and say so. Throws
/// io::InputError for files that are no records.
std::vector<Judged> ledger(const std::filesystem::path& folder);

std::string ledger_text(const std::vector<Judged>& claims);

}  // namespace normlab::studies
