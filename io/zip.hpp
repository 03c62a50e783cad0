// Zip archives (PKWARE's APPNOTE.TXT), as far as .npz files need them.
//
//   each member   local header: 'PK' 03 04, ..., name, extra fields; its bytes, stored or deflated;
//                 perhaps a data descriptor, which says what the directory says
//   directory     an entry for each member: 'PK' 01 02, method, CRC-32, sizes, where its local header is, name
//   end record    'PK' 05 06, number of entries, size and place of the directory, a comment; the last of the file
// Zip64 (numbers that do not fit in 4 bytes) adds a field to an entry, and a record and a locator before the end
// record.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "io/input_file.hpp"

namespace normlab::io {

/// What the directory says of a member. All of it are claims.
struct ZipMember {
    std::string name;
    std::uint64_t flags = 0, method = 0, crc = 0;
    std::uint64_t compressed = 0, size = 0;  ///< in bytes, as stored and inflated
    std::uint64_t header = 0;                ///< where its local header begins
};

/// An open archive with its directory.
class ZipFile {
public:
    /// Reads the directory. Throws InputError naming the file where it is no zip archive, spans several disks, is
    /// truncated, has bytes before its first member, or names a member twice.
    explicit ZipFile(const std::filesystem::path& path);

    const std::vector<ZipMember>& members() const { return members_; }

    /// What messages about a member begin with: "FILE: member 'x.npy'".
    std::filesystem::path name_of(const ZipMember& member) const;

    /// The bytes of a member, to be read before the next is opened, and before the ZipFile ends.
    /// Throws InputError naming file and member where it is encrypted or compressed by anything but deflate, and where
    /// its local header is not that of this member; the source's read() where the data are corrupt, truncated, or not
    /// as long as the directory says. The end counts as reached, and the CRC-32 as proved, once read() returns less
    /// than it was asked for.
    std::unique_ptr<ByteSource> open(const ZipMember& member);

private:
    InputFile file_;
    std::vector<ZipMember> members_;
};

}  // namespace normlab::io
