#pragma once
// Colour for the words that matter, on a terminal.

#include <cstdio>
#include <string>

namespace normlab::cli {

/// Whether text on this stream may have colour: on a terminal that is not dumb, unless NO_COLOR is set to anything
/// (no-color.org); anywhere if CLICOLOR_FORCE is.
bool has_colour(std::FILE* stream);

/// The text with its verdicts coloured: FAIL, WRONG and counts of what failed red, UNRESOLVED yellow, PASS green.
std::string coloured(const std::string& text);

}  // namespace normlab::cli
