#pragma once
// What a plug-in is asked for by its table.

#include <fmt/format.h>

#include "norms/plugin.hpp"
#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "verify/faults/layer.hpp"

namespace normlab {

/// A plug-in is asked for a problem with `fields`, which came with this minor version, only if its table has the bit.
inline void check_that_it_must_read(const Problem& with, std::uint32_t bit, std::uint32_t since,
                                    std::string_view fields) {
    const Problem plain{layer_norm(), with.shape};
    normlab_plugin table = verify::faults::plugin_table(nullptr);
    table.name = "of_today";
    CHECK(plugin_implementation(table, {"x.so", ""})->supports(with));
    table.reads &= ~bit;
    const auto silent = plugin_implementation(table, {"x.so", ""});
    CHECK(silent->supports(plain));
    CHECK(silent->supports(with).reason ==
          fmt::format("its table does not say that it reads {} (normlab_plugin.reads)", fields));
    table.version = 1u << 16 | (since - 1);
    CHECK(plugin_implementation(table, {"x.so", ""})->supports(with).reason ==
          fmt::format("it was built for version 1.{} of norms/plugin.h, which has no {}; 1.{} or later is asked",
                      since - 1, fields, since));
}

}  // namespace normlab
