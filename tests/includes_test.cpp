// What the files of the project include: no circle of them, and only rooms further down. The order of the rooms is
// NORMLAB_HOUSE in the top CMakeLists.txt.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/catch.hpp"

namespace fs = std::filesystem;

namespace {

using Tree = std::map<std::string, std::string>;  // path -> text

struct Include {
    std::string from, to;  // paths
    int line = 0;

    std::string text() const { return from + ":" + std::to_string(line) + " includes " + to; }
};

// A header and the source of the same name are one.
std::string unit_of(const std::string& path) { return path.substr(0, path.find('.')); }

std::vector<Include> includes_of(const Tree& tree) {
    std::vector<Include> found;
    for (const auto& [path, text] : tree) {
        std::istringstream lines(text);
        int number = 0;
        for (std::string line; std::getline(lines, line);) {
            ++number;
            std::string hash, name;
            std::istringstream words(line);
            std::getline(words >> std::ws, hash, '"');
            std::getline(words, name, '"');
            if (hash.find_first_not_of("#include \t") != std::string::npos || !hash.starts_with('#')) continue;
            for (const std::string& to : {name, (fs::path(path).parent_path() / name).lexically_normal().string()})
                if (tree.contains(to)) {
                    found.push_back({path, to, number});
                    break;
                }
        }
    }
    return found;
}

// "system norms,io verify/truth ...": each room's storey, from the bottom up; those with a comma between them stand
// beside each other.
std::map<std::string, int> storeys_of(const std::string& house) {
    std::map<std::string, int> storeys;
    std::istringstream words(house);
    int storey = 0;
    for (std::string word; words >> word; ++storey) {
        std::istringstream rooms(word);
        for (std::string room; std::getline(rooms, room, ',');) storeys[room] = storey;
    }
    return storeys;
}

// A folder with what is in it, or a unit.
std::string room_of(const std::string& path, const std::map<std::string, int>& storeys) {
    for (const auto& [room, storey] : storeys)
        if (path.starts_with(room + "/") || path.starts_with(room + ".")) return room;
    return "";
}

std::vector<std::string> upward_includes(const Tree& tree, const std::string& house) {
    const std::map<std::string, int> storeys = storeys_of(house);
    std::vector<std::string> wrong;
    for (const auto& [path, text] : tree)
        if (room_of(path, storeys).empty()) wrong.push_back(path + " is in no room of NORMLAB_HOUSE (CMakeLists.txt)");
    for (const Include& include : includes_of(tree)) {
        const std::string from = room_of(include.from, storeys), to = room_of(include.to, storeys);
        if (from == to || from.empty() || to.empty() || storeys.at(from) > storeys.at(to)) continue;
        wrong.push_back(include.text() + ", and " + from + " stands " +
                        (storeys.at(from) == storeys.at(to) ? "beside " : "below ") + to);
    }
    return wrong;
}

void reach(const std::string& unit, const std::map<std::string, std::set<std::string>>& arrows,
           std::set<std::string>& reached) {
    const auto to = arrows.find(unit);
    if (to == arrows.end()) return;
    for (const std::string& next : to->second)
        if (reached.insert(next).second) reach(next, arrows, reached);
}

// Each set of units that include each other, with every include between them.
std::vector<std::string> circles(const Tree& tree) {
    const std::vector<Include> includes = includes_of(tree);
    std::map<std::string, std::set<std::string>> arrows, reached;
    for (const Include& i : includes)
        if (unit_of(i.from) != unit_of(i.to)) arrows[unit_of(i.from)].insert(unit_of(i.to));
    for (const auto& [unit, to] : arrows) reach(unit, arrows, reached[unit]);
    const auto together = [&](const std::string& a, const std::string& b) {
        return reached[a].contains(b) && reached[b].contains(a);
    };
    std::vector<std::string> found;
    std::set<std::string> told;
    for (const auto& [unit, to] : arrows) {
        if (!together(unit, unit) || told.contains(unit)) continue;
        std::string text = "a circle:";
        for (const Include& i : includes) {
            const std::string from = unit_of(i.from);
            if (!together(unit, from) || !together(unit, unit_of(i.to)) || from == unit_of(i.to)) continue;
            text += "\n  " + i.text();
            told.insert(from);
        }
        found.push_back(text);
    }
    return found;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    return text;
}

// The project's sources, but for its tests.
Tree project() {
    std::set<std::string> folders;
    for (const auto& [room, storey] : storeys_of(NORMLAB_HOUSE)) folders.insert(room.substr(0, room.find('/')));
    const std::set<std::string> endings{".hpp", ".h", ".cuh", ".cpp", ".cu", ".c", ".in"};
    Tree tree;
    for (const std::string& folder : folders)
        for (const auto& entry : fs::recursive_directory_iterator(fs::path(PROJECT_DIR) / folder)) {
            if (!endings.contains(entry.path().extension().string())) continue;
            std::ifstream file(entry.path(), std::ios::binary);
            tree[entry.path().lexically_relative(PROJECT_DIR).string()] = {std::istreambuf_iterator<char>(file), {}};
        }
    return tree;
}

}  // namespace

