#include "cli/verify_cases.hpp"

#include <algorithm>
#include <regex>

#include <fmt/format.h>

#include "system/shell.hpp"
#include "verify/checks/exhaustive.hpp"
#include "verify/run/replay.hpp"
#include "verify/run/run_cases.hpp"

namespace normlab::cli {
namespace {

std::regex parse_filter(const std::string& text) {
    try {
        return std::regex(text);
    } catch (const std::regex_error& e) {
        throw Error(
            fmt::format("--filter {}: {}; a regular expression as JavaScript has them (ECMAScript) is accepted, "
                        "for example --filter '^rms_norm.* bf16 '",
                        system::shell_word(text), e.what()));
    }
}

void keep_matching(std::vector<verify::Case>& cases, const std::string& filter) {
    if (filter.empty()) return;
    const std::regex expression = parse_filter(filter);
    const std::string first = cases.front().text();
    const std::size_t all = cases.size();
    std::erase_if(cases, [&](const verify::Case& c) { return !std::regex_search(c.text(), expression); });
    if (cases.empty())
        throw Error(
            fmt::format("--filter {} matches none of the {} cases of this selection, of which the first is '{}'; "
                        "normlab verify --list-cases prints them all",
                        system::shell_word(filter), all, first));
}

}  // namespace

std::vector<verify::Case> selected_cases(const VerifyOptions& o, std::vector<std::string>& left_out) {
    if (!o.filter.empty()) parse_filter(o.filter);  // before files are read
    std::vector<verify::Case> cases;
    if (!o.replay.empty()) {
        cases = verify::read_replay(o.replay);
        if (!o.quiet && !o.list_cases) fmt::print("replaying {} cases of {}\n", cases.size(), o.replay);
    }
    std::ranges::move(planned_cases(o, left_out), std::back_inserter(cases));
    if (cases.empty())
        throw Error("nothing to verify: no check applies to this selection; `normlab list` shows checks and variants");
    keep_matching(cases, o.filter);
    return cases;
}

void list_cases(const VerifyOptions& o) {
    std::vector<std::string> left_out;
    std::size_t skipped = 0;
    std::string reason;
    for (const verify::Case& c : selected_cases(o, left_out)) {
        if (const std::string why = verify::reason_to_skip(c); why.empty()) fmt::print("{}\n", c.text());
        else if (skipped++ == 0) reason = why;
    }
    std::fflush(stdout);
    if (skipped) fmt::print(stderr, "normlab: {} more cases would be skipped; the first because {}\n", skipped, reason);
}

std::string exhaustive_text(const std::vector<verify::Outcome>& outcomes) {
    const auto slices = std::ranges::count_if(outcomes, [](const verify::Outcome& o) {
        return o.skipped.empty() && o.test.mode == Mode::train && o.test.check == verify::exhaustive_name;
    });
    constexpr std::int64_t values = 65536,
                           pairs = values * values / static_cast<std::int64_t>(verify::exhaustive_slices);
    return fmt::format("exhaustive: {} pairs of values, in {} slices, of which a variant and dtype has {}\n",
                       slices * pairs, slices, verify::exhaustive_slices);
}

bool is_finding(const verify::Outcome& outcome, bool allow_unresolved) {
    return std::ranges::any_of(outcome.findings, [&](const verify::Finding& f) {
        return f.verdict == verify::Verdict::fail || (f.verdict == verify::Verdict::unresolved && !allow_unresolved);
    });
}

std::vector<Annotation> annotations_of(const std::vector<verify::Outcome>& outcomes, const verify::RunInfo& info) {
    std::vector<Annotation> all;
    for (const verify::Outcome& o : outcomes) {
        std::string lines;
        for (const verify::Finding& f : o.findings)
            if (f.verdict == verify::Verdict::fail || f.verdict == verify::Verdict::unresolved)
                lines += finding_line(o, f) + "\n";
        if (!lines.empty())
            all.push_back({"normlab: " + o.title(), lines + "rerun: " + rerun_line(o, info.command),
                           !is_finding(o, info.allow_unresolved)});
    }
    for (const std::string& loss : info.losses) all.push_back({"normlab: accuracy got worse", loss});
    std::ranges::stable_partition(all, [](const Annotation& a) { return !a.warning; });
    return all;
}

}  // namespace normlab::cli
