#include "verify/run/replay.hpp"

#include <fstream>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "io/atomic_file.hpp"
#include "io/input_file.hpp"

namespace normlab::verify {
namespace {

std::string text_of(const std::filesystem::path& path) {
    if (!std::filesystem::exists(path)) return "# cases that failed; normlab verify --replay runs them first\n";
    io::InputFile file(path);
    const std::uint64_t size = file.left().value_or(0);
    if (size > 1 << 24)
        throw Error(fmt::format("{}: {} bytes; a replay file of up to 16 MiB is accepted", path.string(), size));
    std::string text(size, ' ');
    text.resize(file.read(std::as_writable_bytes(std::span(text))));
    return text;
}

std::string printable(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
    return text;
}

std::string without_comment(const std::string& line) {
    const std::string text = line.substr(0, line.find('#'));
    const std::size_t first = text.find_first_not_of(" \t\r");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace

std::vector<std::string> replay_lines(const std::filesystem::path& path) {
    std::vector<std::string> lines;
    std::istringstream in(text_of(path));
    for (std::string line; std::getline(in, line);) lines.push_back(without_comment(line));
    return lines;
}

std::vector<Case> read_replay(const std::filesystem::path& path) {
    std::vector<Case> cases;
    std::size_t number = 0;
    for (const std::string& text : replay_lines(path)) {
        ++number;
        if (text.empty()) continue;
        try {
            cases.push_back(parse_case(text));
            find_check(cases.back().check), find_implementation(cases.back().implementation),
                validate(cases.back().problem());
        } catch (const Error& e) {
            throw Error(fmt::format("{} line {}: {}", path.string(), number, printable(e.what())));
        }
    }
    return cases;
}

void add_to_replay(const std::filesystem::path& path, const std::vector<Case>& failing) {
    std::set<std::string> held;
    for (const Case& c : read_replay(path)) held.insert(c.text());
    std::string text = text_of(path);
    if (!text.empty() && text.back() != '\n') text += '\n';
    for (const Case& c : failing)
        if (!c.data && held.insert(c.text()).second) text += c.text() + "\n";
    io::write_atomically(path, text);
}

}  // namespace normlab::verify
