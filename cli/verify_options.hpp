#pragma once
// What `normlab verify` was asked for, and the cases that follow from it.

#include <string>
#include <vector>

#include "cli/options.hpp"
#include "verify/exchange/judge.hpp"
#include "verify/run/real_data.hpp"

namespace normlab::cli {

struct VerifyOptions {
    verify::Selection selection;
    verify::InputOptions input;  ///< x is empty where there is no --input
    verify::JudgeOptions judge;  ///< likewise folder
    std::vector<std::string> cases, only, plugins;
    std::string vectors, json, junit, html, baseline, accept, accept_write, replay, call, layer, data, filter;
    std::optional<verify::Tier> tier;
    std::optional<double> hunt, timeout;  ///< seconds
    std::uint64_t seed = 1;
    int threads = all_cores();
    bool allow_unresolved = false, faults = false, all = false, exhaustive = false;
    bool list_cases = false, fail_fast = false, quiet = false;
    const verify::Script* script = nullptr;  ///< of --judge

    /// Throws Error for flags that do not go together.
    static void check_call(const CLI::App& verb);

    /// Brings in what --judge names.
    void add_script();

    /// Brings in --plugin and what --impl, the cases and --replay's name; without --impl the plug-ins alone are
    /// selected.
    void add_plugins();

    /// Cases that say themselves what they are, and vectors: every finding is shown.
    bool shows_all() const;
};

/// --variant, --check, --dtype, --layout and --mode; `help` is what is said of each, in that order.
void add_selection(CLI::App& verb, verify::Selection& to, const std::vector<std::string>& help);

/// --tier.
void add_tier(CLI::App& verb, std::optional<verify::Tier>& to, const std::string& help);

/// --impl, --plugin and --timeout, a group.
void add_implementations(CLI::App& verb, VerifyOptions& o);

/// --seed.
void add_seed(CLI::App& verb, std::uint64_t& to, const std::string& help);

/// parse_case(), and the check that it names is one.
verify::Case parse_known_case(const std::string& text);

/// The cases of --case, --judge, --input, --data or a tier. What is left out is told, a line each.
std::vector<verify::Case> planned_cases(const VerifyOptions& o, std::vector<std::string>& left_out);

}  // namespace normlab::cli
