#pragma once
// Text inside XML and HTML.

#include <string>
#include <string_view>

namespace normlab::verify {

/// `text` as character data or inside a quoted attribute: & < > " ' as entities; tabs and line breaks as numbers, so
/// that attributes keep them; what no XML document may hold (other control characters, bytes that are no UTF-8, U+FFFE,
/// U+FFFF) as \xNN.
std::string xml_text(std::string_view text);

}  // namespace normlab::verify
