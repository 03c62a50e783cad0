#include "io/zip.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "io/error.hpp"
#include "io/inflate.hpp"

namespace normlab::io {

namespace {

constexpr std::uint64_t local_magic = 0x04034b50, entry_magic = 0x02014b50, end_magic = 0x06054b50;
constexpr std::uint64_t end64_magic = 0x06064b50, locator64_magic = 0x07064b50;
constexpr std::uint64_t local_size = 30, end_size = 22, end64_size = 56, locator64_size = 20;
constexpr std::uint64_t in_zip64 = 0xffffffff;  // what stands where a number is in the zip64 field
constexpr std::uint64_t encrypted = 1;
constexpr std::uint64_t stored = 0, deflated = 8;

/// Numbers and texts, one after the other, from bytes that may end too early.
class Fields {
public:
    Fields(std::span<const std::byte> bytes, const std::filesystem::path& name, std::string what)
        : bytes_(bytes), name_(name), what_(std::move(what)) {}

    std::span<const std::byte> take(std::uint64_t length) {
        if (length > bytes_.size()) refuse(name_, "corrupt: " + what_ + " ends too early");
        const auto taken = bytes_.first(length);
        bytes_ = bytes_.subspan(length);
        return taken;
    }
    std::uint64_t number(std::uint64_t length) {
        const auto taken = take(length);
        std::uint64_t value = 0;
        for (std::size_t i = taken.size(); i-- > 0;) value = value * 256 + std::to_integer<std::uint64_t>(taken[i]);
        return value;
    }
    std::string text(std::uint64_t length) {
        const auto taken = take(length);
        return {reinterpret_cast<const char*>(taken.data()), taken.size()};
    }
    void expect(std::uint64_t magic) {
        if (number(4) != magic) refuse(name_, "corrupt: there is no " + what_ + " where one should begin");
    }
    bool empty() const { return bytes_.empty(); }

private:
    std::span<const std::byte> bytes_;
    const std::filesystem::path& name_;
    std::string what_;
};

std::vector<std::byte> read_at(InputFile& file, std::uint64_t position, std::uint64_t length, const std::string& what) {
    if (position > file.size() || length > file.size() - position) {
        refuse(file.path(), "corrupt or truncated: " + what + " would be at " + std::to_string(position) +
                                ", the file has " + std::to_string(file.size()) + " bytes");
    }
    file.seek(position);
    return read_exactly(file, file.path(), length, what);
}

struct Directory {
    std::uint64_t entries = 0, size = 0, position = 0;
};

Directory find_directory(InputFile& file) {
    const std::uint64_t longest = end_size + 0xffff;  // the record and its comment
    const std::uint64_t length = std::min(file.size(), longest), start = file.size() - length;
    const auto tail = read_at(file, start, length, "its end");
    for (std::uint64_t i = length < end_size ? 0 : length - end_size + 1; i-- > 0;) {
        Fields end(std::span<const std::byte>(tail).subspan(i), file.path(), "end record");
        if (end.number(4) != end_magic) continue;
        std::uint64_t disks = end.number(2) + end.number(2);
        end.number(2);
        Directory found{end.number(2), end.number(4), end.number(4)};
        if (i + end_size + end.number(2) != length) continue;  // the bytes of an end record, by chance
        if (found.entries == 0xffff || found.size == in_zip64 || found.position == in_zip64) {
            const std::uint64_t at = start + i < locator64_size ? file.size() : start + i - locator64_size;
            const auto locator_bytes = read_at(file, at, locator64_size, "zip64 locator");
            Fields locator(locator_bytes, file.path(), "zip64 locator");
            locator.expect(locator64_magic);
            disks = locator.number(4);
            const auto end64_bytes = read_at(file, locator.number(8), end64_size, "zip64 end record");
            Fields end64(end64_bytes, file.path(), "zip64 end record");
            end64.expect(end64_magic);
            end64.take(12);  // its size, versions
            disks += end64.number(4);
            disks += end64.number(4);
            end64.take(8);
            found = {end64.number(8), end64.number(8), end64.number(8)};
        }
        if (disks != 0) refuse(file.path(), "is one of several disks of a zip archive; one whole file is accepted");
        return found;
    }
    refuse(file.path(), "is no zip archive, or truncated: there is no end record");
}

/// The numbers of an entry that are in its zip64 field, in the format's order.
void take_zip64(Fields extra, ZipMember& member, const std::filesystem::path& name) {
    const std::array<std::uint64_t*, 3> wide{&member.size, &member.compressed, &member.header};
    if (std::ranges::none_of(wide, [](const auto* value) { return *value == in_zip64; })) return;
    while (!extra.empty()) {
        const std::uint64_t kind = extra.number(2), length = extra.number(2);
        const auto bytes = extra.take(length);
        if (kind != 1) continue;
        Fields field(bytes, name, "a zip64 field");
        for (std::uint64_t* value : wide) {
            if (*value == in_zip64) *value = field.number(8);
        }
        return;
    }
}

class MemberReader final : public ByteSource {
public:
    MemberReader(InputFile& file, const ZipMember& member, std::filesystem::path name)
        : range_(file, member.compressed), member_(member), name_(std::move(name)) {
        if (member.method == deflated) inflater_.emplace(range_, name_, Inflater::Format::raw);
    }

