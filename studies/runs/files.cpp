#include "studies/runs/files.hpp"

#include <fmt/format.h>

#include "io/atomic_file.hpp"
#include "io/gnuplot.hpp"
#include "io/report_header.hpp"
#include "norms/tensor.hpp"

namespace normlab::studies {

void Files::check(std::size_t reports) const {
    std::vector<std::string> all = figures;
    for (const std::string& file : {json, csv})
        if (!file.empty()) all.push_back(file);
    if (reports > 1 && !all.empty())
        throw Error(
            fmt::format("{} for {} reports; with --json, --csv and --plot settings of which there is one are accepted",
                        all.front(), reports));
    for (const std::string& file : figures) io::check_drawable(file);
}

void Files::write(const std::string& study, const Report& report, double seconds) const {
    if (!json.empty()) {
        nlohmann::json document = report.document;
        if (document.is_null())
            for (const auto& [name, i] : report.measures)
                document["measures"][name] = {{"value", i.value}, {"low", i.low}, {"high", i.high}};
        document["header"] = io::report_header("normlab study"), document["study"] = study,
        document["seconds"] = seconds;
        io::write_atomically(json, document.dump(1) + "\n");
    }
    if (!csv.empty()) io::write_atomically(csv, report.csv);
    for (const std::string& file : figures)
        io::draw(file, report.figure.script, report.figure.width, report.figure.height);
}

}  // namespace normlab::studies
