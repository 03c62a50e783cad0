#include "norms/variants.hpp"

#include <algorithm>
#include <deque>

#include <fmt/format.h>

#include "norms/names.hpp"

namespace normlab {
namespace {

// A deque: who holds a row keeps it.
std::deque<Variant>& registered() {
    static std::deque<Variant> list;
    return list;
}

}  // namespace

std::vector<const Variant*> all_variants() {
    std::vector<const Variant*> all;
    for (const Variant& v : variants) all.push_back(&v);
    for (const Variant& v : registered()) all.push_back(&v);
    return all;
}

const Variant& find_variant(std::string_view name) {
    if (const auto* found = std::ranges::find(variants, name, &Variant::name); found != std::end(variants))
        return *found;
    if (const auto found = std::ranges::find(registered(), name, &Variant::name); found != registered().end())
        return *found;
    std::vector<std::string_view> names;
    for (const Variant* v : all_variants()) names.push_back(v->name);
    throw Error(unknown("variant", name, names));
}

const Variant& register_variant(const Variant& variant) {
    const auto accepted = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
    if (variant.name.empty() || !std::ranges::all_of(variant.name, accepted))
        throw Error(fmt::format("variant '{}': lower case letters, digits and _ are accepted", variant.name));
    if (std::ranges::any_of(all_variants(), [&](const Variant* v) { return v->name == variant.name; }))
        throw Error(fmt::format("a variant named {} is registered already", variant.name));
    const Spec spec = variant.make();
    if (spec.variant != variant.name)
        throw Error(
            fmt::format("variant {}: its Spec is called '{}'; the same name is accepted", variant.name, spec.variant));
    validate({spec, {2, 2 * spec.groups, 2}});
    return registered().emplace_back(variant);
}

}  // namespace normlab
