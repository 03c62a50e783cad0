#pragma once
// Records: one file a run, written whole or not at all, the same bytes whenever the run is made again.

#include <filesystem>
#include <optional>

#include "studies/runs/study.hpp"

namespace normlab::studies {

/// The commit that this program was built from; where the tree had changes, or no commit is known, with "-dirty" (or
/// "unknown") and a checksum of the program.
std::string commit();
/// Whether that names the sources.
bool is_clean(const std::string& commit);

/// OUT/records/NAME.json.
std::filesystem::path record_path(const std::filesystem::path& out, const Run& run);

/// Throws io::InputError: a full disk, a folder that may not be written.
void write_record(const std::filesystem::path& path, const Record& record);

/// Throws io::InputError for a file that is no record, naming what is wrong.
Record read_record(const std::filesystem::path& path);

/// Throws io::InputError where a file that is no record is in the place of this run's.
void require_record(const std::filesystem::path& out, const Run& run);

/// The record of this run if it is there. Throws io::InputError where the file was made with other settings, by another
/// commit, from other data: it is nobody's to throw away but the caller's (--fresh).
std::optional<Record> find_record(const std::filesystem::path& out, const Record& expected, const Run& run);

}  // namespace normlab::studies
