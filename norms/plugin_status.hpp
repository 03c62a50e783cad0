#pragma once
// How a function of a plug-in ends, as norms/plugin.h wants it: no exception may cross the C interface.

#include <exception>
#include <string>

namespace normlab {

inline thread_local std::string plugin_error;
inline const char* last_plugin_error() { return plugin_error.c_str(); }

/// Runs f and returns 0. If f throws, returns 1 and keeps the first line of what it says for last_plugin_error():
/// libraries add a backtrace.
template <class F>
int status_of(F&& f) noexcept {
    try {
        f();
        return 0;
    } catch (const std::exception& e) {
        plugin_error = e.what();
        plugin_error = plugin_error.substr(0, plugin_error.find('\n'));
    } catch (...) {
        plugin_error = "an exception of unknown type";
    }
    return 1;
}

}  // namespace normlab
