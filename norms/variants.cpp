#include "norms/variants.hpp"

#include "norms/names.hpp"

namespace normlab {

const Variant& find_variant(std::string_view name) {
    std::vector<std::string_view> names;
    for (const Variant& v : variants) {
        if (v.name == name) return v;
        names.push_back(v.name);
    }
    throw Error(unknown("variant", name, names));
}

}  // namespace normlab
