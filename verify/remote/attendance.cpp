#include "verify/remote/attendance.hpp"

#include <algorithm>
#include <fstream>
#include <functional>
#include <optional>

#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

#include "norms/operation.hpp"
#include "system/family.hpp"
#include "system/guarded_memory.hpp"
#include "system/memory_budget.hpp"
#include "system/process_state.hpp"
#include "verify/check/exact.hpp"
#include "verify/check/kept.hpp"

namespace normlab::verify {
namespace {

struct Left {
    std::string_view what;
    std::string first;
    std::size_t count;
};

std::optional<system::ProcessState> state;  // as calls are to leave it
std::vector<Left> by_loading, by_calls;
pid_t own_process = 0;

void note(std::vector<Left>& all, std::string_view what, const std::string& how) {
    const auto known = std::ranges::find(all, what, &Left::what);
    if (known != all.end()) ++known->count;
    else all.push_back({what, how, 1});
}

// After every call of the plug-in's: what it changed is put back, and nothing of ours runs under it.
void look(const char* function) {
    if (getpid() != own_process) _exit(0);  // a child that came back from the plug-in
    if (!state) return;
    const bool loading = std::string_view(function) == "loading it";
    for (const system::Change& c : state->put_back(system::ProcessState::Signals::usual)) {
        // libraries do set up their process when they are loaded; what arithmetic depends on is not theirs
        const bool any = c.what == "floating-point environment" || c.what == "locale" || c.what == "current directory";
        if (!loading || any) note(loading ? by_loading : by_calls, c.what, fmt::format("{}: {}", function, c.how));
    }
}

// What the plug-in asks for beyond what the machine has is refused to it: the system need not end some process.
void limit_memory() {
    const auto most = static_cast<rlim_t>(system::memory_budget());
    std::ifstream statm("/proc/self/statm");
    double pages[6]{};
    for (double& p : pages) statm >> p;
    if (pages[5] * 4096 > static_cast<double>(most)) return;  // an instrumented program has reserved more than that
    const rlimit limit{most, most};
    setrlimit(RLIMIT_DATA, &limit);
}

std::vector<Finding> of(const std::vector<Left>& all, std::string_view by) {
    std::vector<Finding> findings;
    for (const Left& l : all) {
        findings.push_back(none_of(l.what, l.count, l.first));
        findings.back().note = fmt::format("left behind by {}", by);
    }
    return findings;
}

}  // namespace

const Implementation& load_attended(const PluginName& plugin) {
    own_process = getpid();
    system::adopt_grandchildren();
    system::guard_all_calls();
    state.emplace();
    look_after_plugin_calls(look);
    const Implementation& implementation = load_plugin(plugin);
    state.emplace();
    if (implementation.device() == Device::host) limit_memory();
    return implementation;
}

void attend_case(const Case& c) {
    by_calls.clear();
    system::take_accesses();
    system::begin_guarded_case(std::hash<std::string>{}(c.text()));
}

std::vector<Finding> attended(const Case& c, const Implementation& plugin) {
    for (const system::Change& c : state->put_back()) note(by_calls, c.what, c.how);  // the signals that look() left
    std::vector<Finding> findings = of(by_calls, "a call of the plug-in");
    by_calls.clear();
    const std::vector<system::Access> accesses = system::take_accesses();
    if (!accesses.empty()) findings.push_back(none_of("memory access", accesses.size(), accesses[0].text));
    if (c.check != "contracts") return findings;
    for (const Finding& f : of(by_loading, "loading the plug-in")) findings.push_back(f);
    if (findings.empty()) findings.push_back(none_of("process state", 0, ""));
    if (plugin.device() != Device::host) return findings;
    try {
        findings.push_back(kept_by_calls(c, plugin));
    } catch (const std::exception&) {  // calls that fail are what the check itself has found
    }
    return findings;
}

}  // namespace normlab::verify
