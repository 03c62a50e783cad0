#pragma once
// Plug-ins (norms/plugin.h) as implementations of this process.

#include <memory>
#include <string>

#include "norms/plugin.h"
#include "norms/registry.hpp"

namespace normlab {

/// A plug-in as the command line names it: FILE.so or FILE.so:OPTIONS.
struct PluginName {
    std::string file, options;
    std::string text() const { return options.empty() ? file : file + ":" + options; }
};
PluginName parse_plugin(const std::string& text);

/// Loads the plug-in into this process and registers it under its own name; from then on it is an implementation like
/// any other. A fault in it is a fault of this process: verify/remote/worker.hpp runs it in another. A plug-in that was
/// loaded before is returned as it is. Throws Error, naming the file, where it is missing, cannot be loaded, is not a
/// plug-in, is of another major version, has an incomplete table or a name that is taken or is not of lower case
/// letters, digits and _.
const Implementation& load_plugin(const PluginName& plugin);

/// The implementation that a plug-in's table describes, not registered. The table's functions and texts must outlive
/// it; `plugin` is how messages and Implementation::origin name it. Throws Error as load_plugin does.
std::unique_ptr<Implementation> plugin_implementation(const normlab_plugin& table, const PluginName& plugin);

/// From now on `look` is called after each function of a plug-in's table, on the thread that called it, with the
/// function's name; and after a plug-in has been loaded, with "loading it". It must not throw.
void look_after_plugin_calls(void (*look)(const char* function));

}  // namespace normlab
