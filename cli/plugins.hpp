#pragma once
// --plugin and the peers: implementations that are not built in.

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "norms/plugin.hpp"

namespace normlab::cli {

/// A plug-in that was built along: the peers, and what shows faults.
struct Companion {
    std::string name;
    PluginName plugin;
};

bool is_registered(const std::string& name);

/// Those that stand beside the program, in lib/normlab as it was built or ../lib/normlab as it was installed.
std::vector<Companion> companions();

/// Of them other libraries: those that bench times beside ours.
std::vector<Companion> peers();

/// The plug-ins of --plugin, and the companions that `names` asks for and that are not registered.
std::vector<PluginName> wanted_plugins(const std::vector<std::string>& plugins, const std::vector<std::string>& names);

/// Starts a worker for each of them, with `timeout` seconds for each case, and registers it. Returns their names.
std::vector<std::string> add_plugins(const std::vector<PluginName>& plugins, std::optional<double> timeout);

/// Throws Error for a name that neither an implementation nor a companion has; it says which there are.
void require_known(const std::vector<std::string>& names);

/// --plugin.
void add_plugin_files(CLI::App& verb, std::vector<std::string>& to);

/// The second words of case strings: their implementations.
std::vector<std::string> implementations_of(const std::vector<std::string>& cases);

inline constexpr const char* timeout_help =
    "seconds that a case of a plug-in may take (default: 10; large ones are given more); loading one may take 60, or "
    "this where it is more";

}  // namespace normlab::cli
