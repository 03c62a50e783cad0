#include "studies/runs/records.hpp"

#include <fstream>
#include <sstream>

#include <fmt/format.h>
#include <zlib.h>

#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "system/process.hpp"
#include "system/version.hpp"

namespace normlab::studies {

namespace {

// Two trees with changes are two programs: the checksum of the program's file tells them apart.
std::string identity() {
    if (is_clean(system::commit())) return system::commit();
    std::ifstream file(system::this_program(), std::ios::binary);
    uLong sum = 0;
    for (std::vector<char> part(1 << 20);
         file.read(part.data(), static_cast<std::streamsize>(part.size())) || file.gcount();)
        sum = crc32(sum, reinterpret_cast<const Bytef*>(part.data()), static_cast<uInt>(file.gcount()));
    return fmt::format("{}-{:08x}", system::commit(), sum);
}

}  // namespace

bool is_clean(const std::string& commit) {
    return commit.find("-dirty") == std::string::npos && !commit.starts_with("unknown");
}

std::string commit() {
    static const std::string own = identity();
    return own;
}

std::filesystem::path record_path(const std::filesystem::path& out, const Run& run) {
    return out / "records" / (run.name + ".json");
}

void write_record(const std::filesystem::path& path, const Record& r) {
    const json record{{"study", r.study}, {"run", r.run},       {"settings", r.settings},
                      {"data", r.data},   {"commit", r.commit}, {"result", r.result}};
    std::string text;  // a line for each of the six
    for (const auto& [key, value] : record.items())
        text += fmt::format("{} \"{}\": {}", text.empty() ? "{\n" : ",\n", key, value.dump());
    io::write_atomically(path, text + "\n}\n");
}

Record read_record(const std::filesystem::path& path) {
    std::ifstream file(path);
    if (!file) throw io::InputError(path.string() + ": cannot be read; a record of a study is accepted");
    try {
        const json j = json::parse(file);
        return {j.at("study"), j.at("run"), j.at("commit"), j.at("data"), j.at("settings"), j.at("result")};
    } catch (const json::exception&) {
        throw io::InputError(fmt::format(
            "{}: no record of a study; another --out is accepted, or --fresh with --force, which replace it",
            path.string()));
    }
}

void require_record(const std::filesystem::path& out, const Run& run) {
    if (const std::filesystem::path path = record_path(out, run); std::filesystem::exists(path)) read_record(path);
}

std::optional<Record> find_record(const std::filesystem::path& out, const Record& expected, const Run& run) {
    const std::filesystem::path path = record_path(out, run);
    if (!std::filesystem::exists(path)) return std::nullopt;
    if (!std::filesystem::is_regular_file(path))
        throw io::InputError(path.string() + ": is no file; a record, or nothing, is accepted there");
    Record found = read_record(path);
    const auto differs = [&](const char* what, const std::string& there, const std::string& here) {
        if (there != here)
            throw io::InputError(fmt::format(
                "{}: its {} is {}, this call's is {}; another --out is accepted, or --fresh, which discards it",
                path.string(), what, there, here));
    };
    differs("study", found.study, expected.study);
    differs("settings", found.settings.dump(), run.settings.dump());
    differs("data", found.data, expected.data);
    differs("commit", found.commit, expected.commit);
    return found;
}

}  // namespace normlab::studies
