#pragma once
// Studies without their runs: records that a test makes up, and the verdicts on them; and tiny runs.

#include "norms/tensor.hpp"
#include "studies/data/digits.hpp"
#include "studies/runs/ledger.hpp"

namespace normlab::studies {

/// A record for each run of the plan, with the result that `result` gives its settings.
inline std::vector<Record> made_up(const Study& study, const std::map<std::string, std::string>& given,
                                   const std::function<json(const json&)>& result) {
    std::vector<Record> records;
    for (const Run& run : study.plan(Settings(study.settings, Size::quick, given)))
        records.push_back({study.name, run.name, "commit", "data", run.settings, result(run.settings)});
    return records;
}

/// By claim.
inline std::map<std::string, Verdict> verdicts(const Study& study, const std::vector<Record>& records) {
    std::map<std::string, Verdict> all;
    const Report report = study.report(records);
    for (const Claim& c : parse_claims(study.claims)) all[c.id] = judge(c, study.name, report.measures).verdict;
    return all;
}

/// The names of a plan's runs; a name twice would be two runs with one record.
inline std::size_t distinct_names(const std::vector<Run>& runs) {
    std::map<std::string, int> names;
    for (const Run& run : runs) ++names[run.name];
    return names.size();
}

/// The results of all runs, as their records would keep them.
inline std::string results(const Study& study, const std::map<std::string, std::string>& given) {
    const data::Split digits = data::digits({.train = 200, .test = 60});
    std::string text;
    for (const Run& run : study.plan(Settings(study.settings, Size::quick, given))) text += study.run(run.settings, {digits, [](double) {}}).dump();
    return text;
}

}  // namespace normlab::studies
