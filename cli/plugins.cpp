#include "cli/plugins.hpp"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <sstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "norms/names.hpp"
#include "system/process.hpp"
#include "verify/remote/worker.hpp"

namespace normlab::cli {

bool is_registered(const std::string& name) {
    return std::ranges::any_of(implementations(), [&](const Implementation* i) { return i->name() == name; });
}

std::vector<Companion> companions() {
    const std::filesystem::path here = std::filesystem::path(system::this_program()).parent_path();
    std::vector<Companion> found;
    std::error_code none;
    // as built, as installed
    for (const auto& folder : {here / "lib" / "normlab", here.parent_path() / "lib" / "normlab"})
        for (const auto& entry : std::filesystem::directory_iterator(folder, none))
            if (entry.path().extension() == ".so")
                found.push_back({entry.path().stem().string(), {entry.path().string(), ""}});
    std::ranges::sort(found, {}, &Companion::name);
    return found;
}

static bool is_peer(const std::string& name) {
    std::istringstream names(NORMLAB_PEER_NAMES);
    return std::find(std::istream_iterator<std::string>(names), {}, name) != std::istream_iterator<std::string>();
}

std::vector<Companion> peers() {
    std::vector<Companion> found = companions();
    std::erase_if(found, [](const Companion& c) { return !is_peer(c.name); });
    return found;
}

std::vector<PluginName> wanted_plugins(const std::vector<std::string>& plugins, const std::vector<std::string>& names) {
    std::vector<PluginName> wanted;
    for (const std::string& text : plugins) wanted.push_back(parse_plugin(text));
    const std::vector<Companion> known = companions();
    for (const std::string& name : names) {
        const auto companion = std::ranges::find(known, name, &Companion::name);
        if (companion == known.end() || is_registered(name)) continue;
        const std::string file = companion->plugin.text();
        if (std::ranges::none_of(wanted, [&](const PluginName& p) { return p.text() == file; }))
            wanted.push_back(companion->plugin);
    }
    return wanted;
}

std::vector<std::string> add_plugins(const std::vector<PluginName>& plugins, std::optional<double> timeout) {
    const verify::WorkerOptions options{.seconds = timeout.value_or(verify::WorkerOptions{}.seconds)};
    std::vector<std::string> names;
    for (const PluginName& plugin : plugins) names.push_back(verify::add_plugin(plugin, options).name());
    return names;
}

void require_known(const std::vector<std::string>& names) {
    std::vector<std::string> known;
    for (const Implementation* i : implementations()) known.push_back(i->name());
    for (const Companion& c : companions())
        if (!is_registered(c.name)) known.push_back(c.name);
    const std::vector<std::string_view> accepted(known.begin(), known.end());
    for (const std::string& name : names) {
        if (std::ranges::find(known, name) != known.end()) continue;
        if (is_peer(name))
            throw Error(
                fmt::format("{} was not built here; a build from source has it where its library is found, and ./dev "
                            "setup --peers installs oneDNN and libtorch; accepted: {}",
                            name, fmt::join(known, ", ")));
        if (name == "gpu")  // one letter from cpu
            throw Error(
                fmt::format("unknown implementation 'gpu' (did you mean cuda?); accepted: {}", fmt::join(known, ", ")));
        throw Error(unknown("implementation", name, accepted));
    }
}

std::vector<std::string> implementations_of(const std::vector<std::string>& cases) {
    std::vector<std::string> names;
    for (const std::string& text : cases) {
        std::istringstream in(text);
        std::string variant, name;
        if (in >> variant >> name) names.push_back(name);
    }
    return names;
}

void add_plugin_files(CLI::App& verb, std::vector<std::string>& to) {
    reads(verb.add_option("--plugin", to,
                          "a kernel of yours, FILE.so or FILE.so:OPTIONS (norms/plugin.h), in a process of its own; "
                          "may be repeated")
              ->allow_extra_args(false),
          [](const std::string& text) { return parse_plugin(text).file; });
}

void add_worker(CLI::App& app, int&) {
    auto* verb = app.add_subcommand("worker", "")->group("");  // for the program itself
    const auto plugin = std::make_shared<std::string>();
    const auto descriptor = std::make_shared<int>();
    verb->add_option("plugin", *plugin)->required();
    verb->add_option("descriptor", *descriptor)->required();
    verb->callback([plugin, descriptor] { verify::serve_plugin(parse_plugin(*plugin), *descriptor); });
}

}  // namespace normlab::cli
