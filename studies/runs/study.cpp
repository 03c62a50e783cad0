#include "studies/runs/study.hpp"

#include <algorithm>
#include <set>

#include "norms/names.hpp"
#include "norms/tensor.hpp"

namespace normlab::studies {

const Study& find_study(const std::string& name) {
    const auto found = std::ranges::find(all(), name, &Study::name);
    if (found != all().end()) return *found;
    std::vector<std::string_view> names;
    for (const Study& s : all()) names.push_back(s.name);
    throw Error(unknown("study", name, names));
}

std::vector<Run> plan_of(const Study& study, const Settings& settings) {
    std::vector<Run> runs = study.plan(settings);
    std::set<std::string> names;
    for (Run& run : runs) {
        run.name += settings.label();
        if (!names.insert(run.name).second)
            throw Error("two runs have the name " + run.name + "; settings that tell them apart are accepted");
    }
    return runs;
}

}  // namespace normlab::studies
