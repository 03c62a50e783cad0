// What is fuzzed: each target gives bytes to a parser, takes its refusals, and lets everything else through.
#pragma once

#include <string>

namespace normlab::fuzz {

void npy(const std::string& bytes);  ///< io::read_npy
void npz(const std::string& bytes);  ///< io::NpzFile and every member
void idx(const std::string& bytes);  ///< io::read_idx, plain and gzip
/// the benchmark's list of shapes; an outside vector's case.json, and the calls that it makes
void json(const std::string& bytes);
/// a case and its parts; what is accepted reads back as the same. The target `case`
void text(const std::string& bytes);

struct Target {
    const char* name;
    void (*run)(const std::string& bytes);
};
inline constexpr Target targets[] = {{"npy", npy}, {"npz", npz}, {"idx", idx}, {"json", json}, {"case", text}};

}  // namespace normlab::fuzz