    std::size_t read(std::span<std::byte> into) override {
        const std::size_t got = inflater_ ? inflater_->read(into) : range_.read(into);
        size_ += got;
        if (size_ > member_.size)
            refuse(name_, "corrupt: more bytes are there than the " + std::to_string(member_.size) +
                              " that the directory says");
        for (auto part = into.first(got); !part.empty();) {
            const auto length = std::min<std::size_t>(part.size(), 1U << 30U);
            crc_ = crc32(crc_, reinterpret_cast<const Bytef*>(part.data()), static_cast<uInt>(length));
            part = part.subspan(length);
        }
        if (got < into.size()) check_end();
        return got;
    }

    /// Of a deflated member the directory's size is not known before it is inflated.
    std::optional<std::uint64_t> left() const override { return inflater_ ? std::nullopt : range_.left(); }

private:
    /// A part of a file, from where it stands.
    class Range final : public ByteSource {
    public:
        Range(InputFile& file, std::uint64_t length) : file_(file), left_(length) {}
        std::size_t read(std::span<std::byte> into) override {
            const std::size_t got = file_.read(into.first(std::min<std::uint64_t>(into.size(), left_)));
            left_ -= got;
            return got;
        }
        std::optional<std::uint64_t> left() const override { return left_; }

    private:
        InputFile& file_;
        std::uint64_t left_;
    };

    void check_end() {
        if (size_ != member_.size || range_.left() != 0 || (inflater_ && inflater_->next())) {
            refuse(name_, "corrupt: " + std::to_string(size_) + " bytes are there where the directory says " +
                              std::to_string(member_.size));
        }
        if (crc_ != member_.crc) refuse(name_, "corrupt: its CRC-32 is not that in the directory");
    }

    Range range_;
    const ZipMember member_;
    std::filesystem::path name_;
    std::optional<Inflater> inflater_;
    std::uint64_t size_ = 0;
    uLong crc_ = 0;
};

}  // namespace

ZipFile::ZipFile(const std::filesystem::path& path) : file_(path) {
    const Directory directory = find_directory(file_);
    const auto bytes = read_at(file_, directory.position, directory.size, "directory");
    Fields fields(bytes, path, "directory entry");
    std::set<std::string> names;
    while (!fields.empty()) {
        fields.expect(entry_magic);
        fields.take(4);  // versions
        ZipMember member;
        member.flags = fields.number(2);
        member.method = fields.number(2);
        fields.take(4);  // time and date
        member.crc = fields.number(4);
        member.compressed = fields.number(4);
        member.size = fields.number(4);
        const std::uint64_t name_length = fields.number(2), extra_length = fields.number(2),
                            comment_length = fields.number(2);
        fields.take(8);  // disk and attributes
        member.header = fields.number(4);
        member.name = fields.text(name_length);
        take_zip64(Fields(fields.take(extra_length), path, "an extra field"), member, path);
        fields.take(comment_length);
        if (!names.insert(member.name).second) refuse(name_of(member), "is there twice; each name once is accepted");
        members_.push_back(std::move(member));
    }
    if (members_.size() != directory.entries) {
        refuse(path, "corrupt: its directory has " + std::to_string(members_.size()) +
                         " entries where the end record says " + std::to_string(directory.entries));
    }
}

std::filesystem::path ZipFile::name_of(const ZipMember& member) const {
    return file_.path().string() + ": member " + in_quotes(member.name);
}

std::unique_ptr<ByteSource> ZipFile::open(const ZipMember& member) {
    const std::filesystem::path name = name_of(member);
    if ((member.flags & encrypted) != 0) refuse(name, "is encrypted; accepted: stored or deflated as it is");
    if (member.method != stored && member.method != deflated) {
        refuse(name,
               "is compressed by method " + std::to_string(member.method) + "; accepted: 0 (stored), 8 (deflated)");
    }
    const auto bytes = read_at(file_, member.header, local_size, "the local header of " + in_quotes(member.name));
    Fields local(bytes, name, "local header");
    local.expect(local_magic);
    local.take(22);  // the directory says the same
    const std::uint64_t name_length = local.number(2), extra_length = local.number(2);
    const auto local_name = read_at(file_, member.header + local_size, name_length, "a name");
    if (!std::ranges::equal(local_name, std::as_bytes(std::span(member.name))))
        refuse(name, "corrupt: its local header has another name");
    const std::uint64_t start = member.header + local_size + name_length + extra_length;
    if (start > file_.size() || member.compressed > file_.size() - start) {
        refuse(name, "truncated: " + std::to_string(member.compressed) + " bytes at " + std::to_string(start) +
                         ", the file has " + std::to_string(file_.size()));
    }
    file_.seek(start);
    return std::make_unique<MemberReader>(file_, member, name);
}

}  // namespace normlab::io
