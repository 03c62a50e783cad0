#pragma once
// What a study is: its settings in three sizes, its runs, what a run measures, and what the records of all runs say
// about the claims.
//
// A study is a folder beside this one with a claims.json and a function that returns its Study; nothing else needs to
// know of it.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "studies/data/dataset.hpp"
#include "studies/runs/interval.hpp"
#include "studies/runs/settings.hpp"

namespace normlab::studies {

using json = nlohmann::ordered_json;

/// One run: everything that decides its result, but for the commit and the data. `name` is its record's file name,
/// without ".json": [a-z0-9._=-] only.
struct Run {
    std::string name;
    json settings;
    double seconds = 0;  ///< about, on one core; for the estimate alone
};

/// What a run is given besides its settings.
struct Context {
    /// of --data, or the embedded digits; empty for a study that uses none
    const data::Split& data;
    std::function<void(double part)> progress;  ///< to be called now and then with the part done, 0 to 1
};

/// What a run leaves: no time stamp, no duration, nothing that differs when it is run again.
struct Record {
    std::string study, run, commit, data;
    json settings, result;
};

struct Figure {
    std::string script;  ///< gnuplot, as io::draw takes it
    int width = 900, height = 600;
};

/// What the records say. `measures` are the named quantities that the criteria of claims.json compare, each with its
/// interval.
struct Report {
    std::string table, csv;
    Figure figure;
    std::map<std::string, Interval> measures;
    json document = nullptr;  ///< what --json writes in place of the measures
    bool held = true;         ///< false: exact theory is contradicted, which makes the exit status 1
};

struct Study {
    std::string name, question;
    std::string columns;    ///< the first line of its table (Report::csv), a regular expression
    std::string durations;  ///< "2 min, --standard 20 min, --paper 1 h (2 cores)": measured
    std::vector<Setting> settings;
    bool uses_data = true;
    /// throws Error for settings that do not go together
    std::function<std::vector<Run>(const Settings&)> plan;
    /// the same result for any number of threads and on every call
    std::function<json(const json& settings, const Context&)> run;
    std::function<Report(const std::vector<Record>&)> report;  ///< of all runs of a plan, in its order
    std::string claims;                                        ///< the folder's claims.json
};

/// Study::report from what the records, read into `Results`, say.
template <class Results>
auto report_by(auto table, auto csv, auto figure, auto measures) {
    return [=](const std::vector<Record>& records) {
        const Results results(records);
        return Report{table(results), csv(results), figure(results), measures(results)};
    };
}

/// The runs of settings that are one of Settings::apart, their names with its label. Throws Error where two have one
/// name, and what the plan throws.
std::vector<Run> plan_of(const Study& study, const Settings& settings);

/// Every study, by name.
const std::vector<Study>& all();

/// Throws Error with the nearest names for one that is not there.
const Study& find_study(const std::string& name);

/// The claims that no study tests, in the form of a claims.json, each with the reason.
std::string untested_claims();

}  // namespace normlab::studies
