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

    /// Throws now what write would throw later, and Error for a file that is named twice, would have to hold several
    /// reports, or lies in the folder `out`, where a study keeps records and results of its own.
    void check(std::size_t reports, const std::filesystem::path& out) const;
    /// The report's document, or its measures, with the study's name and the seconds that the call took; the table; the
    /// figure.
    void write(const std::string& study, const Report& report, double seconds) const;
};

}  // namespace normlab::studies
