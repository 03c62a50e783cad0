// .npz files: archives that are read, damaged ones that are refused, and what verify --input takes from them.
#include <unistd.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "io/error.hpp"
#include "io/npy.hpp"
#include "io/npz.hpp"
#include "system/shell.hpp"
#include "verify/run/real_data.hpp"

using namespace std::string_literals;
using normlab::io::Array, normlab::io::InputError, normlab::io::NpzFile;
namespace fs = std::filesystem;

namespace {

struct Folder {
    fs::path path = fs::temp_directory_path() / ("normlab-npz-" + std::to_string(::getpid()));
    Folder() { fs::create_directories(path); }
    ~Folder() { fs::remove_all(path); }
    fs::path put(const std::string& name, const std::string& bytes) const {
        std::ofstream(path / name, std::ios::binary) << bytes;
        return path / name;
    }
};

std::string number(std::uint64_t value, int size) {
    std::string bytes;
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
    return bytes;
}

std::string deflated(std::string bytes) {
    z_stream stream{};
    REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(bytes.size() + 1000, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(bytes.data());
    stream.avail_in = static_cast<uInt>(bytes.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

struct Member {
    std::string name, data;                   // the data as they are in the .npy file
    std::uint64_t method = 0, flags = 0;      // 8: deflated; flag 8: a data descriptor follows
    bool zip64 = false;                       // local and directory entry keep their sizes in the zip64 field
    std::uint64_t crc_off = 0, size_off = 0;  // added to what the directory says
    std::string local_name = "";              // unless it is the same
};

// As the format describes: local headers and data, directory, end record; zip64: with that of zip64 before it.
std::string zip(const std::vector<Member>& members, const std::string& comment = "", bool zip64 = false) {
    std::string out, directory;
    for (const Member& m : members) {
        const std::string data = m.method == 8 ? deflated(m.data) : m.data;
        const std::uint64_t crc =
            crc32(0, reinterpret_cast<const Bytef*>(m.data.data()), static_cast<uInt>(m.data.size())) + m.crc_off;
        const std::uint64_t size = m.data.size() + m.size_off;
        const std::string& local_name = m.local_name.empty() ? m.name : m.local_name;
        const bool later = (m.flags & 8) != 0;
        const std::string sizes = m.zip64 ? std::string(8, '\xff') : number(data.size(), 4) + number(size, 4);
        const std::string extra = m.zip64 ? "\1\0\x10\0"s + number(size, 8) + number(data.size(), 8) : "";
        const auto head = [&](bool local) {
            return number(45, 2) + number(m.flags, 2) + number(m.method, 2) + number(0, 4) +
                   (local && later ? std::string(12, '\0') : number(crc, 4) + sizes);
        };
        directory += "PK\1\2"s + number(45, 2) + head(false) + number(m.name.size(), 2) + number(extra.size(), 2) +
                     number(0, 2) + number(0, 8) + number(out.size(), 4) + m.name + extra;
        out +=
            "PK\3\4"s + head(true) + number(local_name.size(), 2) + number(extra.size(), 2) + local_name + extra + data;
        if (later) out += "PK\7\10"s + number(crc, 4) + number(data.size(), 4) + number(size, 4);
    }
    const std::size_t start = out.size();
    out += directory;
    if (zip64) {
        const std::size_t record = out.size();
        out += "PK\6\6"s + number(44, 8) + number(45, 2) + number(45, 2) + number(0, 4) + number(0, 4) +
               number(members.size(), 8) + number(members.size(), 8) + number(directory.size(), 8) + number(start, 8);
        out += "PK\6\7"s + number(0, 4) + number(record, 8) + number(1, 4);
        out += "PK\5\6"s + number(0, 4) + std::string(12, '\xff');
    } else {
        out += "PK\5\6"s + number(0, 4) + number(members.size(), 2) + number(members.size(), 2) +
               number(directory.size(), 4) + number(start, 4);
    }
    return out + number(comment.size(), 2) + comment;
}

std::string npy(const std::string& shape, const std::vector<float>& values) {
    const std::string text = "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }\n";
    return "\x93NUMPY\1\0"s + number(text.size(), 2) + text +
           std::string(reinterpret_cast<const char*>(values.data()), values.size() * 4);
}

const std::string three = npy("(3,)", {1, 2, 3}), two = npy("(2,)", {4, 5});

std::vector<float> floats(const Array& array) {
    const auto view = array.as<float>();
    return {view.begin(), view.end()};
}

std::string refusal(const fs::path& path, const std::string& name = "x") {
    try {
        NpzFile file(path);
        file.read(name);
    } catch (const InputError& e) {
        return e.what();
    }
    return "nothing was refused";
}

}  // namespace

TEST_CASE("an array that claims more elements than are accepted is not unpacked") {
    const Folder folder;
    const auto said = [](const fs::path& path, double most) {
        try {
            NpzFile(path).read("x", most);
        } catch (const InputError& e) {
            return std::string(e.what());
        }
        return std::string("accepted");
    };
    const auto large = folder.put("a.npz", zip({{"x.npy", npy("(300000,)", std::vector<float>(300000)), 8}}));
    CHECK(said(large, 300000) == "accepted");
    CHECK(said(large, 299999).find("has 300000 elements; up to 299999 are accepted") != std::string::npos);
    CHECK(said(large, 10).find("unpacks to 1200") != std::string::npos);  // by the directory alone
    // a header that claims more than is there, and a directory that claims less
    const auto lies = folder.put("b.npz", zip({{"x.npy", npy("(1000000000000,)", {1, 2}), 8}}));
    CHECK(said(lies, 1e6).find("up to 1000000 are accepted") != std::string::npos);
    std::string bytes = zip({{"x.npy", npy("(300000,)", std::vector<float>(300000)), 8}});
    const std::string size = number(std::string(npy("(300000,)", std::vector<float>(300000))).size(), 4);
    for (std::size_t at = 0; (at = bytes.find(size, at)) != std::string::npos; ++at)
        bytes.replace(at, 4, number(1000, 4));
    CHECK(said(folder.put("c.npz", bytes), 1e9).find("corrupt: more bytes are there than the 1000") !=
          std::string::npos);
}

TEST_CASE("members of an .npz file are read: stored, deflated, with data descriptors, with zip64 fields and records") {
    const Folder folder;
    for (const std::uint64_t method : {0, 8}) {
        for (const std::uint64_t flags : {0, 8}) {
            for (const bool zip64 : {false, true}) {
                const auto path = folder.put(
                    "a.npz", zip({{"x.npy", three, method, flags, zip64},
                                  {"notes.txt", "hello"},
                                  {"gamma.npy", two, method, flags, zip64}},
                                 zip64 ? "PK\5\6 a comment that looks like an end record, padded" : "", zip64));
                NpzFile file(path);
                CHECK(normlab::io::is_npz(path));
                CHECK(file.names() == std::vector<std::string>{"x", "gamma"});
                CHECK(floats(file.read("gamma")) == std::vector<float>{4, 5});
                CHECK(floats(file.read("x")) == std::vector<float>{1, 2, 3});
                CHECK_THROWS_AS(file.read("beta"), std::invalid_argument);
            }
        }
    }
    CHECK(NpzFile(folder.put("empty.npz", zip({}))).names().empty());
    std::vector<float> many(100000);
    for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<float>(i * i % 1013);
    const auto large = folder.put("large.npz", zip({{"x.npy", npy("(100000,)", many), 8}}));
    CHECK(fs::file_size(large) < 200000);
    CHECK(floats(NpzFile(large).read("x")) == many);
}

TEST_CASE("what is wrong with an .npz file is refused by the file's name and the member's") {
    const Folder folder;
    const auto refuses = [&](const std::string& bytes, const std::string& piece) {
        const std::string message = refusal(folder.put("bad.npz", bytes));
        CHECK_THAT(message, Catch::Matchers::Contains("bad.npz: ") && Catch::Matchers::Contains(piece));
    };
    const std::string good = zip({{"x.npy", three}}), packed = zip({{"x.npy", three, 8}});
    refuses("", "is no zip archive, or truncated");
    refuses("PK\3\4", "there is no end record");
    refuses(good + "x", "there is no end record");
    refuses("x" + good, "there is no directory entry where one should begin");
    refuses(good.substr(1), "there is no directory entry");
    refuses(zip({{"x.npy", three}, {"x.npy", two}}), "member 'x.npy': is there twice");
    refuses(zip({{"x.npy", three, 0, 1}}), "member 'x.npy': is encrypted");
    for (const std::uint64_t method : {1, 9, 12, 14, 93})
        refuses(zip({{"x.npy", three, method}}), "member 'x.npy': is compressed by method " + std::to_string(method) +
                                                     "; accepted: 0 (stored), 8 (deflated)");
    for (const std::uint64_t method : {0, 8}) {
        refuses(zip({{"x.npy", three, method, 0, false, 1}}), "member 'x.npy': corrupt: its CRC-32");
        refuses(zip({{"x.npy", three, method, 0, false, 0, 1}}), "member 'x.npy': corrupt: ");
        refuses(zip({{"x.npy", three.substr(0, three.size() - 1), method}}),
                "member 'x.npy': truncated: shape (3,) of f32 is 12 bytes");
        refuses(zip({{"x.npy", three + "x", method}}), "member 'x.npy': trailing bytes");
        refuses(zip({{"x.npy", "\x93NUMPY\2\0\xff\xff\xff\xff{}"s, method}}),
                "member 'x.npy': truncated: the .npy header is 4294967295 bytes");
        refuses(zip({{"x.npy", npy("(1000000000000,)", {1}), method}}),
                "member 'x.npy': truncated: shape (1000000000000,)");
        refuses(zip({{"x.npy", "text", method}}), "member 'x.npy': not a .npy file");
        refuses(zip({{"x.npy", three, method, 0, false, 0, 0, "y.npy"}}),
                "member 'x.npy': corrupt: its local header has another name");
    }
    std::string spoiled = packed;
    spoiled[30 + 5] = '\x06';  // the first byte of the deflated data: a block type that does not exist
    refuses(spoiled, "member 'x.npy': corrupt deflate stream");
    const auto with = [](std::string bytes, std::size_t from_end, const std::string& change) {
        return bytes.replace(bytes.size() - from_end, change.size(), change);
    };
    refuses(with(good, 18, "\1"), "one of several disks");
    refuses(with(good, 12, "\2"), "has 1 entries where the end record says 2");
    refuses(with(good, 10, "\x32"), "ends too early");
    refuses(with(good, 6, number(1000000, 4)), "directory would be at 1000000");
    refuses(with(good, 10, number(0xfffffffe, 4)), "corrupt or truncated: directory");
    refuses(with(good, 6, std::string(4, '\xff')), "there is no zip64 locator");
    std::string lost = good;
    lost.replace(lost.find("PK\1\2") + 42, 4, number(1, 4));
    refuses(lost, "member 'x.npy': corrupt: there is no local header where one should begin");
}

TEST_CASE("an .npz file cut or changed anywhere is refused or read, and nothing else") {
    const Folder folder;
    const std::string whole = zip({{"x.npy", three, 8, 8}, {"gamma.npy", two, 0, 0, true}}, "a comment", true);
    for (std::size_t length = 0; length < whole.size(); ++length) {
        INFO(length);
        CHECK(refusal(folder.put("cut.npz", whole.substr(0, length))) != "nothing was refused");
    }
    std::mt19937 random(7);
    std::size_t refused = 0;
    for (int i = 0; i < 3000; ++i) {
        std::string changed = whole;
        for (int k = 0; k < 1 + i % 3; ++k) changed[random() % changed.size()] = static_cast<char>(random());
        try {
            NpzFile file(folder.put("changed.npz", changed));
            for (const std::string& name : file.names()) file.read(name);
        } catch (const InputError&) {
            ++refused;
        }
    }
    CHECK(refused > 1500);
}

TEST_CASE("verify --input takes x, gamma and beta from an .npz file, and flags win") {
    const Folder folder;
    using namespace normlab::verify;
    std::vector<float> values(24);
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * i % 7);
    const std::string x = npy("(4, 3, 2)", values), gamma = npy("(3,)", {1, 2, 3}), beta = npy("(3,)", {7, 8, 9});
    InputOptions options;
    std::vector<std::string> left_out;
    const Selection selection{.variants = {"batch_norm"}, .implementations = {"reference"}};
    const auto data = [&] { return *plan_input(options, selection, left_out).at(0).data; };
    options.x = folder.put("all.npz", zip({{"beta.npy", beta}, {"x.npy", x, 8}, {"gamma.npy", gamma}}));
    CHECK(data().x == std::vector<double>(values.begin(), values.end()));
    CHECK(data().gamma == std::vector<double>{1, 2, 3});
    CHECK(data().beta == std::vector<double>{7, 8, 9});
    options.gamma = folder.put("gamma.npy", npy("(3,)", {4, 5, 6}));
    CHECK(data().gamma == std::vector<double>{4, 5, 6});
    options.x = folder.put("single.npz", zip({{"activations.npy", x}}));
    CHECK(data().beta.empty());
    CHECK(plan_input(options, selection, left_out)
              .at(0)
              .rerun()
              .find("--input " + normlab::system::shell_word(options.x.string())) != std::string::npos);
    options.x = folder.put("two.npz", zip({{"a.npy", x}, {"b.npy", x}}));
    CHECK_THROWS_WITH(data(), Catch::Matchers::Contains("'a, b'") &&
                                  Catch::Matchers::Contains("one named x, or a single one, is accepted"));
    options.gamma.clear();
    options.x = folder.put("gamma2.npz", zip({{"x.npy", x}, {"gamma.npy", two}}));
    CHECK_THROWS_WITH(data(), Catch::Matchers::Contains("gamma2.npz: member 'gamma'") &&
                                  Catch::Matchers::Contains("of shape (3,) here"));
}

TEST_CASE("files that NumPy writes are read") {
    const Folder folder;
    const std::string script =
        "import numpy; x = numpy.arange(6, dtype='f4').reshape(2, 3); numpy.savez('stored.npz', x=x, gamma=x[0]); "
        "numpy.savez_compressed('packed.npz', x=numpy.asfortranarray(x), gamma=x[0])";
    if (std::system(("cd '" + folder.path.string() + "' && python3 -c \"" + script + "\" >log 2>&1").c_str()) != 0)
        NORMLAB_SKIP("python3 with numpy is not here");
    for (const char* name : {"stored.npz", "packed.npz"}) {
        NpzFile file(folder.path / name);
        CHECK(floats(file.read("x")) == std::vector<float>{0, 1, 2, 3, 4, 5});
        CHECK(floats(file.read("gamma")) == std::vector<float>{0, 1, 2});
    }
}
