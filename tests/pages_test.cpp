// What pages name exists: the target of each relative link, and each file or folder of the tree in `...`.
//
// A word in `...` is taken for a file or folder of the tree if
//   its first part is ../ or a folder at the top of the tree ("norms/peers", "docs/ci/github.yml"), or
//   it ends as sources do ("calls.cpp", "table.*"), or in / ("emulation/").
// * stands for any characters, {a,b} for a or b. A word with a part in capitals ("NAME.cpp") is a form to be filled in.
// It is looked for in the page's folder and in those above it; a name without / also anywhere below the page's folder.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include <fnmatch.h>

#include "tests/catch.hpp"

namespace fs = std::filesystem;

namespace {

using Tree = std::set<std::string>;  // paths of files and of folders

// Pages write of these files, which a user makes or which lie beside the tree.
bool is_elsewhere(const std::string& word) {
    static const std::set<std::string> made_by_users{"mine.c", "mine.cpp", "mine.cu"};
    return made_by_users.contains(word) || word.starts_with("../shared");
}

bool matches(const std::string& path, const std::string& pattern) {
    return fnmatch(pattern.c_str(), path.c_str(), FNM_PATHNAME) == 0;
}

bool is_path_of_tree(const std::string& word, const Tree& tree) {
    static const std::regex allowed(R"((\.\./|[A-Za-z0-9_*])[A-Za-z0-9_.*{},/+-]*)");
    static const std::regex form(R"((^|[/._*-])(?!README|CONTRIBUTING|CHANGELOG|LICENSE)[A-Z]{2,}($|[/._*-]))");
    static const std::regex source(R"([^/]*\.(hpp|h|cuh|cpp|cu|c|cmake|cpp\.in|cmake\.in|sh|js|py|md|\*))");
    if (!std::regex_match(word, allowed) || std::regex_search(word, form)) return false;
    const std::size_t slash = word.find('/');
    if (slash != std::string::npos && (word.starts_with("../") || tree.contains(word.substr(0, slash)))) return true;
    return word.ends_with('/') || std::regex_match(word.substr(word.rfind('/') + 1), source);
}

std::vector<std::string> without_braces(const std::string& word) {
    const std::size_t open = word.find('{'), close = word.find('}', open);
    if (open == std::string::npos || close == std::string::npos) return {word};
    std::vector<std::string> words;
    for (std::size_t at = open + 1; at <= close;) {
        const std::size_t end = std::min(word.find(',', at), close);
        words.push_back(word.substr(0, open) + word.substr(at, end - at) + word.substr(close + 1));
        at = end + 1;
    }
    return words;
}

bool is_there(fs::path folder, std::string word, const Tree& tree) {
    if (word.ends_with('/')) word.pop_back();
    const std::string below = folder.empty() ? "" : folder.string() + "/";
    if (word.find('/') == std::string::npos && std::ranges::any_of(tree, [&](const std::string& path) {
            return path.starts_with(below) && matches(path.substr(path.rfind('/') + 1), word);
        }))
        return true;
    for (;; folder = folder.parent_path()) {
        const std::string pattern = (folder / word).lexically_normal().string();
        if (std::ranges::any_of(tree, [&](const std::string& path) { return matches(path, pattern); })) return true;
        if (folder.empty() || word.starts_with("../")) return false;
    }
}

bool is_missing(const fs::path& folder, const std::string& words, const Tree& tree) {
    return std::ranges::any_of(without_braces(words), [&](const std::string& word) {
        return is_path_of_tree(word, tree) && !is_elsewhere(word) && !is_there(folder, word, tree);
    });
}

bool is_broken(const fs::path& folder, const std::string& link, const Tree& tree) {
    std::string target = link.substr(0, link.find('#'));
    if (target.empty() || target.find(':') != std::string::npos) return false;  // in the page itself, or on the web
    if (target.ends_with('/')) target.pop_back();
    return !tree.contains((folder / target).lexically_normal().string());
}

// What the page names and the tree lacks, with the line.
std::vector<std::string> missing(const std::string& page, const std::string& text, const Tree& tree) {
    static const std::regex code(R"(`([^`]+)`)"), link(R"(\]\(([^)\s]+)\))");
    const fs::path folder = fs::path(page).parent_path();
    std::vector<std::string> wrong;
    std::istringstream lines(text);
    bool fenced = false;  // commands and their output
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
        ++number;
        if (line.starts_with("```")) fenced = !fenced;
        if (fenced) continue;
        const auto look = [&](const std::regex& pattern, auto is_wrong) {
            for (auto at = std::sregex_iterator(line.begin(), line.end(), pattern); at != std::sregex_iterator(); ++at)
                if (is_wrong(folder, (*at)[1].str(), tree))
                    wrong.push_back(page + ":" + std::to_string(number) + " names " + (*at)[1].str() + ": not there");
        };
        look(code, is_missing);
        line = std::regex_replace(line, code, "");
        look(link, is_broken);
    }
    return wrong;
}

