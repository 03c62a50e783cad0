#include "verify/run/again.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "verify/run/run_cases.hpp"

namespace normlab::verify {
namespace {

constexpr std::size_t times = 3;
constexpr double seconds_before = 1;

bool bad(const Finding& f) { return f.verdict == Verdict::fail || f.verdict == Verdict::unresolved; }

// To the digit: errors of other calls differ somewhere.
bool alike(const Finding& a, const Finding& b) { return fmt::format("{}", a.error) == fmt::format("{}", b.error); }

bool comes_out_alike(const Outcome& o, const std::vector<Finding>& alone) {
    return std::ranges::all_of(o.findings, [&](const Finding& f) {
        const Finding* again = bad(f) ? failing_again(alone, f) : &f;
        return again && alike(*again, f);
    });
}

bool any_holds_alone(const Outcome& o) {
    return std::ranges::any_of(o.findings, [&](const Finding& f) { return bad(f) && holds_alone(o, f); });
}

// Earlier ones of the implementation, in their order: of this shape and variant, and the nearest others.
std::vector<Case> earlier(const std::vector<Outcome>& outcomes, std::size_t which) {
    const Case& c = outcomes[which].test;
    std::vector<bool> taken(which);
    double seconds = 0;
    for (const bool of_shape : {true, false})
        for (std::size_t k = which; k-- > 0;) {
            const Outcome& o = outcomes[k];
            const bool same = o.test.shape == c.shape && o.test.variant == c.variant;
            if (taken[k] || same != of_shape || o.test.implementation != c.implementation || !o.skipped.empty() ||
                seconds + o.seconds > seconds_before)
                continue;
            taken[k] = true, seconds += o.seconds;
        }
    std::vector<Case> cases;
    for (std::size_t k = 0; k < which; ++k)
        if (taken[k]) cases.push_back(outcomes[k].test);
    return cases;
}

}  // namespace

const Finding* failing_again(const std::vector<Finding>& findings, const Finding& like) {
    for (const Finding& f : findings)
        if (f.quantity == like.quantity && f.label == like.label && bad(f)) return &f;
    return nullptr;
}

bool holds_alone(const Outcome& o, const Finding& f) {
    return o.again && std::ranges::none_of(o.again->alone, [&](const std::vector<Finding>& alone) {
               return failing_again(alone, f) || failing_again(alone, {.quantity = "process"}) ||
                      failing_again(alone, {.quantity = "time"});
           });
}

void run_again(std::vector<Outcome>& outcomes, std::size_t which, bool behind) {
    Outcome& o = outcomes[which];
    const Runner& runner = runner_of(o.test);
    Again again;
    for (std::size_t k = 0; k < times; ++k) {
        const std::optional<Outcome> alone = runner.run_alone({o.test});
        if (!alone) return;
        again.alone.push_back(alone->findings);
        if (k == 0 && comes_out_alike(o, alone->findings)) break;
    }
    o.again = again;
    if (!behind || !any_holds_alone(o)) return;
    // Whether it fails behind these: then so it does behind the last of them, or behind a few.
    const auto fails_behind = [&](std::vector<Case> before) {
        std::vector<Case> all = before;
        all.push_back(o.test);
        const std::optional<Outcome> last = before.empty() ? std::nullopt : runner.run_alone(all);
        const bool fails = last && std::ranges::any_of(o.findings, [&](const Finding& f) {
                               return bad(f) && holds_alone(o, f) && failing_again(last->findings, f);
                           });
        if (fails) o.again->before = std::move(before), o.again->behind = last->findings;
        return fails;
    };
    if (!fails_behind(earlier(outcomes, which))) return;
    for (bool fewer = true; fewer && o.again->before.size() > 1;) {
        const std::vector<Case> before = o.again->before;
        const auto middle = before.begin() + std::ssize(before) / 2;
        fewer = fails_behind({middle, before.end()}) || fails_behind({before.begin(), middle});
    }
}

std::string said_again(const Outcome& o, const Finding& f) {
    if (!o.again) return {};
    const std::vector<std::vector<Finding>>& alone = o.again->alone;
    if (holds_alone(o, f)) {
        if (failing_again(o.again->behind, f))
            return fmt::format(
                "depends on earlier calls of the process: it holds when its case is run alone, and "
                "fails behind {}{}",
                o.again->before.size() > 1 ? fmt::format("{} others, the last of them ", o.again->before.size()) : "",
                o.again->before.back().text());
        return fmt::format(
            "holds when its case is run alone, {} of {} times: it depends on earlier calls of the "
            "process, or differs from run to run",
            alone.size(), alone.size());
    }
    std::string errors;
    std::size_t fails = 0;
    bool same = true;
    const Finding* first = nullptr;
    for (const std::vector<Finding>& findings : alone) {
        const Finding* again = failing_again(findings, f);
        if (!again) continue;
        ++fails;
        if (!first) first = again;
        same = same && alike(*again, *first);
        errors += fmt::format("{}{:.3g}", errors.empty() ? "" : ", ", again->error);
    }
    if (fails < alone.size())
        return fmt::format("differs from run to run: run alone, its case fails {} of {} times", fails, alone.size());
    if (!same) return fmt::format("differs from run to run: run alone, its errors are {}", errors);
    if (first && !alike(*first, f))
        return fmt::format("differs from run to run: the error is {:.3g} when its case is run alone", first->error);
    return {};
}

}  // namespace normlab::verify
