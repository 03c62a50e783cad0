#include "verify/report/diagnosis.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "verify/report/separate.hpp"
#include "verify/run/again.hpp"

namespace normlab::verify {
namespace {

// The result that a finding is about, in whichever check: "dx, off 1 and x_hat" is about dx. Empty: the check's own
// quantity.
std::string result_of(const Finding& f) {
    const std::string first = f.quantity.substr(0, f.quantity.find(','));
    constexpr std::string_view results[] = {"y", "dx", "dgamma", "dbeta"};
    const bool known = std::ranges::find(results, first) != std::end(results) || first.starts_with("saved ") ||
                       first.starts_with("running ");
    return known && f.label.empty() && f.bound > 0 ? first : "";
}

// Numbers left out: two cases that die alike say other addresses.
std::string without_numbers(const std::string& text) {
    std::string t;
    for (const char c : text)
        if (!std::isdigit(static_cast<unsigned char>(c))) t += c;
        else if (t.empty() || t.back() != '#') t += '#';
    return t;
}

bool of_process(const Finding& f) {
    return f.quantity == "process" || f.quantity == "time" || f.quantity == "exception";
}

// What findings of one cause share, and what the cause is called.
std::pair<std::string, std::string> key_and_title(const Outcome& o, const Finding& f) {
    if (!f.cause.empty()) return {"0 " + f.cause, f.cause};
    if (of_process(f)) return {"1 " + f.quantity + without_numbers(f.where), f.where.empty() ? f.quantity : f.where};
    if (const std::string result = result_of(f); !result.empty()) return {"2 " + result, result};
    const std::string own = fmt::format("{}: {}", o.test.check, quantity_of(f));
    return {"3 " + own, own};
}

bool bad(const Finding& f) { return f.verdict == Verdict::fail || f.verdict == Verdict::unresolved; }

// The cases in which a quantity of the cause was measured and is right.
std::vector<const Case*> passing(const Cause& cause, const std::vector<Outcome>& outcomes,
                                 const std::set<const Outcome*>& failing) {
    std::set<std::pair<std::string, std::string>> quantities;  // with their checks
    for (const Measured& m : cause.findings) quantities.emplace(m.outcome->test.check, quantity_of(*m.finding));
    const bool any = of_process(*cause.findings[0].finding);
    std::vector<const Case*> cases;
    for (const Outcome& o : outcomes)
        if (o.test.implementation == cause.implementation && !failing.contains(&o) && o.skipped.empty() &&
            std::ranges::any_of(o.findings, [&](const Finding& f) {
                return any || (!bad(f) && f.verdict != Verdict::accepted &&
                               quantities.contains({o.test.check, quantity_of(f)}));
            }))
            cases.push_back(&o.test);
    return cases;
}

// The case made small of an outcome, if it was made so for this finding: for the first that fails.
std::optional<Case> smaller_case(const Measured& m) {
    const auto first = std::ranges::find(m.outcome->findings, Verdict::fail, &Finding::verdict);
    constexpr std::string_view begin = " --case \"";
    const std::string& line = m.outcome->smaller;
    const std::size_t at = line.find(begin);
    if (first == m.outcome->findings.end() || &*first != m.finding || at == line.npos) return std::nullopt;
    try {
        const std::size_t from = at + begin.size();
        return parse_case(line.substr(from, line.find('"', from) - from));
    } catch (const Error&) {
        return std::nullopt;
    }
}

void finish(Cause& cause, const std::vector<Outcome>& outcomes) {
    std::set<const Outcome*> seen;
    std::vector<const Case*> failing;
    for (const Measured& m : cause.findings) {
        ++cause.checks[m.outcome->test.check];
        if (seen.insert(m.outcome).second && m.outcome->name.empty()) failing.push_back(&m.outcome->test);
    }
    cause.cases = seen.size();
    std::vector<Case> small;
    std::vector<const Case*> smaller;
    for (const Measured& m : cause.findings)
        if (const std::optional<Case> c = smaller_case(m)) small.push_back(*c);
    for (const Case& c : small) smaller.push_back(&c);
    if (!cause.earlier) cause.common = separation(failing, passing(cause, outcomes, seen), smaller);
    cause.example = cause.findings[0];
    const auto rank = [&](const Measured& m) {
        // one that fails by itself where others showed that it depends on earlier calls
        if (cause.earlier)
            return 4 * (m.outcome->test.check == "reuse") +
                   2 * (m.outcome->again && !m.outcome->again->behind.empty()) + m.outcome->again.has_value();
        const bool held_or_not = m.outcome->again && !holds_alone(*m.outcome, *m.finding);
        return 4 * (held_or_not && !said_again(*m.outcome, *m.finding).empty()) +
               2 * (m.finding->verdict == Verdict::fail) + !m.outcome->smaller.empty();
    };
    for (const Measured& m : cause.findings)
        if (rank(m) > rank(cause.example)) cause.example = m;
}

// Every finding of it whose case was run again held there, and one was.
bool holds_alone(const Cause& cause) {
    const auto again = [](const Measured& m) { return m.outcome->again.has_value(); };
    return !cause.named && std::ranges::any_of(cause.findings, again) &&
           std::ranges::all_of(cause.findings, [&](const Measured& m) {
               return !again(m) || verify::holds_alone(*m.outcome, *m.finding);
           });
}

// Those that hold alone are one for each implementation, with what `reuse` found of it.
void join_earlier(std::vector<Cause>& causes) {
    std::map<std::string, Cause> joined;
    std::map<std::string, std::set<std::string>> titles_of;
    const auto take = [&](auto is_one) {
        for (Cause& c : causes) {
            if (c.findings.empty() || !is_one(c)) continue;
            Cause& all = joined[c.implementation];
            if (std::set<std::string>& titles = titles_of[c.implementation]; titles.insert(c.title).second)
                all.title +=
                    (all.title.empty() ? "depends on earlier calls of the process, or differs from run to run: "
                                       : ", ") +
                    c.title;
            if (all.findings.empty() || c.verdict == Verdict::fail) all.verdict = c.verdict;
            all.findings.insert(all.findings.end(), c.findings.begin(), c.findings.end());
            c.findings.clear();
        }
    };
    take(holds_alone);
    take([&](const Cause& c) {
        return joined.contains(c.implementation) && !c.named &&
               std::ranges::all_of(c.findings, [](const Measured& m) { return m.outcome->test.check == "reuse"; });
    });
    std::erase_if(causes, [](const Cause& c) { return c.findings.empty(); });
    for (auto& [implementation, cause] : joined) {
        cause.implementation = implementation, cause.earlier = true;
        // for sure where it failed behind earlier calls: of others before it, or of its own, as reuse makes them
        if (std::ranges::any_of(cause.findings, [](const Measured& m) {
                return m.outcome->test.check == "reuse" || (m.outcome->again && !m.outcome->again->behind.empty());
            }))
            cause.title.erase(cause.title.find(", or differs"),
                              std::string_view(", or differs from run to run").size());
        causes.push_back(cause);
    }
}

}  // namespace

std::string plural(std::size_t n, std::string_view what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

std::string Cause::counts() const {
    std::vector<std::pair<std::size_t, std::string>> by_number;
    for (const auto& [check, n] : checks) by_number.emplace_back(n, check);
    std::ranges::stable_sort(by_number, std::ranges::greater(), &std::pair<std::size_t, std::string>::first);
    constexpr std::size_t most = 5;
    std::string each;
    for (std::size_t k = 0; k < std::min(by_number.size(), most); ++k)
        each += fmt::format("{}{} {}", k ? ", " : "", by_number[k].second, by_number[k].first);
    if (by_number.size() > most) each += fmt::format(" and {} more", plural(by_number.size() - most, "check"));
    return fmt::format("{} in {}: {}", plural(findings.size(), "finding"), plural(cases, "case"), each);
}

std::vector<Cause> diagnose(const std::vector<Outcome>& outcomes) {
    std::vector<Cause> causes;
    std::map<std::string, std::size_t> index;
    for (const Outcome& o : outcomes)
        for (const Finding& f : o.findings) {
            if (!bad(f)) continue;
            const auto [key, title] = key_and_title(o, f);
            // a named fault is one, also where the bounds do not hold
            const auto verdict = static_cast<int>(f.cause.empty() ? f.verdict : Verdict::fail);
            const auto [at, added] =
                index.try_emplace(fmt::format("{} {} {}", verdict, o.test.implementation, key), causes.size());
            if (added)
                causes.push_back({.title = title,
                                  .implementation = o.test.implementation,
                                  .verdict = f.verdict,
                                  .named = !f.cause.empty()});
            Cause& cause = causes[at->second];
            if (f.verdict == Verdict::fail) cause.verdict = Verdict::fail;
            cause.findings.push_back({&o, &f});
        }
    join_earlier(causes);
    for (Cause& c : causes) finish(c, outcomes);
    std::ranges::stable_sort(causes, {}, [](const Cause& c) {
        return std::tuple(c.verdict != Verdict::fail, !c.earlier, !c.named, -std::ssize(c.findings));
    });
    return causes;
}

std::string Cause::again() const {
    if (const std::string said = said_again(*example.outcome, *example.finding); !said.empty() || !earlier) return said;
    // the example does it all by itself; of another, what shows it
    const auto shows = [](const Measured& m) { return m.outcome->again && !m.outcome->again->behind.empty(); };
    auto m = std::ranges::find_if(findings, shows);
    if (m == findings.end())
        m = std::ranges::find_if(findings, [](const Measured& f) { return f.outcome->again.has_value(); });
    return m == findings.end() ? ""
                               : fmt::format("{} of {}: {}", m->finding->quantity, m->outcome->test.text(),
                                             said_again(*m->outcome, *m->finding));
}

std::vector<std::size_t> cases_to_run_again(const std::vector<Outcome>& outcomes) {
    std::vector<std::size_t> places;
    for (const Cause& c : diagnose(outcomes)) {
        if (c.named || of_process(*c.example.finding)) continue;
        for (const Measured& m : {c.example, c.findings[c.findings.size() / 2], c.findings.back()})
            if (const auto at = static_cast<std::size_t>(m.outcome - outcomes.data());
                m.outcome->name.empty() && std::ranges::find(places, at) == places.end())
                places.push_back(at);
    }
    return places;
}

std::string diagnosis_text(const std::vector<Cause>& causes, const std::string& command) {
    if (causes.empty()) return {};
    std::size_t findings = 0;
    for (const Cause& c : causes) findings += c.findings.size();
    std::string text = fmt::format("diagnosis: {} {} not hold; by cause:\n", plural(findings, "finding"),
                                   findings == 1 ? "does" : "do");
    for (std::size_t k = 0; k < causes.size(); ++k) {
        const Cause& c = causes[k];
        const Outcome& o = *c.example.outcome;
        text += fmt::format("{}. {}{}: {}: {}\n", k + 1, c.verdict == Verdict::fail ? "" : "UNRESOLVED ",
                            c.implementation, c.title, c.counts());
        if (!c.common.empty()) text += fmt::format("   {}\n", c.common);
        text += fmt::format("   {}\n     rerun: {}\n", finding_line(o, *c.example.finding), rerun_line(o, command));
        if (const std::string again = c.again(); !again.empty()) text += fmt::format("     again: {}\n", again);
        if (!o.smaller.empty() && c.verdict == Verdict::fail && !holds_alone(o, *c.example.finding))
            text += fmt::format("     smaller: {}\n", called(command, o.smaller));
    }
    return text;
}

std::vector<std::string> skipped_lines(const std::vector<Outcome>& outcomes) {
    std::map<std::pair<std::string, std::string>, std::pair<std::size_t, std::string>> reasons;
    for (const Outcome& o : outcomes) {
        if (o.skipped.empty()) continue;
        auto& [n, reason] = reasons[{o.test.implementation, without_numbers(o.skipped)}];
        if (n++ == 0) reason = o.skipped;
    }
    std::vector<std::string> lines;
    for (const auto& [key, value] : reasons)
        lines.push_back(fmt::format("{} of {}: {}", plural(value.first, "case"), key.first, value.second));
    return lines;
}

}  // namespace normlab::verify
