#include "verify/report/report.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "io/json.hpp"
#include "io/report_header.hpp"
#include "norms/names.hpp"
#include "verify/report/accuracy_class.hpp"
#include "verify/report/diagnosis.hpp"
#include "verify/report/digest.hpp"
#include "verify/report/tabulate.hpp"
#include "verify/run/again.hpp"
#include "verify/run/catalogue.hpp"

namespace normlab::verify {

namespace {

std::string check_table(const std::vector<Outcome>& outcomes) {
    std::string text = fmt::format("{:<17} {:<11} {:>6} {:>6} {:>6} {:>10} {:>7}  {:>11}  {}\n", "check", "impl",
                                   "cases", "held", "failed", "unresolved", "skipped", "error/bound", "worst case");
    for (const CheckRow& row : rows_by_check(outcomes)) {
        const Summary s = summarize(row.outcomes);
        std::string where = s.worst_case.substr(0, s.worst_case.find(" seed="));
        text +=
            fmt::format("{:<17} {:<11} {:>6} {:>6} {:>6} {:>10} {:>7}  {:>11.2g}  {}\n", row.check, row.implementation,
                        row.outcomes.size(), s.held, s.failed, s.unresolved, s.skipped, s.worst_ratio, where);
    }
    return text;
}

// The catalogue's entries that ran, and what was not run of it.
std::string hostile_text(const std::vector<Outcome>& outcomes) {
    std::map<std::string_view, std::vector<const Outcome*>> by_name;
    // more than the entries asked for
    const bool tier = std::ranges::any_of(outcomes, [](const Outcome& o) { return o.test.name.empty(); });
    for (const Outcome& o : outcomes)
        if (!o.test.name.empty()) by_name[o.test.name].push_back(&o);
    if (by_name.empty()) return {};
    std::string text = fmt::format("\n{:<20} {:>6} {:>6} {:>6} {:>10} {:>7} {:>12}  shows\n", "hostile input", "cases",
                                   "held", "failed", "unresolved", "skipped", "error/bound");
    for (const HostileInput& input : hostile_inputs()) {
        const auto found = by_name.find(input.name);
        if (found != by_name.end()) {
            const Summary s = summarize(found->second);
            text +=
                fmt::format("{:<20} {:>6} {:>6} {:>6} {:>10} {:>7} {:>12.2g}  {}\n", input.name, found->second.size(),
                            s.held, s.failed, s.unresolved, s.skipped, s.worst_ratio, input.shows);
            std::set<std::string> reasons;
            for (const Outcome* o : found->second)
                if (!o->skipped.empty() && reasons.insert(o->skipped).second && reasons.size() <= 3)
                    text += fmt::format("{:<20}   skipped: {}\n", "", o->skipped);
        } else if (tier) {
            const std::string_view other =
                input.large ? "large; --tier full or --case runs it" : "nothing of this selection";
            text += fmt::format("{:<20} not run: {}\n", input.name, input.missing.empty() ? other : input.missing);
        }
    }
    return text;
}

std::string kappa_table(const std::vector<Outcome>& outcomes) {
    const std::vector<KappaCurve> curves = kappa_curves(outcomes);
    if (curves.empty()) return {};
    std::string text = "\nlargest error of y over its bound, by the data's kappa (rows: dtype, block size m)\n";
    for (const KappaCurve& curve : curves) {
        text += fmt::format("{:<11} {:<5} {:>6}", curve.implementation, name_of(curve.dtype), curve.m);
        for (const auto& [kappa, at] : curve.points)
            text += fmt::format("  {:.0e}: {:.0e}/{:.0e}", kappa, at.finding->error, at.finding->bound);
        text += "\n";
    }
    return text;
}

// Cells: yes, no, or "dense" where it holds without positions only; ! where it is not what was expected.
std::string invariance_text(const std::vector<Outcome>& outcomes) {
    const auto [labels, columns, cells] = invariance_matrix(outcomes);
    if (labels.empty()) return {};
    std::string text = fmt::format("\ninvariance of y = norm(W u), measured (dense: only where S = 1)\n{:<31}", "");
    for (const auto& column : columns) text += fmt::format("  {}", column);
    text += "\n";
    for (const auto& label : labels) {
        text += fmt::format("{:<31}", label);
        for (const auto& column : columns) {
            const auto cell = cells.find({label, column});
            std::string word(cell == cells.end() ? "-" : cell->second.word());
            if (cell != cells.end() && cell->second.wrong) word += " !";
            text += fmt::format("  {:<{}}", word, column.size());
        }
        text.erase(text.find_last_not_of(' ') + 1);
        text += "\n";
    }
    return text;
}

}  // namespace

Summary summarize(const std::vector<Outcome>& outcomes) {
    std::vector<const Outcome*> all;
    for (const Outcome& o : outcomes) all.push_back(&o);
    return summarize(all);
}

Summary summarize(const std::vector<const Outcome*>& outcomes) {
    Summary s;
    for (const Outcome* o : outcomes) {
        s.skipped += !o->skipped.empty();
        for (const Finding& f : o->findings) {
            s.held += f.verdict == Verdict::pass && !f.not_judged;
            s.not_judged += f.not_judged;
            s.failed += f.verdict == Verdict::fail;
            s.unresolved += f.verdict == Verdict::unresolved;
            s.warnings += f.warning && f.verdict == Verdict::pass;
            s.accepted += f.verdict == Verdict::accepted;
            // compared with nothing, or known
            if (f.verdict == Verdict::skipped || f.verdict == Verdict::accepted) continue;
            if (f.ratio() > s.worst_ratio || (f.verdict == Verdict::fail && s.worst_case.empty())) {
                s.worst_ratio = std::max(s.worst_ratio, f.ratio());
                s.worst_case = o->title();
            }
        }
    }
    return s;
}

std::string problems_text(const std::vector<Outcome>& outcomes, const std::string& command, bool all) {
    constexpr std::size_t few = 12;
    const std::vector<Cause> causes = diagnose(outcomes);
    std::size_t findings = 0;
    for (const Cause& c : causes) findings += c.findings.size();
    if (findings <= 1) return failures_text(outcomes, command);
    const std::string diagnosis = diagnosis_text(causes, command);
    if (all || findings <= few) return diagnosis + "\n" + failures_text(outcomes, command);
    return diagnosis + fmt::format("{} beside these examples: --all prints them, --json and --html list them\n",
                                   plural(findings - causes.size(), "finding"));
}

std::string failures_text(const std::vector<Outcome>& outcomes, const std::string& command) {
    std::string text;
    for (const Outcome& o : outcomes)
        for (const Finding& f : o.findings)
            if (f.verdict == Verdict::fail || f.verdict == Verdict::unresolved) {
                const std::string again = said_again(o, f);
                text += fmt::format("{}\n  rerun: {}\n{}{}", finding_line(o, f), rerun_line(o, command),
                                    again.empty() ? "" : "  again: " + again + "\n",
                                    o.smaller.empty() || f.verdict != Verdict::fail || holds_alone(o, f)
                                        ? ""
                                        : "  smaller: " + called(command, o.smaller) + "\n");
            }
    return text;
}

std::string findings_text(const std::vector<Outcome>& outcomes) {
    std::string text;
    for (const Outcome& o : outcomes) {
        text += o.title() + "\n";
        if (!o.skipped.empty()) text += "  SKIPPED: " + o.skipped + "\n";
        for (const Finding& f : o.findings) text += "  " + finding_line(o, f) + "\n";
    }
    return text;
}

std::string tables_text(const std::vector<Outcome>& outcomes) {
    std::string skipped;
    for (const std::string& line : skipped_lines(outcomes)) skipped += fmt::format("skipped: {}\n", line);
    if (!skipped.empty()) skipped = "\n" + skipped;
    return accuracy_text(outcomes) + check_table(outcomes) + hostile_text(outcomes) + kappa_table(outcomes) +
           invariance_text(outcomes) + skipped;
}

std::string summary_line(const Summary& s, double seconds) {
    return fmt::format(
        "verify: {} held, {} failed, {} unresolved, {} skipped{}; {}{} beyond the sqrt(l) warning; worst error/bound "
        "{:.3g}{}; {}{:.1f} s",
        s.held, s.failed, s.unresolved, s.skipped, s.accepted ? fmt::format(", {} accepted", s.accepted) : "",
        s.not_judged ? fmt::format("{} not judged, ", s.not_judged) : "", s.warnings, s.worst_ratio,
        s.worst_case.empty() ? "" : " (" + s.worst_case + ")",
        s.not_run ? fmt::format("{}, {} not run; ", s.interrupted ? "interrupted" : "stopped early", s.not_run) : "",
        seconds);
}

std::string json_text(const std::vector<Outcome>& outcomes, const Summary& s, double seconds,
                      const std::string& command) {
    using nlohmann::json;
    const auto number = [](double v) { return std::isfinite(v) ? json(v) : json(fmt::format("{}", v)); };
    json findings = json::array();
    for (const Outcome& o : outcomes) {
        json test{{"case", o.title()},
                  {"check", o.test.check},
                  {"variant", o.test.variant},
                  {"impl", o.test.implementation},
                  {"dtype", name_of(o.test.dtype)},
                  {"layout", name_of(o.test.layout)},
                  {"mode", name_of(o.test.mode)},
                  {"kappa", o.test.kappa},
                  {"rerun", rerun_line(o, command)}};
        if (!o.test.name.empty()) test["hostile_input"] = o.test.name;
        if (!o.smaller.empty()) test["smaller"] = called(command, o.smaller);
        if (o.test.data) test["data"] = digest(*o.test.data);
        if (!o.skipped.empty()) {
            findings.push_back(test);
            findings.back().update(json{{"verdict", name_of(Verdict::skipped)}, {"reason", o.skipped}});
        }
        for (const Finding& f : o.findings) {
            findings.push_back(test);
            findings.back().update(json{{"quantity", f.quantity},
                                        {"error", number(f.error)},
                                        {"bound", number(f.bound)},
                                        {"ratio", number(f.ratio())},
                                        {"verdict", name_of(f.verdict)},
                                        {"warning", f.warning},
                                        {"where", f.where},
                                        {"label", f.label},
                                        {"note", f.note},
                                        {"cause", f.cause},
                                        {"not_judged", f.not_judged}});
        }
    }
    json summary{{"held", s.held},
                 {"failed", s.failed},
                 {"unresolved", s.unresolved},
                 {"skipped", s.skipped},
                 {"not_judged", s.not_judged},
                 {"warnings", s.warnings},
                 {"worst_ratio", number(s.worst_ratio)},
                 {"worst_case", s.worst_case},
                 {"seconds", seconds}};
    if (s.accepted) summary["accepted"] = s.accepted;
    if (s.not_run) summary["not_run"] = s.not_run, summary["interrupted"] = s.interrupted;
    json diagnosis = json::array();
    for (const Cause& c : diagnose(outcomes)) {
        const Outcome& o = *c.example.outcome;
        diagnosis.push_back({{"cause", c.title},
                             {"named", c.named},
                             {"impl", c.implementation},
                             {"verdict", name_of(c.verdict)},
                             {"findings", c.findings.size()},
                             {"cases", c.cases},
                             {"checks", c.checks},
                             {"common", c.common},
                             {"example", finding_line(o, *c.example.finding)},
                             {"rerun", rerun_line(o, command)}});
        if (!o.smaller.empty()) diagnosis.back()["smaller"] = called(command, o.smaller);
        if (const std::string again = c.again(); !again.empty()) diagnosis.back()["again"] = again;
    }
    return io::text_of({{"header", io::report_header("normlab verify")},
                        {"summary", summary},
                        {"accuracy_class", accuracy_json(outcomes)},
                        {"diagnosis", diagnosis},
                        {"findings", findings}});
}

}  // namespace normlab::verify
