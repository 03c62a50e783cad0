#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "io/json.hpp"
#include "io/report_header.hpp"
#include "norms/names.hpp"
#include "verify/detection/matrix.hpp"
#include "verify/detection/rivals.hpp"
#include "verify/report/report.hpp"

namespace normlab::verify::faults {
namespace {

std::size_t found_by(const Matrix& matrix, std::size_t rival) {
    return static_cast<std::size_t>(std::ranges::count_if(matrix.rows, [&](const Row& r) { return r.rivals[rival]; }));
}

std::string cells(const std::vector<bool>& found) {
    std::string text;
    for (std::size_t k = 0; k < found.size(); ++k)
        text += fmt::format("  {:<{}}", found[k] ? "yes" : "-", rivals()[k].name.size());
    return text;
}

std::string trimmed(std::string text) {
    text.erase(text.find_last_not_of(' ') + 1);
    return text + "\n";
}

std::string line(std::string_view fault, std::string_view kind, std::string_view by, std::string_view cases,
                 std::string_view ratio, std::string_view named) {
    return fmt::format("{:<23} {:<9} {:<33} {:>6} {:>11}  {:<5}", fault, kind, by, cases, ratio, named);
}

}  // namespace

std::string matrix_text(const Matrix& matrix, const MatrixOptions& options, const std::string& command) {
    std::string head = line("fault", "kind", "caught by: check, quantity", "cases", "error/bound", "named");
    for (const Rival& r : rivals()) head += fmt::format("  {}", r.name);
    std::string text = trimmed(head);
    for (const Row& r : matrix.rows) {
        const std::string by =
            r.caught ? fmt::format("{}, {}", r.outcome.test.check, r.finding.quantity) : "NOT CAUGHT";
        const std::string ratio = r.caught ? fmt::format("{:.2g}", r.finding.ratio()) : "-";
        text += trimmed(
            line(r.fault->name, name_of(r.fault->kind), by, fmt::to_string(r.cases), ratio, r.named ? "yes" : "-") +
            cells(r.rivals));
        if (!options.all || r.checks.empty()) continue;
        text += "    also:";
        for (const auto& [check, count] : r.checks) text += fmt::format(" {} {}", check, count);
        text += "\n    in:  ";
        for (const auto& [variant, of] : r.variants) text += fmt::format(" {} {}/{}", variant, of.failed, of.cases);
        text += "\n";
    }
    const std::string alarms = matrix.false_alarms.empty() ? "nothing FAILs" : "FALSE ALARM";
    const std::string unresolved =
        matrix.unresolved.empty() ? "" : fmt::format(", {} UNRESOLVED", matrix.unresolved.size());
    text += trimmed(line("no fault", "", alarms + unresolved, fmt::to_string(matrix.right_cases), "", "") +
                    cells(matrix.rival_alarms));
    text +=
        "\nEach fault walks the cases of tier ci of the variants and the kind of statistics that it can show with, to "
        "the first FAIL: the\nsmallest cases of each check first, and every check has an equal share of the time. "
        "named: "
        "the report of the first FAIL of\naccuracy or running_stats says which fault it is, perhaps among others that "
        "give the same. The columns on the right are our\nimplementations of rules as described, on the data they use "
        "by "
        "default:\n";
    for (const Rival& r : rivals()) text += fmt::format("  {:<15} {}, {}\n", r.name, r.rule, name_of(r.dtype));
    for (const Row& r : matrix.rows)
        if (options.only.size() == 1 && r.caught)
            text +=
                fmt::format("\n{}\n  rerun: {}\n", finding_line(r.outcome, r.finding), rerun_line(r.outcome, command));
    std::vector<Outcome> said = matrix.false_alarms;
    said.insert(said.end(), matrix.unresolved.begin(), matrix.unresolved.end());
    const std::string failures = failures_text(said, command);
    return failures.empty() ? text : text + "\n" + failures;
}

std::string matrix_summary(const Matrix& matrix, double seconds) {
    std::string others;
    for (std::size_t k = 0; k < rivals().size(); ++k)
        others += fmt::format("{}{} {}", k == 0 ? "" : ", ", rivals()[k].name, found_by(matrix, k));
    const auto named = std::ranges::count(matrix.rows, true, &Row::named);
    return fmt::format(
        "faults: {} planted, {} caught ({} named by fit); {} false alarms and {} unresolved in {} cases without a "
        "fault; {}; {}{:.1f} s",
        matrix.rows.size(), matrix.caught(), named, matrix.false_alarms.size(), matrix.unresolved.size(),
        matrix.right_cases, others,
        matrix.not_walked + matrix.not_run == 0
            ? ""
            : fmt::format("interrupted, {} faults and {} cases without a fault not run; ", matrix.not_walked,
                          matrix.not_run),
        seconds);
}

std::string matrix_json(const Matrix& matrix, double seconds) {
    using nlohmann::json;
    const auto number = [](double v) { return std::isfinite(v) ? json(v) : json(fmt::format("{}", v)); };
    json rows = json::array();
    for (const Row& r : matrix.rows) {
        json row{{"fault", r.fault->name},
                 {"description", r.fault->description},
                 {"kind", name_of(r.fault->kind)},
                 {"variants", variants_text(r.fault->variants)},
                 {"pass", r.fault->pass == Pass::forward ? "forward" : "backward"},
                 {"caught", r.caught},
                 {"cases", r.cases},
                 {"named", r.named}};
        if (r.caught)
            row.update(json{{"check", r.outcome.test.check},
                            {"quantity", r.finding.quantity},
                            {"error", number(r.finding.error)},
                            {"bound", number(r.finding.bound)},
                            {"ratio", number(r.finding.ratio())},
                            {"note", r.finding.note},
                            {"case", r.outcome.test.text()},
                            {"rerun", r.outcome.rerun}});
        for (const auto& [check, count] : r.checks) row["checks"][check] = count;
        for (const auto& [variant, of] : r.variants)
            row["variants_walked"][variant] = {{"cases", of.cases}, {"failed", of.failed}};
        for (std::size_t k = 0; k < r.rivals.size(); ++k)
            row["rivals"][std::string(rivals()[k].name)] = static_cast<bool>(r.rivals[k]);
        rows.push_back(row);
    }
    json document{{"header", io::report_header("normlab verify --faults")},
                  {"planted", matrix.rows.size()},
                  {"caught", matrix.caught()},
                  {"cases_without_fault", matrix.right_cases},
                  {"false_alarms", matrix.false_alarms.size()},
                  {"unresolved_without_fault", matrix.unresolved.size()},
                  {"seconds", seconds},
                  {"faults", rows}};
    for (std::size_t k = 0; k < rivals().size(); ++k)
        document["rivals"][std::string(rivals()[k].name)] = {
            {"rule", rivals()[k].rule},
            {"found", found_by(matrix, k)},
            {"false_alarm", static_cast<bool>(matrix.rival_alarms[k])}};
    if (matrix.not_walked + matrix.not_run)
        document["interrupted"] = true, document["faults_not_run"] = matrix.not_walked,
        document["cases_not_run"] = matrix.not_run;
    return io::text_of(document);
}

}  // namespace normlab::verify::faults
