#include "verify/report.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "norms/names.hpp"

namespace normlab::verify {
namespace {

std::string_view word(Verdict v) {
    constexpr std::string_view words[] = {"PASS", "FAIL", "UNRESOLVED", "SKIPPED"};
    return words[static_cast<std::size_t>(v)];
}

std::string rerun_line(const Outcome& o, const std::string& command) { return command + o.rerun_line().substr(std::string_view("normlab").size()); }

std::string finding_line(const Outcome& o, const Finding& f) {
    return fmt::format("{} {} {}: error {:.3g}, bound {:.3g}{}{}{}", word(f.verdict), o.name.empty() ? o.test.check : o.name, f.label.empty() ? f.quantity : f.label + ", " + f.quantity,
                       f.error, f.bound, f.where.empty() ? "" : " at " + f.where, f.note.empty() ? "" : "; " + f.note,
                       f.warning ? "; beyond the sqrt(l) limit" : "");
}

std::string check_table(const std::vector<Outcome>& outcomes) {
    std::vector<std::pair<std::string, std::string>> order;
    std::map<std::pair<std::string, std::string>, std::vector<Outcome>> rows;
    for (const Outcome& o : outcomes) {
        const std::pair key{std::string(find_check(o.test.check).name), o.test.implementation};
        if (!rows.contains(key)) order.push_back(key);
        rows[key].push_back(o);
    }
    std::string text = fmt::format("{:<17} {:<11} {:>6} {:>6} {:>6} {:>10} {:>7}  {:>11}  {}\n", "check", "impl", "cases", "held", "failed", "unresolved",
                                   "skipped", "error/bound", "worst case");
    for (const auto& key : order) {
        const Summary s = summarize(rows[key]);
        std::string where = s.worst_case.substr(0, s.worst_case.find(" seed="));
        text += fmt::format("{:<17} {:<11} {:>6} {:>6} {:>6} {:>10} {:>7}  {:>11.2g}  {}\n", key.first, key.second, rows[key].size(), s.held, s.failed,
                            s.unresolved, s.skipped, s.worst_ratio, where);
    }
    return text;
}

// Largest error of y beside its bound, over the kappa that was asked for, by the length of a block.
std::string kappa_table(const std::vector<Outcome>& outcomes) {
    std::map<std::tuple<std::string, DType, std::int64_t>, std::map<double, Finding>> rows;
    for (const Outcome& o : outcomes) {
        const Case& c = o.test;
        if (find_check(c.check).name != "accuracy" || c.data || !c.spec().centred() || c.mode != Mode::train || c.state != StateKind::near) continue;
        for (const Finding& f : o.findings)
            if (f.quantity == "y" && c.sigma == 1 && !c.eps) {
                Finding& at = rows[{c.implementation, c.dtype, c.problem().block_size()}][c.kappa];
                if (at.quantity.empty() || f.error > at.error) at = f;
            }
    }
    std::erase_if(rows, [](const auto& row) { return row.second.size() < 2; });
    if (rows.empty()) return {};
    std::string text = "\nlargest error of y over its bound, by the data's kappa (rows: dtype, block size m)\n";
    for (const auto& [key, row] : rows) {
        text += fmt::format("{:<11} {:<5} {:>6}", std::get<0>(key), name_of(std::get<1>(key)), std::get<2>(key));
        for (const auto& [kappa, f] : row) text += fmt::format("  {:.0e}: {:.0e}/{:.0e}", kappa, f.error, f.bound);
        text += "\n";
    }
    return text;
}

// Cells: yes, no, or "dense" where it holds without positions only; ! where it is not what was expected.
std::string invariance_text(const std::vector<Outcome>& outcomes) {
    struct Cell {
        bool yes = false, no = false, wrong = false;
    };
    std::vector<std::string> labels, columns;
    std::map<std::pair<std::string, std::string>, Cell> cells;
    const auto remember = [](std::vector<std::string>& list, const std::string& name) {
        if (std::ranges::find(list, name) == list.end()) list.push_back(name);
    };
    for (const Outcome& o : outcomes) {
        if (o.test.check != "invariance_table") continue;
        for (const Finding& f : o.findings) {
            if (f.quantity.ends_with("(zero-padded)")) continue;
            remember(labels, f.label), remember(columns, f.quantity);
            Cell& cell = cells[{f.label, f.quantity}];
            (f.note.starts_with("yes") ? cell.yes : cell.no) = true;
            cell.wrong |= f.verdict != Verdict::pass;
        }
    }
    if (labels.empty()) return {};
    std::string text = fmt::format("\ninvariance of y = norm(W u), measured (dense: only where S = 1)\n{:<31}", "");
    for (const auto& column : columns) text += fmt::format("  {}", column);
    text += "\n";
    for (const auto& label : labels) {
        text += fmt::format("{:<31}", label);
        for (const auto& column : columns) {
            const auto cell = cells.find({label, column});
            std::string word = cell == cells.end() ? "-" : cell->second.yes && cell->second.no ? "dense" : cell->second.yes ? "yes" : "no";
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
    Summary s;
    for (const Outcome& o : outcomes) {
        s.skipped += !o.skipped.empty();
        for (const Finding& f : o.findings) {
            s.held += f.verdict == Verdict::pass;
            s.failed += f.verdict == Verdict::fail;
            s.unresolved += f.verdict == Verdict::unresolved;
            s.warnings += f.warning;
            if (f.verdict == Verdict::skipped) continue;   // compared with nothing
            if (f.ratio() > s.worst_ratio || (f.verdict == Verdict::fail && s.worst_case.empty())) {
                s.worst_ratio = std::max(s.worst_ratio, f.ratio());
                s.worst_case = o.title();
            }
        }
    }
    return s;
}

std::string failures_text(const std::vector<Outcome>& outcomes, const std::string& command) {
    std::string text;
    for (const Outcome& o : outcomes)
        for (const Finding& f : o.findings)
            if (f.verdict == Verdict::fail || f.verdict == Verdict::unresolved)
                text += fmt::format("{}\n  rerun: {}\n", finding_line(o, f), rerun_line(o, command));
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
    return check_table(outcomes) + kappa_table(outcomes) + invariance_text(outcomes);
}

std::string summary_line(const Summary& s, double seconds) {
    return fmt::format("verify: {} held, {} failed, {} unresolved, {} skipped; {} beyond the sqrt(l) warning; worst error/bound {:.3g}{}; {:.1f} s", s.held,
                       s.failed, s.unresolved, s.skipped, s.warnings, s.worst_ratio, s.worst_case.empty() ? "" : " (" + s.worst_case + ")", seconds);
}

std::string json_text(const std::vector<Outcome>& outcomes, const Summary& s, double seconds, const std::string& command) {
    using nlohmann::json;
    const auto number = [](double v) { return std::isfinite(v) ? json(v) : json(fmt::format("{}", v)); };
    json findings = json::array();
    for (const Outcome& o : outcomes) {
        const json test{{"case", o.title()}, {"check", o.test.check}, {"variant", o.test.variant}, {"impl", o.test.implementation},
                        {"dtype", name_of(o.test.dtype)}, {"layout", name_of(o.test.layout)}, {"mode", name_of(o.test.mode)}, {"kappa", o.test.kappa},
                        {"rerun", rerun_line(o, command)}};
        if (!o.skipped.empty()) {
            findings.push_back(test);
            findings.back().update(json{{"verdict", word(Verdict::skipped)}, {"reason", o.skipped}});
        }
        for (const Finding& f : o.findings) {
            findings.push_back(test);
            findings.back().update(json{{"quantity", f.quantity}, {"error", number(f.error)}, {"bound", number(f.bound)}, {"ratio", number(f.ratio())},
                                        {"verdict", word(f.verdict)}, {"warning", f.warning}, {"where", f.where}, {"label", f.label}, {"note", f.note}});
        }
    }
    const json document{{"summary", {{"held", s.held}, {"failed", s.failed}, {"unresolved", s.unresolved}, {"skipped", s.skipped},
                                     {"warnings", s.warnings}, {"worst_ratio", number(s.worst_ratio)}, {"worst_case", s.worst_case}, {"seconds", seconds}}},
                        {"findings", findings}};
    return document.dump(1) + "\n";
}

}  // namespace normlab::verify
