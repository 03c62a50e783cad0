#include "studies/runs/study.hpp"

#include <algorithm>

#include "norms/names.hpp"

namespace normlab::studies {

const Study& find_study(const std::string& name) {
    const auto found = std::ranges::find(all(), name, &Study::name);
    if (found != all().end()) return *found;
    std::vector<std::string_view> names;
    for (const Study& s : all()) names.push_back(s.name);
    throw Error(unknown("study", name, names));
}

}  // namespace normlab::studies