TEST_CASE("no files of the project include each other in a circle, and no include points up") {
    const Tree tree = project();
    REQUIRE(includes_of(tree).size() > 500);
    const std::string wrong = joined(circles(tree)) + joined(upward_includes(tree, NORMLAB_HOUSE));
    INFO(wrong);
    CHECK(wrong.empty());
}

TEST_CASE("a circle of files is found, with the lines that close it") {
    const Tree tree{{"a/one.hpp", "#pragma once\n#include \"a/two.hpp\"\n"},
                    {"a/two.hpp", "// nothing\n"},
                    {"a/two.cpp", "#include \"two.hpp\"\n#include <vector>\n\n  #  include \"b/three.cuh\"\n"},
                    {"b/three.cuh", "#include \"a/one.hpp\"   // \"closes it\"\n"},
                    {"b/four.h", "#include \"a/one.hpp\"\n// #include \"b/five.cu\"\n"},
                    {"b/five.cu", "#include \"b/four.h\"\nconst char* text = \"b/three.cuh\";\n"}};
    CHECK(circles(tree) ==
          std::vector<std::string>{"a circle:\n  a/one.hpp:2 includes a/two.hpp\n  a/two.cpp:4 includes b/three.cuh\n"
                                   "  b/three.cuh:1 includes a/one.hpp"});
    Tree mended = tree;
    mended["b/three.cuh"].clear();
    CHECK(circles(mended).empty());
}

TEST_CASE("an include that points up or sideways is found, and a file in no room") {
    const std::string house = "low left,right top/under top/unit";
    const Tree tree{{"low/a.hpp", "\n#include \"left/a.hpp\"\n"},
                    {"left/a.hpp", "#include \"left/deep/a.hpp\"\n"},
                    {"left/deep/a.hpp", "#include \"right/a.hpp\"\n"},
                    {"right/a.hpp", ""},
                    {"top/unit.cpp", "#include \"top/under/a.hpp\"\n#include \"right/a.hpp\"\n"},
                    {"top/under/a.hpp", "#include \"top/unit.hpp\"\n"},
                    {"top/unit.hpp", ""},
                    {"top/other.cpp", "#include \"left/a.hpp\"\n"}};
    CHECK(upward_includes(tree, house) ==
          std::vector<std::string>{"top/other.cpp is in no room of NORMLAB_HOUSE (CMakeLists.txt)",
                                   "left/deep/a.hpp:1 includes right/a.hpp, and left stands beside right",
                                   "low/a.hpp:2 includes left/a.hpp, and low stands below left",
                                   "top/under/a.hpp:1 includes top/unit.hpp, and top/under stands below top/unit"});
    CHECK(circles(tree).size() == 1);  // of top/under/a and top/unit
}
