#include "studies/runs/ledger.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "io/error.hpp"
#include "norms/tensor.hpp"
#include "studies/runs/records.hpp"

namespace normlab::studies {

std::string_view name_of(Verdict verdict) {
    constexpr std::string_view names[] = {"REPRODUCED", "NOT REPRODUCED", "INCONCLUSIVE", "NOT TESTABLE HERE"};
    return names[static_cast<std::size_t>(verdict)];
}

Verdict Condition::of(const Interval& i) const {
    if (above ? i.low > threshold : i.high < threshold) return Verdict::reproduced;
    if (above ? i.high <= threshold : i.low >= threshold) return Verdict::not_reproduced;
    return Verdict::inconclusive;  // NaN too
}

std::string Claim::criterion() const {
    std::string text;
    for (const Condition& c : conditions)
        text += fmt::format("{}{} {} {:g}", text.empty() ? "" : " and ", c.measure, c.above ? ">" : "<", c.threshold);
    return text;
}

std::vector<Claim> parse_claims(const std::string& text) {
    std::vector<Claim> claims;
    try {
        for (const json& j : json::parse(text)) {
            Claim c{j.at("id"), j.at("source"), j.at("statement"), j.at("paper"), j.value("reason", ""), {}};
            for (const json& k : j.value("criterion", json::array()))
                c.conditions.push_back(
                    {k.at("measure"), k.at(k.contains("above") ? "above" : "below"), k.contains("above")});
            if (c.reason.empty() == c.conditions.empty())
                throw Error(fmt::format("claim {}: a criterion or a reason is accepted", c.id));
            claims.push_back(std::move(c));
        }
    } catch (const json::exception& e) {
        throw Error(fmt::format("claims.json: {}", e.what()));
    }
    return claims;
}

Judged judge(const Claim& claim, const std::string& study, const std::map<std::string, Interval>& measures) {
    Judged judged{claim, study, "", claim.reason.empty() ? Verdict::reproduced : Verdict::not_testable};
    for (const Condition& c : claim.conditions) {
        const auto found = measures.find(c.measure);
        const Verdict verdict = found == measures.end() ? Verdict::inconclusive : c.of(found->second);
        judged.evidence += fmt::format("{}{} = {}", judged.evidence.empty() ? "" : "; ", c.measure,
                                       found == measures.end() ? "not measured" : text_of(found->second));
        if (verdict == Verdict::not_reproduced || judged.verdict == Verdict::reproduced) judged.verdict = verdict;
    }
    if (!claim.reason.empty()) judged.evidence = claim.reason;
    return judged;
}

namespace {

// The records of a study, in its plan's order, where they are all the runs of one of its sizes and nothing else, by one
// commit on one set of data; `found` says what they are.
std::vector<Record> records_of(const Study& study, const std::filesystem::path& folder, std::string& found) {
    std::map<std::string, Record> there;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(folder, none))
        if (entry.path().extension() == ".json") there[entry.path().stem().string()] = read_record(entry.path());
    found = "no records";
    for (const Size size : {Size::quick, Size::standard, Size::paper}) {
        if (there.empty()) break;
        std::vector<Record> records;
        const Record& first = there.begin()->second;
        const std::vector<Run> plan = plan_of(study, Settings(study.settings, size, {}));
        for (const Run& run : plan) {
            const auto it = there.find(run.name);
            if (it == there.end() || it->second.settings != run.settings || it->second.commit != first.commit ||
                it->second.data != first.data)
                break;
            records.push_back(it->second);
        }
        found = fmt::format("{} records, {} settings, commit {}, {}", there.size(), name_of(size), first.commit,
                            first.data);
        if (records.size() == plan.size() && plan.size() == there.size() && is_clean(first.commit)) return records;
        found =
            fmt::format("{} records that are not the runs of one size, one set of data and one commit without changes",
                        there.size());
    }
    return {};
}

}  // namespace

std::vector<Judged> ledger(const std::filesystem::path& folder) {
    std::vector<Judged> all_claims;
    for (const Study& study : all()) {
        std::string found;
        const std::vector<Record> records = records_of(study, folder / study.name / "records", found);
        std::map<std::string, Interval> measures;
        try {
            if (!records.empty()) measures = study.report(records).measures;
        } catch (const json::exception& e) {
            throw io::InputError(
                fmt::format("{}: records that study {} cannot read ({}); what it writes now is accepted",
                            (folder / study.name / "records").string(), study.name, e.what()));
        }
        for (const Claim& c : parse_claims(study.claims)) {
            all_claims.push_back(judge(c, study.name, measures));
            all_claims.back().evidence += " (" + found + ")";
        }
    }
    for (const Claim& c : parse_claims(untested_claims())) all_claims.push_back(judge(c, "", {}));
    return all_claims;
}

std::string ledger_text(const std::vector<Judged>& claims) {
    std::string text;
    std::map<Verdict, int> counts;
    for (const Judged& j : claims) {
        ++counts[j.verdict];
        text += fmt::format("{:<17} {}  [{}{}]\n{:18}{}\n", name_of(j.verdict), j.claim.id, j.claim.source,
                            j.study.empty() ? "" : "; study " + j.study, "", j.claim.statement);
        if (!j.claim.paper.empty()) text += fmt::format("{:18}paper: {}\n", "", j.claim.paper);
        if (!j.claim.conditions.empty()) text += fmt::format("{:18}criterion: {}\n", "", j.claim.criterion());
        text += fmt::format("{:18}{}: {}\n", "", j.claim.reason.empty() ? "ours" : "why", j.evidence);
    }
    text += fmt::format("ledger: {} claims", claims.size());
    for (const auto& [verdict, count] : counts) text += fmt::format(", {} {}", count, name_of(verdict));
    return text + "\n";
}

}  // namespace normlab::studies
