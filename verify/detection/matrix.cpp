#include "verify/detection/matrix.hpp"

#include <map>

#include "system/interrupt.hpp"
#include "system/parallel.hpp"
#include "verify/detection/rivals.hpp"
#include "verify/faults/table.hpp"
#include "verify/remote/worker.hpp"
#include "verify/run/memory_need.hpp"

namespace normlab::verify::faults {
namespace {

// What a case costs in nanoseconds, about: a millisecond, in which some thousand elements are judged, and its elements.
// A tiled one is run whole, though truth is that of the tile; and two checks call again and again.
double cost(const Case& c) {
    const double size = static_cast<double>(c.shape.size());
    if (c.check == "many_calls" || c.check == "threads") return 3e8;
    return 1e6 + (c.tile ? 400 * size : bytes_needed(c));
}

// Every case of tier ci that a plug-in has, the smallest of each check first, in an order that gives every check an
// equal share of the time: a fault that one check sees soon is seen soon, however many cases the others have.
std::vector<Case> all_cases(Selection selection, const Implementation& plugin) {
    selection.implementations = {plugin.name()};
    std::vector<Case> cases = plan(selection, Tier::ci);
    std::ranges::stable_sort(cases, {}, cost);
    std::map<std::string, double> spent;
    std::vector<std::pair<double, Case>> order;
    for (Case& c : cases) {
        const double by_then = spent[c.check] += cost(c);
        order.emplace_back(by_then, std::move(c));
    }
    std::ranges::stable_sort(order, {}, &std::pair<double, Case>::first);
    cases.clear();
    for (auto& [by_then, c] : order) cases.push_back(std::move(c));
    return cases;
}

// Whether the findings of the case's check name faults.
bool names(const Case& c) {
    return c.check == "accuracy" || c.check == "running_stats" || c.check == "double_backward";
}

// Such cases that a caught fault is looked for in, until one of them fails. What none of these shows has no name: many
// faults never change a result that these checks look at.
constexpr int naming_cases = 1000;

// What a worker says of a case, with the line that reruns it.
Outcome judged(const RemotePlugin& worker, Case c) {
    c.implementation = worker.name();
    Outcome outcome = worker.run(c);
    outcome.rerun = "normlab verify " + worker.origin() + " --case \"" + c.text() + "\"";
    return outcome;
}

// Does it unless a signal has come, or comes meanwhile.
template <class F>
void unless_interrupted(F&& f) {
    if (system::interrupted()) return;
    try {
        f();
    } catch (const system::Interrupted&) {
    }
}

Row walk(const Fault& fault, const std::vector<Case>& cases, const MatrixOptions& options) {
    Row row;
    row.fault = &fault;
    for (const Rival& rival : rivals()) row.rivals.push_back(finds(rival, &fault));
    const auto worker = start_plugin({options.plugin.string(), std::string(fault.name)}, {.seconds = options.seconds});
    std::map<std::string, std::size_t> checks;
    bool asked = !fault.has_values();  // whether a case that could name it has failed
    int asks = 0;
    for (const Case& c : cases) {
        if (row.caught && !options.all && (asked || asks == naming_cases)) break;
        if (!fault.shows_in(c.problem()) || (row.caught && !options.all && !names(c))) continue;
        Outcome outcome = judged(*worker, c);
        if (!outcome.skipped.empty()) continue;
        row.cases += !row.caught;
        asks += row.caught && names(c);
        Row::Tally& tally = row.variants[c.variant];
        ++tally.cases;
        const auto fail = std::ranges::find(outcome.findings, Verdict::fail, &Finding::verdict);
        // a busy machine says nothing about a fault
        if (fail == outcome.findings.end() || fail->quantity == "time") continue;
        ++checks[c.check], ++tally.failed;
        if (names(c) && !asked) {
            asked = true;
            const std::string name = " " + std::string(fault.name) + " (";
            row.named = std::ranges::any_of(outcome.findings,
                                            [&](const Finding& f) { return f.note.find(name) != std::string::npos; });
        }
        if (!row.caught) {
            row.caught = true, row.finding = *fail;
            row.outcome = std::move(outcome);
        }
    }
    row.checks.assign(checks.begin(), checks.end());
    return row;
}

}  // namespace

std::size_t Matrix::caught() const { return static_cast<std::size_t>(std::ranges::count(rows, true, &Row::caught)); }

Matrix run_matrix(const MatrixOptions& options, const std::function<void(std::size_t, std::size_t)>& progress) {
    std::vector<const Fault*> planted;
    for (const std::string& name : options.only) planted.push_back(&find(name));
    if (options.only.empty())
        for (const Fault& f : table) planted.push_back(&f);
    const RemotePlugin& right = add_plugin({options.plugin.string(), ""}, {.seconds = options.seconds});
    const std::vector<Case> cases = all_cases(options.selection, right);
    std::size_t done = 0;
    // The right layer's cases count as many units as there are hundreds of them.
    const std::size_t total = planted.size() + cases.size() / 100;
    Matrix matrix;
    matrix.rows.resize(planted.size());
    system::in_parallel(
        planted.size(), options.threads,
        [&](std::size_t k) { unless_interrupted([&] { matrix.rows[k] = walk(*planted[k], cases, options); }); },
        [&] { progress(++done, total); });
    matrix.not_walked = std::erase_if(matrix.rows, [](const Row& r) { return !r.fault; });
    // none of the selection's cases is one in which it can show
    std::erase_if(matrix.rows, [](const Row& r) { return r.cases == 0; });
    if (matrix.rows.empty() && !matrix.not_walked)
        throw Error("no fault can show in any case of this selection; `normlab verify --faults` alone walks all");

    std::vector<Case> walked;  // all that some fault would have walked, had nothing caught it
    for (const Case& c : cases)
        if (std::ranges::any_of(planted, [&](const Fault* f) { return f->shows_in(c.problem()); })) walked.push_back(c);
    std::vector<std::optional<Outcome>> outcomes(walked.size());
    std::size_t ran = 0;
    unless_interrupted([&] {
        system::in_parallel(
            walked.size(), options.threads,
            [&](std::size_t k) { unless_interrupted([&] { outcomes[k] = judged(right, walked[k]); }); },
            [&] {
                if (++ran % 100 == 0) progress(std::min(++done, total), total);
            });
    });
    for (std::optional<Outcome>& outcome : outcomes) {
        if (!outcome) {
            ++matrix.not_run;
            continue;
        }
        Outcome& o = *outcome;
        matrix.right_cases += o.skipped.empty();
        const auto any = [&](Verdict verdict) {
            return std::ranges::any_of(
                o.findings, [verdict](const Finding& f) { return f.verdict == verdict && f.quantity != "time"; });
        };
        if (any(Verdict::fail)) matrix.false_alarms.push_back(std::move(o));
        else if (any(Verdict::unresolved)) matrix.unresolved.push_back(std::move(o));
    }
    for (const Rival& rival : rivals()) matrix.rival_alarms.push_back(finds(rival, nullptr));
    return matrix;
}

}  // namespace normlab::verify::faults
