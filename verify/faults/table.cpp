#include "verify/faults/table.hpp"

#include <algorithm>
#include <vector>

#include "norms/names.hpp"

namespace normlab::verify::faults {

const Fault& find(std::string_view name) {
    const auto* found = std::ranges::find(table, name, &Fault::name);
    if (found != std::end(table)) return *found;
    std::vector<std::string_view> names;
    for (const Fault& f : table) names.push_back(f.name);
    throw Error(unknown("fault", name, names));
}

}  // namespace normlab::verify::faults
