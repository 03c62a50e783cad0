// What the fuzzers start from, and what they once found, through the same functions.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/catch.hpp"
#include "tests/fuzz/targets.hpp"

using namespace normlab;
namespace fs = std::filesystem;

TEST_CASE("every seed of every fuzz target is accepted or refused") {
    for (const fuzz::Target& target : fuzz::targets) {
        std::size_t seeds = 0;
        for (const auto& entry : fs::directory_iterator(fs::path(SEEDS_DIR) / target.name)) {
            CAPTURE(entry.path().string());
            std::ifstream file(entry.path(), std::ios::binary);
            target.run({std::istreambuf_iterator<char>(file), {}});
            ++seeds;
        }
        CHECK(seeds >= 4);
    }
}
