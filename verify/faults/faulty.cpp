// The plug-in faulty.so: the options are the name of a fault, or nothing for the layer without one.

#include "verify/faults/layer.hpp"
#include "verify/faults/table.hpp"

NORMLAB_EXPORT const normlab_plugin* normlab_plugin_entry(std::uint32_t, const char* options) {
    try {
        return &normlab::verify::faults::plugin_table(*options ? &normlab::verify::faults::find(options) : nullptr);
    } catch (const normlab::Error&) {
        return nullptr;  // no such fault
    }
}
