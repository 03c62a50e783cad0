#include "studies/runs/files.hpp"

#include <set>

#include <fmt/format.h>

#include "io/atomic_file.hpp"
#include "io/gnuplot.hpp"
#include "io/report_header.hpp"
#include "norms/tensor.hpp"

namespace normlab::studies {

void Files::check(std::size_t reports, const std::filesystem::path& out) const {
    const auto whole = [](const std::filesystem::path& path) {
        return std::filesystem::weakly_canonical(std::filesystem::absolute(path));
    };
    std::set<std::filesystem::path> named;
    const auto once = [&](const std::string& file) {
        if (const std::filesystem::path within = whole(file).lexically_relative(whole(out)); *within.begin() != "..")
            throw Error(fmt::format("{} is in {}, where the study keeps its own files; a file elsewhere is accepted",
                                    file, out.string()));
        if (!named.insert(whole(file)).second) throw Error(file + " is named twice; a file for each is accepted");
        if (reports > 1)
            throw Error(fmt::format(
                "{} for {} reports; with --json, --csv and --plot settings of which there is one are accepted", file,
                reports));
    };
    for (const std::string& file : {json, csv}) {
        if (file.empty()) continue;
        if (file == "-") throw Error("-: a file's path is accepted");
        io::check_writable(file);
        once(file);
    }
    for (const std::string& file : figures) io::check_drawable(file), once(file);
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
