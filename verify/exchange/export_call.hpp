#pragma once
// One call as a folder of the form of vector_file.hpp, its outputs still to be written.

#include <filesystem>

#include "verify/truth/inputs.hpp"

namespace normlab::verify {

/// Writes case.json and the inputs. Returns how many files. Throws io::InputError where that fails.
std::size_t write_call(const std::filesystem::path& folder, const Inputs<double>& call, bool weighs_old);

}  // namespace normlab::verify
