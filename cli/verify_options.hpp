#pragma once
// What `normlab verify` was asked for, and the cases that follow from it.

#include <string>
#include <vector>

#include "verify/exchange/judge.hpp"

namespace normlab::cli {

struct VerifyOptions {
    std::vector<std::string> variants, implementations, checks, dtypes, layouts, modes, cases, only, plugins;
    std::string vectors, tier, json, junit, html, baseline, replay, hunt, call, layer, data, seed, threads, timeout;
    std::string input, gamma, beta, dim, eps, groups, normalized, judge, outputs, accumulation;
    bool allow_unresolved = false, faults = false, all = false;
    const verify::Script* script = nullptr;   ///< of --judge

    /// Brings in what --judge names.
    void add_script();

    /// Brings in --plugin and what --impl, the cases and --replay's name; without --impl the plug-ins alone are selected.
    void add_plugins();
    verify::Selection selection() const;
    verify::Tier tier_or(verify::Tier tier) const;
    std::uint64_t seed_or_one() const;
    /// All that goes with --input alone, one after another.
    std::string of_input() const { return input + gamma + beta + eps + groups + normalized + dim; }
    /// As asked for, or all cores. Throws Error.
    int thread_count() const;
    /// Cases that say themselves what they are, and vectors: every finding is shown.
    bool shows_all() const;
};

/// The cases of --case, --judge, --input, --data or a tier. Throws Error for a call that makes no sense; what is left out is told, a line each.
std::vector<verify::Case> planned_cases(const VerifyOptions& o, std::vector<std::string>& left_out);

}  // namespace normlab::cli
