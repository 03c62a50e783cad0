#include "verify/report/junit.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "system/version.hpp"
#include "verify/report/diagnosis.hpp"
#include "verify/report/tabulate.hpp"
#include "verify/report/xml.hpp"

namespace normlab::verify {
namespace {

struct Count {
    std::size_t tests = 0, failures = 0, skipped = 0;
    double seconds = 0;
    std::string attributes() const {
        return fmt::format("tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\"", tests, failures, skipped);
    }
};

// What stands inside a testcase; empty where all is well.
std::string result_of(const Outcome& o, const RunInfo& info, Count& count) {
    ++count.tests;
    const auto has = [&](Verdict v) {
        return std::ranges::any_of(o.findings, [v](const Finding& f) { return f.verdict == v; });
    };
    const bool failed = has(Verdict::fail), unresolved = has(Verdict::unresolved);
    if (!o.skipped.empty()) {
        ++count.skipped;
        return fmt::format("<skipped message=\"{}\"/>", xml_text(o.skipped));
    }
    if (!failed && !unresolved && has(Verdict::accepted)) {
        ++count.skipped;
        const auto known = std::ranges::find(o.findings, Verdict::accepted, &Finding::verdict);
        return fmt::format("<skipped message=\"{}\"/>", xml_text(finding_line(o, *known)));
    }
    if (!failed && !unresolved) {
        std::string said;  // a pass that says nothing does not go by in silence
        for (const Finding& f : o.findings)
            if (f.not_judged) said += xml_text(finding_line(o, f)) + "\n";
        return said.empty() ? "" : "<system-out>" + said + "</system-out>";
    }
    std::string first, lines;
    for (const Finding& f : o.findings) {
        if (f.verdict != Verdict::fail && f.verdict != Verdict::unresolved) continue;
        const std::string line = finding_line(o, f);
        if (first.empty() || (f.verdict == Verdict::fail && !first.starts_with(name_of(Verdict::fail)))) first = line;
        lines += xml_text(line) + "\n";
    }
    if (!failed && info.allow_unresolved) {
        ++count.skipped;
        return fmt::format("<skipped message=\"{}\"/>", xml_text("allowed by --allow-unresolved: " + first));
    }
    ++count.failures;
    return fmt::format("<failure type=\"{}\" message=\"{}\">{}rerun: {}\n</failure>", failed ? "fail" : "unresolved",
                       xml_text(first), lines, xml_text(rerun_line(o, info.command)));
}

// JUnit's timestamps name no zone.
std::string timestamp() { return system::utc_time().substr(0, std::string_view("2026-11-28T21:25:05").size()); }

std::string suite(const std::string& name, const Count& count, const std::string& cases) {
    return fmt::format("  <testsuite name=\"{}\" {} time=\"{:.6f}\" timestamp=\"{}\">\n{}  </testsuite>\n",
                       xml_text(name), count.attributes(), count.seconds, timestamp(), cases);
}

}  // namespace

std::string junit_text(const std::vector<Outcome>& outcomes, const RunInfo& info) {
    Count all;
    std::string suites;
    // first, and no case of its own: what is wrong
    if (const std::string diagnosis = diagnosis_text(diagnose(outcomes), info.command); !diagnosis.empty())
        suites = suite("diagnosis", {}, fmt::format("    <system-out>{}</system-out>\n", xml_text(diagnosis)));
    const auto add = [&](const std::string& name, const Count& count, const std::string& cases) {
        suites += suite(name, count, cases);
        all.tests += count.tests, all.failures += count.failures, all.skipped += count.skipped;
    };
    for (const CheckRow& row : rows_by_check(outcomes)) {
        const std::string name = row.check + "." + row.implementation;
        Count count;
        std::string cases;
        for (const Outcome* o : row.outcomes) {
            const std::string inside = result_of(*o, info, count);
            count.seconds += o->seconds;
            cases += fmt::format("    <testcase classname=\"{}\" name=\"{}\" time=\"{:.6f}\"", xml_text(name),
                                 xml_text(o->title()), o->seconds);
            cases += inside.empty() ? "/>\n" : ">" + inside + "</testcase>\n";
        }
        add(name, count, cases);
    }
    if (!info.losses.empty()) {
        const Count count{info.losses.size(), info.losses.size(), 0};
        std::string cases;
        for (std::size_t i = 0; i < info.losses.size(); ++i)
            cases += fmt::format(
                "    <testcase classname=\"baseline\" name=\"loss {}\" time=\"0\"><failure type=\"worse\" "
                "message=\"{}\"/></testcase>\n",
                i + 1, xml_text(info.losses[i]));
        add("baseline", count, cases);
    }
    if (info.not_run && info.interrupted) {
        const std::string what = fmt::format("{} cases were not run", info.not_run);
        add("interrupted", {1, 1, 0},
            fmt::format("    <testcase classname=\"interrupted\" name=\"not run\"><failure type=\"interrupted\" "
                        "message=\"{}\"/></testcase>\n",
                        what));
    }
    return fmt::format("{} {} time=\"{:.3f}\" timestamp=\"{}\">\n{}</testsuites>\n", junit_beginning, all.attributes(),
                       info.seconds, timestamp(), suites);
}

}  // namespace normlab::verify