// But for what builds and runs leave in it.
Tree project() {
    const std::set<std::string> left_out{".git", ".deps", ".cache", "build", "results"};
    Tree tree;
    for (const auto& top : fs::directory_iterator(PROJECT_DIR)) {
        const std::string name = top.path().filename().string();
        if (left_out.contains(name)) continue;
        tree.insert(name);
        if (!top.is_directory()) continue;
        for (const auto& entry : fs::recursive_directory_iterator(top))
            tree.insert(entry.path().lexically_relative(PROJECT_DIR).string());
    }
    return tree;
}

}  // namespace

TEST_CASE("every file and folder that a page names exists") {
    const Tree tree = project();
    std::size_t pages = 0;
    for (const std::string& path : tree) {
        if (!path.ends_with(".md")) continue;
        ++pages;
        std::ifstream file(fs::path(PROJECT_DIR) / path, std::ios::binary);
        for (const std::string& line : missing(path, {std::istreambuf_iterator<char>(file), {}}, tree))
            FAIL_CHECK(line);
    }
    CHECK(pages > 30);
}

TEST_CASE("a page that names what is not there is found, with the line") {
    const Tree tree{"top.hpp",  "low",          "low/README.md", "low/a.hpp",      "low/a.cpp",
                    "low/deep", "low/deep/b.c", "side",          "side/README.md", "side/c_one_test.sh",
                    "docs",     "docs/ci.yml",  "README.md",     "side/deep",      "side/deep/d.json"};
    const std::string right =
        "# `a.hpp`, `a.*`, `deep/`, `b.c`, `low/deep`, `top.hpp`, `../side/`, `../side/c_*_test.sh`\n"
        "`side/c_{one,one}_test.sh`, `docs/ci.yml`, `side/deep`; [all](../README.md#part), [one](deep/), [far](a://b)\n"
        "no files of the tree: `NAME.cpp`, `low/DIR/x.hpp`, `mine.c`, `x.npy`, `./dev`, `1/rstd`, `.cu`, `f.json`\n"
        "```\n`not.hpp` here\n```\n";
    CHECK(missing("low/README.md", right, tree).empty());
    const std::string wrong =
        "`c_one_test.sh`\n`low/deep/a.cpp` `z.cpp`\n`y_*.cpp`, `a.{hpp,cu}`\n`none/`, [no `code`](gone.md)\n"
        "`docs/no.yml` [gone](deep/c.c) `../top.json`\n";
    CHECK(missing("low/README.md", right + wrong, tree) ==
          std::vector<std::string>{
              "low/README.md:7 names c_one_test.sh: not there", "low/README.md:8 names low/deep/a.cpp: not there",
              "low/README.md:8 names z.cpp: not there", "low/README.md:9 names y_*.cpp: not there",
              "low/README.md:9 names a.{hpp,cu}: not there", "low/README.md:10 names none/: not there",
              "low/README.md:10 names gone.md: not there", "low/README.md:11 names docs/no.yml: not there",
              "low/README.md:11 names ../top.json: not there", "low/README.md:11 names deep/c.c: not there"});
}
