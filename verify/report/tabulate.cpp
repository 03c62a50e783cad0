#include "verify/report/tabulate.hpp"

#include <algorithm>

namespace normlab::verify {

std::vector<CheckRow> rows_by_check(const std::vector<Outcome>& outcomes) {
    std::vector<CheckRow> rows;
    std::map<std::pair<std::string_view, std::string_view>, std::size_t> index;
    for (const Outcome& o : outcomes) {
        const std::string_view check = find_check(o.test.check).name;
        const auto [at, added] = index.try_emplace({check, o.test.implementation}, rows.size());
        if (added) rows.push_back({std::string(check), o.test.implementation, {}});
        rows[at->second].outcomes.push_back(&o);
    }
    return rows;
}

bool worse(const Measured& a, const Measured& b) {
    const auto rank = [](const Measured& m) {
        if (!m.finding) return std::pair(-1, 0.0);
        return std::pair(m.finding->verdict == Verdict::fail         ? 2
                         : m.finding->verdict == Verdict::unresolved ? 1
                                                                     : 0,
                         m.finding->ratio());
    };
    return rank(a) < rank(b);
}

std::vector<KappaCurve> kappa_curves(const std::vector<Outcome>& outcomes) {
    std::map<std::tuple<std::string, DType, std::int64_t>, std::map<double, Measured>> rows;
    for (const Outcome& o : outcomes) {
        const Case& c = o.test;
        if (!o.name.empty() || find_check(c.check).name != "accuracy" || c.data || !c.spec().centred() ||
            c.mode != Mode::train || c.state != StateKind::near)
            continue;
        for (const Finding& f : o.findings)
            if (f.quantity == "y" && c.sigma == 1 && c.offset == 0 && c.x == Values{} && !c.eps) {
                Measured& at = rows[{c.implementation, c.dtype, c.problem().block_size()}][c.kappa];
                if (!at.finding || f.error > at.finding->error) at = {&o, &f};
            }
    }
    std::vector<KappaCurve> curves;
    for (auto& [key, points] : rows)
        if (points.size() > 1)
            curves.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), std::move(points)});
    return curves;
}

InvarianceMatrix invariance_matrix(const std::vector<Outcome>& outcomes) {
    InvarianceMatrix matrix;
    const auto remember = [](std::vector<std::string>& list, const std::string& name) {
        if (std::ranges::find(list, name) == list.end()) list.push_back(name);
    };
    for (const Outcome& o : outcomes) {
        if (o.test.check != "invariance_table") continue;
        for (const Finding& f : o.findings) {
            if (f.label.empty() || f.quantity.ends_with("(zero-padded)")) continue;
            remember(matrix.labels, f.label), remember(matrix.columns, f.quantity);
            InvarianceMatrix::Cell& cell = matrix.cells[{f.label, f.quantity}];
            (f.note.starts_with("yes") ? cell.yes : cell.no) = true;
            // skipped: nothing was expected
            cell.wrong |= f.verdict != Verdict::pass && f.verdict != Verdict::skipped;
            if (worse(cell.worst, {&o, &f})) cell.worst = {&o, &f};
        }
    }
    return matrix;
}

}  // namespace normlab::verify
