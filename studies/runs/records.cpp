#include "studies/runs/records.hpp"

#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "commit.hpp"
#include "io/atomic_file.hpp"
#include "io/error.hpp"

namespace normlab::studies {

std::string commit() { return NORMLAB_COMMIT; }

std::filesystem::path record_path(const std::filesystem::path& out, const Run& run) { return out / "records" / (run.name + ".json"); }

void write_record(const std::filesystem::path& path, const Record& r) {
    const json text{{"study", r.study}, {"run", r.run}, {"settings", r.settings}, {"data", r.data}, {"commit", r.commit}, {"result", r.result}};
    io::write_atomically(path, text.dump(1) + "\n");
}

Record read_record(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file) throw io::InputError(path.string() + ": cannot be read; a record of a study is accepted");
    try {
        const json j = json::parse(file);
        return {j.at("study"), j.at("run"), j.at("commit"), j.at("data"), j.at("settings"), j.at("result")};
    } catch (const json::exception& e) {
        throw io::InputError(fmt::format("{}: no record of a study ({}); remove it, or call with --fresh", path.string(), e.what()));
    }
}

std::optional<Record> find_record(const std::filesystem::path& out, const Record& expected, const Run& run) {
    const std::filesystem::path path = record_path(out, run);
    if (!std::filesystem::exists(path)) return std::nullopt;
    Record found = read_record(path);
    const auto differs = [&](const char* what, const std::string& there, const std::string& here) {
        if (there != here)
            throw io::InputError(fmt::format("{}: its {} is {}, this call's is {}; another --out is accepted, or --fresh, which discards it", path.string(), what, there, here));
    };
    differs("study", found.study, expected.study);
    differs("settings", found.settings.dump(), run.settings.dump());
    differs("data", found.data, expected.data);
    differs("commit", found.commit, expected.commit);
    return found;
}

}  // namespace normlab::studies
