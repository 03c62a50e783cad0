#include "cli/option_values.hpp"

#include <map>

#include "bench/shape_sets.hpp"
#include "cli/plugins.hpp"
#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "verify/check/check.hpp"
#include "verify/exchange/fixed_settings.hpp"

namespace normlab::cli {
namespace {

const std::map<std::string, std::string, std::less<>>& value_names() {
    static const std::map<std::string, std::string, std::less<>> names{{"--accumulation", "HOW"},
                                                                       {"--accept", "FILE"},
                                                                       {"--accept-write", "FILE"},
                                                                       {"--baseline", "FILE"},
                                                                       {"--beta", "FILE"},
                                                                       {"--bits", "DTYPE"},
                                                                       {"--cache", "CACHE"},
                                                                       {"--case", "CASE"},
                                                                       {"--cases", "N"},
                                                                       {"--check", "CHECK"},
                                                                       {"--convention", "LIBRARY"},
                                                                       {"--csv", "FILE"},
                                                                       {"--data", "FOLDER"},
                                                                       {"--dim", "N"},
                                                                       {"--dtype", "DTYPE"},
                                                                       {"--direction", "DIRECTION"},
                                                                       {"--eps", "NUMBER"},
                                                                       {"--filter", "REGEX"},
                                                                       {"--gamma", "FILE"},
                                                                       {"--groups", "N"},
                                                                       {"--html", "FILE"},
                                                                       {"--hunt", "SECONDS"},
                                                                       {"--impl", "NAME"},
                                                                       {"--input", "FILE"},
                                                                       {"--jobs", "N"},
                                                                       {"--json", "FILE"},
                                                                       {"--judge", "FOLDER"},
                                                                       {"--junit", "FILE"},
                                                                       {"--layer", "LAYER"},
                                                                       {"--layout", "LAYOUT"},
                                                                       {"--limit", "N"},
                                                                       {"--mode", "MODE"},
                                                                       {"--momentum", "NUMBER"},
                                                                       {"--normalized", "N"},
                                                                       {"--only", "NAME"},
                                                                       {"--out", "FOLDER"},
                                                                       {"--outputs", "FOLDER"},
                                                                       {"--plot", "FILE"},
                                                                       {"--plugin", "FILE"},
                                                                       {"--records", "FOLDER"},
                                                                       {"--replay", "FILE"},
                                                                       {"--running", "KIND"},
                                                                       {"--seconds", "SECONDS"},
                                                                       {"--seed", "N"},
                                                                       {"--shapes", "SHAPES"},
                                                                       {"--threads", "N"},
                                                                       {"--tier", "TIER"},
                                                                       {"--timeout", "SECONDS"},
                                                                       {"--variant", "VARIANT"},
                                                                       {"--vectors", "FOLDER"}};
    return names;
}

std::vector<std::string> implementation_names() {
    std::vector<std::string> names;
    for (const Implementation* i : implementations()) names.push_back(i->name());
    for (const Companion& c : companions())
        if (!is_registered(c.name)) names.push_back(c.name);
    return names;
}

std::vector<std::string> check_names() {
    std::vector<std::string> names;
    for (const verify::Check& c : verify::checks()) names.emplace_back(c.name);
    names.insert(names.end(), {"y", "dx", "dgamma", "dbeta"});
    return names;
}

}  // namespace

void name_option_values(CLI::App& app) {
    for (CLI::Option* option : app.get_options())
        if (const auto found = value_names().find(option->get_name());
            found != value_names().end() && option->get_items_expected_max() > 0)
            option->type_name(found->second);
    for (CLI::App* verb : app.get_subcommands({})) name_option_values(*verb);
}

std::vector<std::string> words_after(const std::string& flag) {
    std::vector<std::string> words;
    if (flag == "--variant")
        for (const Variant* v : all_variants()) words.emplace_back(v->name);
    if (flag == "--dtype")
        for (const DType d : kernel_dtypes) words.emplace_back(name_of(d));
    if (flag == "--check") words = check_names();
    if (flag == "--impl") words = implementation_names();
    if (flag == "--bits") words = {"bf16", "f16"};
    if (flag == "--layout") words = {"nchw", "nhwc"};
    if (flag == "--mode") words = {"train", "eval"};
    if (flag == "--tier") words = {"smoke", "ci", "full"};
    if (flag == "--accumulation") words = {"sequential", "tree", "f64", "kappa-free", "pivot"};
    if (flag == "--convention")
        for (const verify::Convention& c : verify::conventions()) words.emplace_back(c.name);
    if (flag == "--running") words = {"none", "unbiased", "biased", "sigma"};
    if (flag == "--layer") words = {"conv", "dense"};
    if (flag == "--direction") words = {"forward", "backward"};
    if (flag == "--cache") words = {"cold", "warm"};
    if (flag == "--shapes")
        for (const bench::ShapeSet& s : bench::shape_set_rows) words.emplace_back(s.name);
    if (flag == "SHELL") words = {"bash", "zsh", "fish"};
    return words;
}

}  // namespace normlab::cli
