#pragma once
// Which checks are not asked of a layer without an interface to memory: of a script, which is known by the files that
// it wrote, and of a function that is called in this process. Why, in one table.

#include <string_view>

namespace normlab::verify {

/// A check that one of them is not asked. A reason is a phrase behind "checks ..., which are"; empty: it is asked.
struct NotAsked {
    std::string_view check;
    std::string_view of_script, of_function;
    bool unless_named = false;  ///< a script is asked it where --check names it
    bool gradients = false;     ///< it says nothing about a forward alone
    bool twice = false;         ///< nor about what has no double backward
    bool strides = false;       ///< nor where all tensors are dense
};

/// The check's row; null where everybody is asked all of it.
const NotAsked* find_not_asked(std::string_view check);

}  // namespace normlab::verify
