#pragma once
// Files that a call names, besides those in --out.

#include <filesystem>
#include <string>
#include <vector>

#include "studies/runs/study.hpp"

namespace normlab::studies {

struct Files {
    std::string json, csv;             ///< empty: not written
    std::vector<std::string> figures;  ///< .svg or .png

    /// Throws Error for a file that would have to hold several reports, and for a figure that cannot be drawn.
    void check(std::size_t reports) const;
    /// The report's document, or its measures, with the study's name and the seconds that the call took; the table; the
    /// figure.
    void write(const std::string& study, const Report& report, double seconds) const;
};

}  // namespace normlab::studies
