// Records of a study's plan with made-up results, and the verdicts that they give.
#pragma once

#include <algorithm>
#include <functional>

#include "norms/tensor.hpp"
#include "studies/data/digits.hpp"
#include "studies/runs/ledger.hpp"

namespace normlab::studies {

using Given = std::map<std::string, std::string>;

inline std::vector<Record> made_up(const Study& study, const Given& given,
                                   const std::function<json(const json& settings)>& result,
                                   Size size = Size::standard) {
    std::vector<Record> records;
    for (const Run& run : study.plan(Settings(study.settings, size, given)))
        records.push_back({study.name, run.name, "commit", "data", run.settings, result(run.settings)});
    return records;
}

/// The names of a plan's runs; a name twice would be two runs with one record.
inline std::size_t distinct_names(const std::vector<Run>& runs) {
    std::map<std::string, int> names;
    for (const Run& run : runs) ++names[run.name];
    return names.size();
}

/// What differs from seed to seed: between -1 and 1, another for every run.
inline double chance(const json& settings) {
    std::uint64_t hash = 1469598103934665603u;
    for (const char c : settings.dump()) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
    // or settings that differ in a digit would differ by the same amount everywhere
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdu;
    return static_cast<double>((hash ^ hash >> 33) >> 40) / (1 << 23) - 1;
}

/// For effects that every other seed turns round: no verdict follows from them.
inline bool odd(const json& settings) { return settings.at("seed").get<int>() % 2 == 1; }

inline std::map<std::string, Verdict> verdicts(const Study& study, const std::vector<Record>& records) {
    std::map<std::string, Verdict> of;
    const Report report = study.report(records);
    for (const Claim& c : parse_claims(study.claims)) of[c.id] = judge(c, study.name, report.measures).verdict;
    return of;
}

/// Whether every claim has this verdict.
inline bool all_are(const Study& study, const std::vector<Record>& records, Verdict verdict) {
    const auto of = verdicts(study, records);
    return !of.empty() && std::ranges::all_of(of, [&](const auto& claim) { return claim.second == verdict; });
}

/// The result of every run of a plan, as a record would hold it.
inline std::vector<std::string> results(const Study& study, const Given& given) {
    const data::Split data = data::digits({.train = 320, .test = 256, .seed = 3});
    std::vector<std::string> texts;
    for (const Run& run : study.plan(Settings(study.settings, Size::quick, given)))
        texts.push_back(study.run(run.settings, {data, [](double) {}}).dump());
    return texts;
}

/// The message of what a plan throws.
inline std::string refusal(const Study& study, const Given& given) {
    try {
        study.plan(Settings(study.settings, Size::quick, given));
    } catch (const Error& e) {
        return e.what();
    }
    return "";
}

}  // namespace normlab::studies
