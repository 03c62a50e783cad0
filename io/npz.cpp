#include "io/npz.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include "io/error.hpp"
#include "io/npy.hpp"

namespace normlab::io {

namespace {

constexpr std::string_view ending = ".npy";

}  // namespace

bool is_npz(const std::filesystem::path& path) {
    InputFile file(path);
    std::array<std::byte, 2> start{};
    return file.read(start) == start.size() && start == std::array{std::byte{'P'}, std::byte{'K'}};
}

std::vector<std::string> NpzFile::names() const {
    std::vector<std::string> found;
    for (const ZipMember& member : zip_.members()) {
        if (member.name.ends_with(ending)) found.push_back(member.name.substr(0, member.name.size() - ending.size()));
    }
    return found;
}

Array NpzFile::read(std::string_view name, double most) {
    const std::string member_name = std::string(name) + std::string(ending);
    const auto member = std::ranges::find(zip_.members(), member_name, &ZipMember::name);
    if (member == zip_.members().end()) throw std::invalid_argument("NpzFile::read: there is no " + member_name);
    constexpr double widest_element = 8, longest_header = 1 << 20;
    if (static_cast<double>(member->size) > widest_element * most + longest_header)
        refuse(zip_.name_of(*member), "unpacks to " + std::to_string(member->size) + " bytes; up to " +
                                          std::to_string(static_cast<std::uint64_t>(most)) +
                                          " elements are accepted with this machine's memory");
    const auto source = zip_.open(*member);
    return read_npy(*source, zip_.name_of(*member), most);
}

}  // namespace normlab::io
