#pragma once
// Plug-ins in processes of their own: what a plug-in does to its process, a crash, an endless loop, exit(), ends one
// case and not the run.

#include "norms/plugin.hpp"
#include "verify/exchange/vectors.hpp"
#include "verify/run/runner.hpp"

namespace normlab::verify {

/// Loading a plug-in may take so long, or what a case may take where that is more: libraries of hundreds of MiB, from a
/// cold disk.
inline constexpr double seconds_to_load = 60;

struct WorkerOptions {
    std::string program = {};  ///< empty: the running one, which calls serve_plugin for `worker PLUGIN DESCRIPTOR`
    double seconds = 10;       ///< that a case may take; more for large ones
};

/// An implementation whose cases run in worker processes, as many as ask at once. Here it is a name and a description:
/// plan() throws Error. Where the worker dies the outcome has a failed finding "process", or "time", that says how, and
/// the next case gets a new worker; where cases of a variant did not end three times, the rest of the variant is
/// skipped.
class RemotePlugin : public Implementation, public Runner, public VectorRunner {};

/// Starts a worker that loads the plug-in; not registered. Throws as add_plugin does.
std::unique_ptr<RemotePlugin> start_plugin(const PluginName& plugin, const WorkerOptions& options = {});

/// The same, and registers it here. Throws Error for what is wrong with it, as load_plugin does, and Failure where
/// loading it kills the worker.
const RemotePlugin& add_plugin(const PluginName& plugin, const WorkerOptions& options = {});

/// What the worker process does: loads the plug-in, then runs cases until `descriptor` is closed.
[[noreturn]] void serve_plugin(const PluginName& plugin, int descriptor);

}  // namespace normlab::verify
