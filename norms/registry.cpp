#include "norms/registry.hpp"

#include <fmt/format.h>

#include "norms/builtin.hpp"
#include "norms/names.hpp"

namespace normlab {
namespace {

std::vector<std::unique_ptr<Implementation>>& all() {
    static std::vector<std::unique_ptr<Implementation>> list = make_builtin_implementations();
    return list;
}

}  // namespace

std::vector<const Implementation*> implementations() {
    std::vector<const Implementation*> out;
    for (const auto& i : all()) out.push_back(i.get());
    return out;
}

const Implementation& default_implementation() { return *all().front(); }

const Implementation& find_implementation(std::string_view name) {
    std::vector<std::string> names;
    for (const auto& i : all()) {
        if (i->name() == name) return *i;
        names.push_back(i->name());
    }
    throw Error(unknown("implementation", name, std::vector<std::string_view>(names.begin(), names.end())));
}

const Implementation& register_implementation(std::unique_ptr<Implementation> implementation) {
    for (const auto& i : all())
        if (i->name() == implementation->name())
            throw Error(fmt::format("an implementation named {} is registered already; a name of its own is accepted",
                                    i->name()));
    all().push_back(std::move(implementation));
    return *all().back();
}

}  // namespace normlab
