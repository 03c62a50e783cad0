#include "python/report.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/error.hpp"
#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "python/implemented.hpp"
#include "verify/exchange/export.hpp"
#include "verify/report/baseline.hpp"
#include "verify/report/html.hpp"
#include "verify/report/lines.hpp"
#include "verify/run/explain.hpp"
#include "verify/run/run_cases.hpp"
#include "verify/run/shrink.hpp"

namespace normlab::python {
namespace {

using verify::Case;

template <class Parse>
auto parsed(const std::vector<std::string>& words, Parse parse) {
    std::vector<decltype(parse(words[0]))> values;
    for (const std::string& word : words) values.push_back(parse(word));
    return values;
}

std::vector<Case> cases_of(Function& f, const Chosen& chosen, std::vector<std::string>& left_out) {
    std::vector<Case> cases;
    f.dtypes = parsed(chosen.dtypes, parse_dtype), f.layouts = parsed(chosen.layouts, parse_layout),
    f.modes = parsed(chosen.modes, parse_mode);
    for (const std::string& text : chosen.cases) {
        cases.push_back(verify::parse_case(text));
        cases.back().implementation = f.name;
        f.dtypes.push_back(cases.back().dtype), f.layouts.push_back(cases.back().layout),
            f.modes.push_back(cases.back().mode);
        if (cases.back().variant != f.variant)
            throw Error(
                fmt::format("case '{}' is of {}; one of {} is accepted", text, cases.back().variant, f.variant));
    }
    if (!cases.empty()) return cases;
    const verify::Selection selection{{f.variant}, {f.name}, chosen.checks, f.dtypes, f.layouts, f.modes};
    f.fixed.require_takers(selection.variants, selection.dtypes);
    std::set<std::string> seen;
    std::map<std::string, std::set<std::string>> reasons;
    for (Case c : verify::plan(selection, verify::parse_tier(chosen.tier))) {
        if (const std::string why = not_asked(f, c.check); !why.empty()) {
            reasons[why].insert(c.check);
            continue;
        }
        if (f.channels && (c.tile || !c.x.given.empty() || !c.gamma.given.empty() || !c.beta.given.empty()))
            continue;  // their sizes are their point
        c = of_function(std::move(c), f);
        c.seed += chosen.seed - 1;
        if (verify::is_valid(c) && verify::find_check(c.check).refuses(c).empty() && seen.insert(c.text()).second)
            cases.push_back(std::move(c));
    }
    for (const auto& [why, checks] : reasons)
        left_out.push_back(fmt::format("not checked: {}: {}", fmt::join(checks, ", "), why));
    if (cases.empty() && reasons.size() == 1) throw Nothing("nothing to check: it is " + reasons.begin()->first);
    if (cases.empty())
        throw Nothing(fmt::format("nothing to check: no check of this selection looks at what a function of {} gives",
                                  f.variant));
    return cases;
}

// normlab verify --python NAME --case "CASE" as Python calls it.
std::string in_python(const std::string& line, const Function& f) {
    const std::string at = "--case ";
    const std::size_t begin = line.find(at);
    if (begin == std::string::npos) return line;
    return fmt::format("normlab.check({}, \"{}\"{}, cases=[{}])", f.shown, f.variant, f.said,
                       line.substr(begin + at.size()));
}

void raise_what_ended(const Function& f) {
    if (!f.ended) return;
    py::error_already_set ended = std::move(*f.ended);
    f.ended.reset();
    throw ended;
}

// A file that is wrong is an Error as every other word that was given.
template <class Read>
auto read(Read from) {
    try {
        return from();
    } catch (const io::InputError& e) {
        throw Error(e.what());
    }
}

}  // namespace

Case of_function(Case c, const Function& f) {
    const verify::MaskPattern own = c.mask;
    const Running kept = f.fixed.running.value_or(Running::none);  // in all calls, of a variant that need not
    if (kept != Running::none && may_keep_state(c.spec()) && c.spec().running == Running::none) c.running = kept;
    c = verify::as_a_script(f.fixed.applied(std::move(c)));
    if (f.any_mask && own != verify::MaskPattern::none && c.mask != verify::MaskPattern::none) c.mask = own;
    if (f.absent) c.affine = verify::AffineUse::none;
    else if (c.affine != verify::AffineUse::none && f.affine != verify::AffineUse::both) c.affine = f.affine;
    if (f.channels) c.shape.C = *f.channels;
    if (f.groups) {
        if (*f.groups == find_variant(c.variant).make().groups) c.groups.reset();
        else c.groups = *f.groups;
    }
    return c;
}

Report::Report(std::vector<verify::Outcome> outcomes, double seconds, std::vector<std::string> left_out,
               std::optional<verify::Accepted> accepted, verify::KnownFindings found)
    : outcomes_(std::move(outcomes)), summary_(verify::summarize(outcomes_)), seconds_(seconds),
      left_out_(std::move(left_out)), accepted_(std::move(accepted)), found_(std::move(found)) {}

std::vector<std::string> Report::stale() const {
    return accepted_ ? accepted_->stale(outcomes_) : std::vector<std::string>();
}
std::string Report::accept_text(const std::string& path) const {
    return read([&] { return verify::accept_text(path, found_); });
}

std::string Report::text() const {
    std::string problems = verify::problems_text(outcomes_, "normlab", false);
    const std::string_view flags = "--all prints them, --json and --html list them";
    if (const std::size_t at = problems.find(flags); at != std::string::npos)
        problems.replace(at, flags.size(), "report.findings lists them");
    if (accepted_) problems += (problems.empty() ? "" : "\n") + accepted_->text(outcomes_);
    return problems + (problems.empty() ? "" : "\n") + verify::summary_line(summary_, seconds_);
}

std::string Report::html() const {
    return verify::html_text(outcomes_, {.seconds = seconds_, .call = "normlab.check()"});
}

py::dict Report::compare(const std::string& path) const {
    try {
        const verify::Baseline then(path);
        std::vector<Case> cases;
        for (const verify::Outcome& o : outcomes_) cases.push_back(o.test);
        then.require_overlap(cases);
        const verify::BaselineResult result = then.compare(outcomes_);
        std::string text;
        const auto records = [&](const std::vector<verify::Loss>& changes, auto line) {
            py::list all;
            for (const verify::Loss& c : changes) {
                const std::string rerun = verify::rerun_line(*c.outcome, "normlab");
                text += fmt::format("{}\n  rerun: {}\n", line(c), rerun);
                py::dict record;
                record["case"] = c.outcome->title(), record["check"] = c.outcome->test.check;
                record["quantity"] = c.finding->quantity, record["label"] = c.finding->label;
                record["verdict"] = std::string(verify::name_of(c.finding->verdict));
                record["error"] = c.finding->error, record["bound"] = c.finding->bound;
                record["error_then"] = c.then, record["where"] = c.finding->where, record["rerun"] = rerun;
                all.append(record);
            }
            return all;
        };
        const auto change = [&](const verify::Loss& c) { return then.change_line(c); };
        std::vector<verify::Loss> worse = result.losses;
        std::erase_if(worse, [&](const verify::Loss& l) {  // those are among what fails already
            return std::ranges::any_of(result.failing, [&](const verify::Loss& f) { return f.finding == l.finding; });
        });
        py::dict all;
        all["failing"] = records(result.failing, change);
        all["worse"] = records(worse, [&](const verify::Loss& l) { return then.loss_line(l); });
        all["holding"] = records(result.holding, change);
        all["compared"] = result.compared, all["better"] = result.better;
        all["text"] = text + fmt::format(
                                 "{}: {} compared, {} fail and did not, {} hold and did not, {} others worse, {} "
                                 "better",
                                 path, result.compared, result.failing.size(), result.holding.size(), worse.size(),
                                 result.better);
        return all;
    } catch (const io::InputError& e) {
        throw Error(e.what());
    }
}

Report check(Function& f, const Chosen& chosen, const py::object& progress) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::string> left_out;
    std::vector<verify::Outcome> outcomes;
    std::optional<verify::Accepted> accepted;
    if (!chosen.accept.empty()) read([&] { accepted.emplace(chosen.accept); });
    verify::KnownFindings found;
    {
        const Checked checked(f);
        const std::vector<Case> cases = cases_of(f, chosen, left_out);
        const auto show = [&](std::size_t done, std::size_t total) {
            const py::gil_scoped_acquire gil;
            if (f.ended) return;
            try {
                if (PyErr_CheckSignals() != 0) throw py::error_already_set();
                if (!progress.is_none()) progress(done, total);
            } catch (py::error_already_set& e) {
                f.ended.emplace(std::move(e));
            }
        };
        const py::gil_scoped_release others_may_run;
        outcomes = verify::run_cases(cases, 1, show, [&](const verify::Outcome&) { return f.ended.has_value(); });
        found = verify::known_findings(outcomes);
        if (accepted) std::ranges::for_each(outcomes, [&](verify::Outcome& o) { accepted->apply(o); });
        if (!f.ended && chosen.shrink) verify::shrink_failures(outcomes);
        if (!f.ended) verify::explain_failures(outcomes);
    }
    raise_what_ended(f);
    if (std::ranges::all_of(outcomes, [](const verify::Outcome& o) { return !o.skipped.empty(); }))
        throw Nothing("nothing could run: " + outcomes.front().skipped);
    for (verify::Outcome& o : outcomes) {
        o.rerun = in_python(o.test.rerun(), f);
        if (!o.smaller.empty()) o.smaller = in_python(o.smaller, f);
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return {std::move(outcomes), seconds, std::move(left_out), std::move(accepted), std::move(found)};
}

}  // namespace normlab::python
