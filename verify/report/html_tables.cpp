// The tables of the page: the invariance table, and checks by variants.

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "verify/report/html_parts.hpp"
#include "verify/report/xml.hpp"

namespace normlab::verify {
namespace {

std::string head(const std::vector<std::string>& columns) {
    std::string text = "<table class=\"matrix\"><thead><tr><td></td>";
    for (const std::string& column : columns) text += fmt::format("<th scope=\"col\">{}</th>", xml_text(column));
    return text + "</tr></thead>\n<tbody>\n";
}

// What one check found for one variant on one implementation.
struct Cell {
    Measured worst;
    std::size_t findings = 0, failed = 0, unresolved = 0;
};

// Darker the nearer to the bound.
double shade(double ratio) { return std::sqrt(std::min(ratio, 1.0)); }

std::string chip(Page& page, const std::string& implementation, const Cell& cell) {
    const Finding& f = *cell.worst.finding;
    std::string word = short_number(f.ratio()), css = "chip";
    if (cell.failed) word = "✗ " + word, css += " fail";
    else if (cell.unresolved) word = "? " + word, css += " unresolved";
    const std::string counts =
        fmt::format("{} findings{}{}", cell.findings, cell.failed ? fmt::format(", {} failed", cell.failed) : "",
                    cell.unresolved ? fmt::format(", {} unresolved", cell.unresolved) : "");
    return fmt::format(
        "<a class=\"{}\" href=\"{}\" style=\"--t:{:.2f}\" title=\"{}\"><i class=\"bar c{}\"></i>{}</a>", css,
        page.link(*cell.worst.outcome), shade(f.ratio()),
        xml_text(fmt::format("{}: {}; worst: {}, {}", implementation, counts, f.quantity, cell.worst.outcome->title())),
        page.index(implementation) % 6, word);
}

}  // namespace

std::string invariance_section(Page& page) {
    const auto [labels, columns, cells] = invariance_matrix(page.outcomes);
    if (labels.empty()) return {};
    std::string table = head(columns);
    for (const std::string& label : labels) {
        table += fmt::format("<tr><th scope=\"row\">{}</th>", xml_text(label));
        for (const std::string& column : columns) {
            const auto at = cells.find({label, column});
            if (at == cells.end()) {
                table += "<td class=\"none\">–</td>";
                continue;
            }
            const InvarianceMatrix::Cell& cell = at->second;
            const Finding& f = *cell.worst.finding;
            const std::string title = fmt::format("{}, {}: measured {}; {}", label, column, f.note,
                                                  cell.wrong ? "not as expected" : "as expected");
            table += fmt::format("<td><a class=\"answer {}{}\" href=\"{}\" title=\"{}\">{}{}</a></td>", cell.word(),
                                 cell.wrong ? " fail" : "", page.link(*cell.worst.outcome), xml_text(title),
                                 cell.word(), cell.wrong ? " ✗" : "");
        }
        table += "</tr>\n";
    }
    return section("invariance", "Invariance, measured",
                   "Whether y = norm(W u) stays the same when W, u or the bias changes as the column says, ε = 0. Yes "
                   "within the bounds of both calls, no by a "
                   "counterexample far beyond them, dense: only where a channel has one position. Hover for the "
                   "measured deviation; ✗ is not as the formulas "
                   "have it.",
                   "<div class=\"scroll\">" + table + "</tbody></table></div>\n");
}

std::string matrix_section(Page& page) {
    std::vector<std::string> checks;
    // by check and variant, then implementation
    std::map<std::pair<std::string, std::string>, std::map<std::size_t, Cell>> cells;
    for (const CheckRow& row : page.rows) {
        bool any = false;
        for (const Outcome* o : row.outcomes)
            for (const Finding& f : o->findings) {
                Cell& cell = cells[{row.check, o->test.variant}][page.index(row.implementation)];
                ++cell.findings, any = true;
                cell.failed += f.verdict == Verdict::fail, cell.unresolved += f.verdict == Verdict::unresolved;
                if (worse(cell.worst, {o, &f})) cell.worst = {o, &f};
            }
        if (any && std::ranges::find(checks, row.check) == checks.end()) checks.push_back(row.check);
    }
    if (checks.empty()) return {};
    std::string table = head(page.variants);
    for (const std::string& check : checks) {
        table += fmt::format("<tr><th scope=\"row\" title=\"{}\">{}</th>", xml_text(find_check(check).statement),
                             xml_text(check));
        for (const std::string& variant : page.variants) {
            const auto at = cells.find({check, variant});
            table += at == cells.end() ? "<td class=\"none\">–</td>" : "<td>";
            if (at == cells.end()) continue;
            for (const auto& [implementation, cell] : at->second)
                table += chip(page, page.implementations[implementation], cell);
            table += "</td>";
        }
        table += "</tr>\n";
    }
    return section("matrix", "Checks by variants",
                   "The worst error over bound; a dash where the check has nothing to say about the variant. Each "
                   "leads to its worst case.",
                   implementation_legend(page) + "<div class=\"scroll\">" + table + "</tbody></table></div>\n");
}

}  // namespace normlab::verify
