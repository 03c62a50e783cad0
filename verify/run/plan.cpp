#include "verify/run/plan.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/operation.hpp"
#include "norms/variants.hpp"
#include "verify/checks/exhaustive.hpp"

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
        if (const Support s = find_implementation(name).available(); !s)
            throw Error(fmt::format("{} cannot run here: {}", name, s.reason));
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
    if (const auto& names = selection.checks;
        !names.empty() && std::ranges::all_of(names, [](const std::string& n) { return n == exhaustive_name; }))
        throw Error(
            fmt::format("the check {} has no cases in a tier; normlab verify --exhaustive runs it", exhaustive_name));
    std::vector<Case> cases;
    std::set<std::string> seen;
    const std::vector<Case> all = bases(selection);
    for (const std::string& name : chosen(selection.checks, all_checks()))
        for (Case base : all) {
            base.check = name;
            const Check& check = find_check(name);
            for (Case& c : check.cases(base, tier))
                if (is_valid(c) && check.refuses(c).empty() && seen.insert(c.text()).second)
                    cases.push_back(std::move(c));
        }
    if (tier != Tier::smoke)
        for (const HostileInput& input : hostile_inputs())
            if (!input.large || tier == Tier::full)
                for (Case& c : plan_hostile(input, selection))
                    if (seen.insert(c.text()).second) cases.push_back(std::move(c));
    return cases;
}

std::vector<Case> plan_exhaustive(Selection selection) {
    if (selection.variants.empty())  // each kind of moments, and both kinds of kernels
        selection.variants = {"layer_norm", "batch_norm", "rms_norm", "weight_norm", "batch_renorm"};
    if (selection.dtypes.empty()) selection.dtypes = {DType::bf16, DType::f16};
    for (const DType d : selection.dtypes)
        if (!is_narrow(d))
            throw Error(
                fmt::format("--exhaustive with --dtype {}: bf16 and f16 are accepted, of whose values there are "
                            "few enough",
                            name_of(d)));
    if (selection.layouts.empty()) selection.layouts = {Layout::channels_first};
    std::vector<Case> cases;
    for (const Case& base : bases(selection))
        for (Case& c : exhaustive_cases(base))
            if (is_valid(c) && find_check(c.check).refuses(c).empty()) cases.push_back(std::move(c));
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
            if ((wanted.empty() || wanted.contains(check.name)) && is_valid(c) && check.refuses(c).empty())
                cases.push_back(std::move(c));
        }
    }
    return cases;
}

}  // namespace normlab::verify
