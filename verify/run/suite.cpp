#include "verify/run/suite.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/operation.hpp"
#include "norms/variants.hpp"
#include "system/memory_budget.hpp"
#include "system/parallel.hpp"
#include "verify/truth/range.hpp"
#include "verify/remote/worker.hpp"

namespace normlab::verify {
namespace {

template <class T>
std::vector<T> chosen(const std::vector<T>& asked, std::vector<T> all) {
    return asked.empty() ? all : asked;
}

std::vector<std::string> variant_names() {
    std::vector<std::string> names;
    for (const Variant* v : all_variants()) names.emplace_back(v->name);
    return names;
}

std::vector<std::string> all_checks() {
    std::vector<std::string> names;
    for (const Check& c : checks()) names.emplace_back(c.name);
    return names;
}

// Why the bounds do not hold for these data, or nothing.
std::string bounds_do_not_hold(const Case& c) {
    if (c.dtype == DType::f64 && c.sigma == 1 && !c.data && c.x.given.empty()) return {};   // drawn in the middle of the range
    Inputs<double> in = draw(c);
    in.dy.clear();
    return out_of_range(in, find_implementation(c.implementation).accumulation(c.dtype));
}

// Implementations x variants x dtypes x layouts x modes.
std::vector<Case> bases(const Selection& selection) {
    std::vector<Case> all;
    for (const std::string& implementation : chosen_implementations(selection))
        for (const std::string& variant : chosen(selection.variants, variant_names()))
            for (DType dtype : chosen(selection.dtypes, {kernel_dtypes.begin(), kernel_dtypes.end()}))
                for (Layout layout : chosen(selection.layouts, {Layout::channels_first, Layout::channels_last}))
                    for (Mode mode : chosen(selection.modes, {Mode::train, Mode::eval})) {
                        Case base;
                        base.variant = find_variant(variant).name;
                        base.implementation = implementation;
                        base.dtype = dtype, base.layout = layout, base.mode = mode;
                        all.push_back(base);
                    }
    return all;
}

}  // namespace

std::vector<std::string> chosen_implementations(const Selection& selection) {
    std::vector<std::string> names;
    for (const std::string& name : selection.implementations) {
        if (const Support s = find_implementation(name).available(); !s) throw Error(fmt::format("{} cannot run here: {}", name, s.reason));
        names.push_back(name);
    }
    if (names.empty())
        for (const Implementation* i : implementations())
            if (i->available()) names.push_back(i->name());
    return names;
}

Tier parse_tier(const std::string& word) {
    constexpr std::string_view words[] = {"smoke", "ci", "full"};
    const auto at = std::ranges::find(words, word);
    if (at == std::end(words)) throw Error(unknown("tier", word, words));
    return static_cast<Tier>(at - words);
}

std::vector<Case> plan(const Selection& selection, Tier tier) {
    std::vector<Case> cases;
    std::set<std::string> seen;
    const std::vector<Case> all = bases(selection);
    for (const std::string& name : chosen(selection.checks, all_checks()))
        for (Case base : all) {
            base.check = name;
            const Check& check = find_check(name);
            for (Case& c : check.cases(base, tier))
                if (is_valid(c) && check.refuses(c).empty() && seen.insert(c.text()).second) cases.push_back(std::move(c));
        }
    if (tier != Tier::smoke)
        for (const HostileInput& input : hostile_inputs())
            if (!input.large || tier == Tier::full)
                for (Case& c : plan_hostile(input, selection))
                    if (seen.insert(c.text()).second) cases.push_back(std::move(c));
    return cases;
}

std::vector<Case> plan_hostile(const HostileInput& input, const Selection& selection) {
    std::vector<Case> cases;
    std::set<std::string_view> wanted;
    for (const std::string& name : selection.checks) wanted.insert(find_check(name).name);
    for (const Case& base : bases(selection)) {
        if (repeats_training(base)) continue;
        for (Case& c : input.cases(base)) {
            c.name = input.name;
            const Check& check = find_check(c.check);
            if ((wanted.empty() || wanted.contains(check.name)) && is_valid(c) && check.refuses(c).empty()) cases.push_back(std::move(c));
        }
    }
    return cases;
}

double bytes_needed(const Case& c) {
    if (c.tile) return 3.0 * static_cast<double>(c.shape.size()) * static_cast<double>(size_of(c.dtype));   // x, dy and what an implementation keeps
    return 1700.0 * static_cast<double>(c.shape.size() ? c.problem().block_size() : 0) + 400.0 * static_cast<double>(c.shape.size());
}

std::string reason_to_skip(const Case& c) {
    if (const RemotePlugin* plugin = find_remote(c.implementation)) return plugin->reason_to_skip(c);
    const Implementation& implementation = find_implementation(c.implementation);
    Problem problem = c.problem();
    problem.device = implementation.device();
    validate(problem);
    if (const Support s = implementation.available(); !s) return fmt::format("{} cannot run here: {}", c.implementation, s.reason);
    const double budget = system::memory_budget();
    if (const double need = bytes_needed(c); need > budget) {
        const std::string reason = fmt::format("{}x{}x{} needs {:.1f} GiB; up to {:.1f} GiB is accepted on this machine", c.shape.N, c.shape.C, c.shape.S,
                                               need / 0x1p30, budget / 0x1p30);
        if (c.name.empty()) throw Error(reason);
        return reason;   // of the catalogue: listed
    }
    const Check& check = find_check(c.check);
    if (c.shape.size() == 0 && check.name != "accuracy" && check.name != "empty") return "the tensor is empty";
    if (const std::string reason = check.refuses(c); !reason.empty()) return reason;
    const Support support = implementation.supports(problem);
    return support ? "" : c.implementation + " declines: " + support.reason;
}

Outcome run_case(const Case& c) {
    if (const RemotePlugin* plugin = find_remote(c.implementation)) return plugin->run(c);
    Outcome out{c, {}, reason_to_skip(c)};
    if (!out.skipped.empty()) return out;
    const auto failed = [&](const std::string& what) {
        Finding f = measured("exception", std::numeric_limits<double>::infinity(), 0, what);
        f.note = "thrown instead of a result";
        out.findings = {f};
    };
    try {
        out.findings = find_check(c.check).run(c, find_implementation(c.implementation));
        const bool failing = std::ranges::any_of(out.findings, [](const Finding& f) { return f.verdict == Verdict::fail; });
        if (const std::string reason = failing ? bounds_do_not_hold(c) : ""; !reason.empty())
            for (Finding& f : out.findings)
                if (f.verdict == Verdict::fail && f.bound > 0) f.verdict = Verdict::unresolved, f.note += (f.note.empty() ? "" : "; ") + reason;
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const Unsuitable& e) {
        out.skipped = e.what();
    } catch (const Declined& e) {   // of another problem than the case's, which it accepts; ours accept them all
        if (find_implementation(c.implementation).origin().empty()) failed(e.what());
        else out.skipped = e.what();
    } catch (const std::exception& e) {
        failed(e.what());
    }
    return out;
}

std::vector<Outcome> run_cases(const std::vector<Case>& cases, int threads, const std::function<void(std::size_t, std::size_t)>& progress) {
    std::vector<Outcome> outcomes(cases.size());
    std::size_t done = 0;
    system::in_parallel(cases.size(), threads, [&](std::size_t k) { outcomes[k] = run_case(cases[k]); }, [&] { progress(++done, cases.size()); });
    return outcomes;
}

}  // namespace normlab::verify
