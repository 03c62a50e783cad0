#include "verify/run/explain.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "system/interrupt.hpp"
#include "verify/faults/naming.hpp"

namespace normlab::verify {
namespace {

constexpr std::size_t most_runs = 120;
constexpr std::int64_t largest_explained = 50000;

struct Failing {
    const Outcome* outcome;
    Finding* finding;
};

// The fault that a cause names, if it names one, at the strength of the table.
const faults::Fault* fault_of(const std::string& cause) {
    if (cause.find(", or ") != std::string::npos) return nullptr;
    const std::string name = cause.substr(0, cause.find(" ("));
    for (const faults::Fault* f : faults::all_faults())
        if (f->name == name) return f;
    return nullptr;
}

bool fails_alike(const Failing& failing, const faults::Fault& fault) {
    const Case& c = failing.outcome->test;
    if (!fault.shows_in(c.problem())) return false;
    try {
        for (const Finding& f : find_check(c.check).run(c, faults::implementation(&fault)))
            if (f.quantity == failing.finding->quantity && f.label == failing.finding->label)
                return f.verdict == Verdict::fail &&
                       (f.error == failing.finding->error ||
                        (f.error > 0.8 * failing.finding->error && f.error < 1.25 * failing.finding->error));
    } catch (const std::exception&) {
        // the layer or the check has nothing to say about it
    }
    return false;
}

}  // namespace

void explain_failures(std::vector<Outcome>& outcomes) {
    std::map<std::pair<std::string, std::string>, std::map<std::string, const faults::Fault*>> named;
    for (const Outcome& o : outcomes)
        for (const Finding& f : o.findings)
            if (const faults::Fault* fault = f.cause.empty() ? nullptr : fault_of(f.cause))
                named[{o.test.implementation, o.test.variant}][f.cause] = fault;
    if (named.empty()) return;
    // Of several that fit here, the one that alone fits elsewhere.
    for (Outcome& o : outcomes)
        if (const auto at = named.find({o.test.implementation, o.test.variant}); at != named.end())
            for (Finding& f : o.findings)
                if (f.cause.find(", or ") != std::string::npos)
                    for (const auto& [cause, fault] : at->second)
                        if (f.cause.find(cause) != std::string::npos) {
                            f.cause = cause;
                            break;
                        }
    std::map<std::tuple<std::string, std::string, DType, std::string, std::string>, std::vector<Failing>> groups;
    for (Outcome& o : outcomes)
        for (Finding& f : o.findings)
            if (f.verdict == Verdict::fail && f.cause.empty() && o.name.empty() && !o.test.data &&
                named.contains({o.test.implementation, o.test.variant}))
                groups[{o.test.implementation, o.test.variant, o.test.dtype, o.test.check,
                        fmt::format("{}\n{}", f.label, f.quantity)}]
                    .push_back({&o, &f});
    std::size_t runs = 0;
    for (auto& [key, group] : groups) {
        std::vector<Failing> small;
        std::ranges::copy_if(group, std::back_inserter(small),
                             [](const Failing& f) { return f.outcome->test.shape.size() <= largest_explained; });
        if (small.empty()) continue;
        for (const auto& [cause, fault] : named[{std::get<0>(key), std::get<1>(key)}]) {
            bool alike = true;
            for (const std::size_t k : std::set<std::size_t>{0, small.size() / 2, small.size() - 1}) {
                if (++runs > most_runs || system::interrupted()) return;
                alike = alike && fails_alike(small[k], *fault);
                if (!alike) break;
            }
            if (!alike) continue;
            for (const Failing& f : group) f.finding->cause = cause;
            break;
        }
    }
}

}  // namespace normlab::verify
