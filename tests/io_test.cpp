// The readers and writers of io/: what they read, what they refuse and in which words.
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <bit>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "io/idx.hpp"
#include "io/npy.hpp"

namespace fs = std::filesystem;
using namespace std::string_literals;
using normlab::io::Array, normlab::io::ElementType, normlab::io::InputError, normlab::io::make_array;
using normlab::io::check_writable, normlab::io::find_mnist, normlab::io::write_atomically;
using normlab::io::read_idx, normlab::io::read_npy, normlab::io::write_npy;

namespace {

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (fs::temp_directory_path() / "normlab-io-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    fs::path operator/(const std::string& name) const { return path_ / name; }
    std::size_t entries() const { return static_cast<std::size_t>(std::distance(fs::directory_iterator(path_), {})); }
    /// Writes `bytes` into `name` without the code under test.
    fs::path put(const std::string& name, const std::string& bytes) const {
        std::ofstream(path_ / name, std::ios::binary) << bytes;
        return path_ / name;
    }

private:
    fs::path path_;
};

std::string contents(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

template <typename T>
std::vector<T> values(const Array& array) {
    const auto view = array.as<T>();
    return {view.begin(), view.end()};
}

/// Requires that `call` throws InputError, and every piece to be in its message.
template <typename Call>
void requires_refusal(const Call& call, std::initializer_list<std::string> pieces) {
    std::string message;
    try {
        call();
        FAIL("nothing was refused; expected: " << *pieces.begin());
    } catch (const InputError& error) {
        message = error.what();
    }
    for (const std::string& piece : pieces) {
        INFO("message: " << message << "\nwanted:  " << piece);
        REQUIRE(message.find(piece) != std::string::npos);
    }
}

std::string little_endian(std::size_t value, int size) {
    std::string bytes;
    for (int i = 0; i < size; ++i) bytes += static_cast<char>(value >> (8 * i));
    return bytes;
}

std::string npy(const std::string& text, const std::string& data, char version = '\1') {
    return "\x93NUMPY"s + version + '\0' + little_endian(text.size(), version == 1 ? 2 : 4) + text + data;
}

std::string header(const std::string& descr, const std::string& shape, const std::string& order = "False") {
    return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }\n";
}

const std::string one_f4 = "\0\0\x80\x3f"s;  // 1.0f
const std::string two_f4 = "\0\0\0\x40"s;    // 2.0f
const std::string idx_2x3 = "\0\0\x08\x02\0\0\0\2\0\0\0\3abcdef"s;

std::string gzip(const std::string& bytes) {
    z_stream stream{};
    REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    std::string out(bytes.size() + 1000, '\0');
    std::string in = bytes;
    stream.next_in = reinterpret_cast<Bytef*>(in.data());
    stream.avail_in = static_cast<uInt>(in.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out.resize(stream.total_out);
    deflateEnd(&stream);
    return out;
}

long peak_kib() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

}  // namespace

TEST_CASE("an array written as .npy reads back bit for bit, NaN payloads included") {
    const TemporaryFolder folder;
    const auto nan = std::bit_cast<double>(0x7ff8000000001234ULL);
    const std::vector<double> doubles{-0.0, nan, std::numeric_limits<double>::denorm_min(), 1e300, 2, 3};
    write_npy(folder / "a.npy", make_array<double>({2, 1, 3}, doubles));
    const Array back = read_npy(folder / "a.npy");
    CHECK(back.shape == std::vector<std::int64_t>{2, 1, 3});
    CHECK(std::ranges::equal(std::as_bytes(back.as<double>()), std::as_bytes(std::span(doubles))));
    CHECK_THROWS_AS(back.as<float>(), std::invalid_argument);

    const std::vector<std::uint8_t> none;
    for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{0}, {3, 0, 2}, {0, 1000000}}) {
        write_npy(folder / "empty.npy", make_array<std::uint8_t>(shape, none));
        CHECK(read_npy(folder / "empty.npy").shape == shape);
    }
    CHECK_THROWS_AS(write_npy(folder / "bad.npy", Array{{2}, ElementType::f32, {}}), std::invalid_argument);
    CHECK(folder.entries() == 2);
}

TEST_CASE("a written .npy is byte for byte what the format describes") {
    const TemporaryFolder folder;
    write_npy(folder / "a.npy", make_array<float>({2}, std::vector<float>{1, 2}));
    const std::string text = header(std::endian::native == std::endian::little ? "<f4" : ">f4", "(2,)");
    const std::string padded = text.substr(0, text.size() - 1) + std::string(118 - text.size(), ' ') + "\n";
    if constexpr (std::endian::native == std::endian::little) {
        CHECK(contents(folder / "a.npy") == npy(padded, one_f4 + two_f4));
    }
    CHECK(fs::file_size(folder / "a.npy") == 128 + 8);
}

TEST_CASE("every version, dtype and byte order that the .npy reader names is read") {
    const TemporaryFolder folder;
    const auto read = [&](const std::string& bytes) { return read_npy(folder.put("a.npy", bytes)); };
    for (const char version : {'\1', '\2', '\3'}) {
        CHECK(values<float>(read(npy(header("<f4", "(2,)"), one_f4 + two_f4, version))) == std::vector{1.F, 2.F});
    }
    CHECK(values<float>(read(npy(header(">f4", "(1,)"), "\x3f\x80\0\0"s))) == std::vector{1.F});
    CHECK(values<double>(read(npy(header(">f8", "(1,)"), "\x3f\xf0\0\0\0\0\0\0"s))) == std::vector{1.0});
    CHECK(values<double>(read(npy(header("<f8", "(1,)"), "\0\0\0\0\0\0\xf0\x3f"s))) == std::vector{1.0});
    CHECK(values<std::int64_t>(read(npy(header(">i8", "(1,)"), "\0\0\0\0\0\0\1\2"s))) ==
          std::vector<std::int64_t>{258});
    CHECK(values<std::int32_t>(read(npy(header("<i4", "(1,)"), "\xfe\xff\xff\xff"))) == std::vector{-2});
    CHECK(values<std::int16_t>(read(npy(header(">i2", "(1,)"), "\1\2"))) == std::vector<std::int16_t>{258});
    CHECK(values<std::int8_t>(read(npy(header("|i1", "(1,)"), "\xff"))) == std::vector<std::int8_t>{-1});
    CHECK(values<std::uint8_t>(read(npy(header("|u1", "(1,)"), "\xff"))) == std::vector<std::uint8_t>{255});
}

TEST_CASE("an array in Fortran order arrives in C order") {
    const TemporaryFolder folder;
    // numpy.arange(24).reshape(2, 3, 4): element (i, j, k) is 12 i + 4 j + k. Here i runs fastest.
    std::string data;
    for (int k = 0; k < 4; ++k)
        for (int j = 0; j < 3; ++j)
            for (int i = 0; i < 2; ++i) data += "\0"s + static_cast<char>(12 * i + 4 * j + k);
    const Array array = read_npy(folder.put("a.npy", npy(header(">i2", "(2, 3, 4)", "True"), data)));
    const auto view = array.as<std::int16_t>();
    for (std::size_t i = 0; i < view.size(); ++i) CHECK(view[i] == static_cast<int>(i));
}

TEST_CASE("shape () is one element, in either order") {
    const TemporaryFolder folder;
    for (const char* order : {"True", "False"}) {
        const Array array = read_npy(folder.put("a.npy", npy(header("<f4", "()", order), two_f4)));
        CHECK(array.shape.empty());
        CHECK(values<float>(array) == std::vector{2.F});
    }
}

TEST_CASE("a .npy header may order, quote and space its keys as Python allows") {
    const TemporaryFolder folder;
    for (const char* text : {"{\"shape\":(1,2),\"fortran_order\":False,\"descr\":\"<f4\"}",
                             " { 'fortran_order' :\tFalse ,\n'shape' : ( 1 , 2 , ) , 'descr':'<f4' , } \n\n"}) {
        const Array array = read_npy(folder.put("a.npy", npy(text, one_f4 + two_f4)));
        CHECK(array.shape == std::vector<std::int64_t>{1, 2});
    }
}

TEST_CASE("arrays of 16 bits are read and written as what their file says, bfloat16 by both its names") {
    const TemporaryFolder folder;
    const std::pair<const char*, ElementType> kinds[] = {{"<f2", ElementType::f16},  {"<V2", ElementType::bf16},
                                                         {"|V2", ElementType::bf16}, {"bfloat16", ElementType::bf16},
                                                         {"<u2", ElementType::u16},  {">u2", ElementType::u16}};
    for (const auto& [descr, type] : kinds) {
        const bool swapped = descr[0] == '>';
        const Array array =
            read_npy(folder.put("a.npy", npy(header(descr, "(2,)"), swapped ? "\x3c\1\x40\2" : "\1\x3c\2\x40")));
        CHECK(array.type == type);
        const auto bits = array.as<std::uint16_t>();
        CHECK(std::vector<int>(bits.begin(), bits.end()) == std::vector{0x3c01, 0x4002});
        write_npy(folder / "b.npy", array);
        CHECK(read_npy(folder / "b.npy").type == type);
    }
}

TEST_CASE("a faulty .npy header is refused with the offending text and what is accepted") {
    const TemporaryFolder folder;
    const auto refuses = [&](const std::string& text, const std::string& piece, const std::string& more = "") {
        const fs::path path = folder.put("bad.npy", npy(text, one_f4));
        requires_refusal([&] { read_npy(path); }, {piece, more, path.string() + ": "});
    };
    for (const char* dtype : {"<f1", "|O", "<c16", "=f4", "|f4", "<u4", "|f2", "<V4", "", "f4", "<f4 "}) {
        refuses(header(dtype, "(1,)"), "dtype '"s + dtype + "'", "accepted: '<f4'");
    }
    refuses("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", "dtype '[('a'", "accepted");
    refuses(header("<f4", "(-1,)"), "dimension '-1'", "accepted: a whole number");
    refuses(header("<f4", "(9223372036854775808,)"), "dimension '9223372036854775808'", "2^63 - 1");
    for (const char* digits : {"", "1.5", "0x2", "1L", "+1", "None"}) {
        refuses(header("<f4", "("s + digits + ", 2)"), "dimension '"s + digits + "'");
    }
    refuses(header("<f4", "(1)"), "(1) is a number", "accepted: (1,)");
    refuses(header("<f4", "(1 2)"), "expected ',' or ')'");
    refuses(header("<f4", "[1]"), "expected '('");
    refuses(header("<f4", "(4294967296, 4294967296)"), "(4294967296, 4294967296) of f32 overflows", "2^63");
    refuses(header("<f4", "(0, 4294967296, 4294967296)"), "overflows");
    refuses(header("<f4", "(" + std::string(130, '1') + ",)"), "dimension '1111");
    std::string ones;
    for (int i = 0; i < 65; ++i) ones += "1,";
    refuses(header("<f4", "(" + ones + ")"), "more than 64 dimensions");
    refuses(header("<f4", "(1,)", "true"), "expected True or False", "found 'true");
    refuses("{'fortran_order': False, 'shape': (1,)}", "'descr' is missing");
    refuses("{'descr': '<f4', 'shape': (1,)}", "'fortran_order' is missing");
    refuses("{'descr': '<f4', 'fortran_order': False}", "'shape' is missing");
    refuses("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}", "'descr' appears twice");
    refuses("{'colour': 3, 'descr': '<f4'}", "unknown key 'colour'", "accepted: 'descr'");
    refuses(header("<f4", "(1,)") + std::string(5000, 'x'), "text after the closing }", std::string(80, 'x') + "...'");
    refuses(header("<f4", "(1,)") + "\0"s, "text after the closing }", "\\x00");
    for (const char* text : {"", "   ", "{", "{,}", "{'descr", "{'descr'", "{'descr':", "{'shape': (", "{'shape': (1",
                             "{'descr': '<f4' 'shape': (1,)}", "[]", "{descr: '<f4'}", "{'descr': '<f4',,}"}) {
        refuses(text, ".npy header: ");
    }
}

TEST_CASE("a .npy file whose length is not what its header says is refused before any allocation") {
    const TemporaryFolder folder;
    const long before = peak_kib();
    const auto refuses = [&](const std::string& bytes, std::initializer_list<std::string> pieces) {
        requires_refusal([&] { read_npy(folder.put("bad.npy", bytes)); }, pieces);
    };
    refuses("", {"bad.npy", "not a .npy file", "begins with ''"});
    refuses("PK\3\4rest", {"begins with 'PK\\x03\\x04re'", "accepted: '\\x93NUMPY'"});
    refuses("\x93NUM", {"not a .npy file"});
    refuses("\x93NUMPY\1", {"truncated: the .npy version"});
    refuses("\x93NUMPY\4\0\0\0"s, {"version 4.0", "accepted: 1.0, 2.0, 3.0"});
    refuses("\x93NUMPY\1\1\0\0"s, {"version 1.1"});
    refuses("\x93NUMPY\1\0\5"s, {"truncated: the .npy header's length"});
    refuses("\x93NUMPY\2\0\xff\xff\xff\xff{}"s, {"truncated", "the .npy header is 4294967295 bytes", "after 2"});
    refuses(npy(header("<f4", "(3,)"), one_f4 + two_f4), {"truncated: shape (3,) of f32 is 12", "after 8"});
    refuses(npy(header("<f4", "(1,)"), one_f4 + two_f4),
            {"trailing bytes", "shape (1,) of f32 is 4 bytes, 8 are there"});
    refuses(npy(header("<f4", "(0,)"), "x"), {"trailing bytes"});
    refuses(npy(header("<f4", "(1000000000000,)"), one_f4), {"truncated", "4000000000000 bytes", "after 4"});
    refuses(npy(header("<f8", "(1000, 1000, 1000)"), one_f4), {"truncated", "8000000000 bytes"});
    CHECK(peak_kib() - before < 64 * 1024);
}

TEST_CASE("what is no readable regular file is refused at once, by every reader") {
    const TemporaryFolder folder;
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    fs::create_directory(folder / "folder");
    fs::create_symlink("loop", folder / "loop");
    const auto refuses = [&](const std::string& name, const std::string& piece) {
        requires_refusal([&] { read_npy(folder / name); }, {piece, (folder / name).string() + ": "});
        requires_refusal([&] { read_idx(folder / name); }, {piece, (folder / name).string() + ": "});
    };
    refuses("missing", "cannot be opened for reading: No such file");
    refuses("folder", "is a directory; a regular file is accepted");
    refuses("pipe", "is a pipe; a regular file is accepted");
    refuses("loop", "cannot be opened for reading");
    requires_refusal([] { read_npy("/dev/zero"); }, {"is a device"});
    requires_refusal([] { read_npy(""); }, {"cannot be opened"});
    fs::permissions(folder.put("secret", "x"), fs::perms::none);
    if (::geteuid() == 0) NORMLAB_SKIP("the superuser reads files without permission");
    requires_refusal([&] { read_npy(folder / "secret"); }, {"Permission denied"});
}

TEST_CASE("IDX elements of every type arrive in the host's byte order, gzip or not") {
    const TemporaryFolder folder;
    const auto read = [&](const std::string& start, const std::string& element) {
        const std::string bytes = "\0\0"s + start + "\1\0\0\0\1"s + element;
        const Array packed = read_idx(folder.put("gzip.by-content", gzip(bytes)));
        Array plain = read_idx(folder.put("a.gz", bytes));
        CHECK(plain.shape == std::vector<std::int64_t>{1});
        CHECK((packed.shape == plain.shape && packed.type == plain.type && packed.bytes == plain.bytes));
        return plain;
    };
    CHECK(values<std::uint8_t>(read("\x08", "\xff")) == std::vector<std::uint8_t>{255});
    CHECK(values<std::int8_t>(read("\x09", "\xff")) == std::vector<std::int8_t>{-1});
    CHECK(values<std::int16_t>(read("\x0b", "\1\2")) == std::vector<std::int16_t>{258});
    CHECK(values<std::int32_t>(read("\x0c", "\xff\xff\xff\xfe")) == std::vector{-2});
    CHECK(values<float>(read("\x0d", "\x3f\x80\0\0"s)) == std::vector{1.F});
    CHECK(values<double>(read("\x0e", "\x3f\xf0\0\0\0\0\0\0"s)) == std::vector{1.0});
}

TEST_CASE("IDX dimensions are read in order, and gzip members one after the other are one stream") {
    const TemporaryFolder folder;
    const std::string members = gzip(idx_2x3.substr(0, 7)) + gzip("") + gzip(idx_2x3.substr(7));
    for (const std::string& bytes : {idx_2x3, gzip(idx_2x3), members}) {
        const Array array = read_idx(folder.put("a", bytes));
        CHECK(array.shape == std::vector<std::int64_t>{2, 3});
        CHECK(values<std::uint8_t>(array) == std::vector<std::uint8_t>{'a', 'b', 'c', 'd', 'e', 'f'});
    }
    CHECK(read_idx(folder.put("a", gzip("\0\0\x08\x02\0\0\0\0\0\0\0\3"s))).count() == 0);
    std::string large = "\0\0\x08\x01\0\3\x0d\x40"s;  // 200000 bytes: several rounds of growth
    for (int i = 0; i < 200000; ++i) large += static_cast<char>(i % 251 + i / 1000);
    const Array array = read_idx(folder.put("a", gzip(large)));
    CHECK(std::ranges::equal(array.bytes, std::as_bytes(std::span(large)).subspan(8)));
}

TEST_CASE("an IDX file that is not what its header says is refused, gzip or not") {
    const TemporaryFolder folder;
    const auto refuses = [&](const std::string& bytes, const std::string& piece, const std::string& more = "") {
        for (const std::string& stored : {bytes, gzip(bytes)}) {
            requires_refusal([&] { read_idx(folder.put("bad.idx", stored)); }, {piece, more, "bad.idx: "});
        }
    };
    refuses("", "truncated: the data end inside the IDX header");
    refuses("\0\0\x08\x02\0\0\0\2\0"s, "truncated: the data end inside the IDX header");
    refuses("hello", "begins with 'hell'", "accepted: two bytes 0");
    refuses("\0\1\x08\1\0\0\0\1x"s, "begins with '\\x00\\x01\\x08\\x01'");
    refuses("\0\0\x0a\x01\0\0\0\1x"s, "element type '\\x0a' is unknown", "accepted: \\x08 u8");
    refuses("\0\0\x08\0x"s, "has 0 dimensions", "accepted: 1 to 64");
    refuses("\0\0\x08\x41"s, "has 65 dimensions");
    refuses("\0\0\x08\3"s + std::string(12, '\xff'), "overflows", "(4294967295, 4294967295, 4294967295) of u8");
    refuses(idx_2x3.substr(0, 17), "truncated: shape (2, 3) of u8 is 6 bytes", "the data end after 5");
    refuses(idx_2x3 + "g", "trailing bytes: shape (2, 3) of u8 is 6 bytes");
    const long before = peak_kib();
    refuses("\0\0\x08\3\0\0\x27\x10\0\0\x27\x10\0\0\x27\x10yz"s, "1000000000000 bytes", "after 2");
    refuses("\0\0\x0e\2\0\0\x80\0\0\0\x80\0yz"s, "8589934592 bytes", "after 2");
    const fs::path bomb = folder.put("bomb", gzip(idx_2x3 + std::string(std::size_t{1} << 25U, 'x')));
    requires_refusal([&] { read_idx(bomb); }, {"bomb", "trailing bytes"});
    const long bomb_itself = 3 * (1L << 15U);  // KiB for building it: the string, its copy, the output
    CHECK(peak_kib() - before < bomb_itself + 64 * 1024);
}

TEST_CASE("a gzip stream that is cut, corrupt or followed by something is refused") {
    const TemporaryFolder folder;
    const auto refuses = [&](const std::string& bytes, const std::string& piece) {
        requires_refusal([&] { read_idx(folder.put("bad.gz", bytes)); }, {piece, "bad.gz: "});
    };
    const std::string whole = gzip(idx_2x3);
    for (std::size_t length = 2; length < whole.size(); ++length) {
        refuses(whole.substr(0, length), "truncated: the file ends inside its gzip stream");
    }
    std::string checksum = whole;
    checksum[whole.size() - 8] ^= '\1';
    refuses(checksum, "corrupt gzip stream: incorrect data check");
    refuses(whole.substr(0, 2) + "\x63" + whole.substr(3), "corrupt gzip stream: unknown compression method");
    refuses(whole + "x", "trailing bytes: the gzip stream ends before the file does");
    refuses(whole + std::string(512, '\0'), "trailing bytes");
    refuses(whole + whole, "trailing bytes");
}

TEST_CASE("MNIST's files are found by name, plain before gzip, and their absence names what is accepted") {
    const TemporaryFolder folder;
    requires_refusal([&] { find_mnist(folder / "none"); }, {"none", "is not a folder"});
    requires_refusal([&] { find_mnist(folder.put("file", "")); }, {"is not a folder"});
    folder.put("t10k-labels-idx1-ubyte", "");
    requires_refusal([&] { find_mnist(folder / ""); },
                     {"no MNIST images", "train-images-idx3-ubyte or t10k-images-idx3-ubyte", ".gz"});
    folder.put("t10k-images-idx3-ubyte.gz", "");
    CHECK(find_mnist(folder / "").t10k_images == folder / "t10k-images-idx3-ubyte.gz");
    folder.put("t10k-images-idx3-ubyte", "");
    const auto files = find_mnist(folder / "");
    CHECK(files.t10k_images == folder / "t10k-images-idx3-ubyte");
    CHECK(files.t10k_labels == folder / "t10k-labels-idx1-ubyte");
    CHECK_FALSE(files.train_images.has_value());
    CHECK_FALSE(files.train_labels.has_value());
}

TEST_CASE("the real MNIST test set has its shape, its first labels and its mean") {
    const fs::path data = fs::path(__FILE__).parent_path().parent_path() / ".." / "shared" / "data" / "mnist";
    if (!fs::is_directory(data)) NORMLAB_SKIP("no folder " + data.string());
    const auto files = find_mnist(data);
    REQUIRE((files.t10k_images && files.t10k_labels));
    const Array images = read_idx(*files.t10k_images);
    const Array labels = read_idx(*files.t10k_labels);
    CHECK(images.shape == std::vector<std::int64_t>{10000, 28, 28});
    CHECK(labels.shape == std::vector<std::int64_t>{10000});
    const auto first = labels.as<std::uint8_t>().first(8);
    CHECK(std::vector<int>(first.begin(), first.end()) == std::vector{7, 2, 1, 0, 4, 1, 4, 9});
    double sum = 0;
    for (const std::uint8_t pixel : images.as<std::uint8_t>()) sum += pixel;
    // 33.79 is the mean usually quoted for the test images (0.1325 of 255).
    CHECK(sum / static_cast<double>(images.count()) == Approx(33.79).epsilon(1e-3));
}

TEST_CASE("an atomic write replaces the file and keeps its permissions and the link that leads to it") {
    const TemporaryFolder folder;
    write_atomically(folder / "a", "one\0two"s);
    CHECK(contents(folder / "a") == "one\0two"s);
    fs::permissions(folder / "a", fs::perms::owner_read | fs::perms::owner_write);
    fs::create_symlink("a", folder / "link");
    write_atomically(folder / "link", "");
    CHECK(fs::is_symlink(folder / "link"));
    CHECK(fs::file_size(folder / "a") == 0);
    CHECK(fs::status(folder / "a").permissions() == (fs::perms::owner_read | fs::perms::owner_write));
    write_atomically(folder / std::string(255, 'n'), "the longest name");
    CHECK(folder.entries() == 3);
    fs::create_symlink("not/there", folder / "nowhere");
    requires_refusal([&] { write_atomically(folder / "nowhere", "x"); }, {"No such file or directory"});
    fs::create_symlink(folder / "new", folder / "to_new");
    fs::create_symlink("to_new", folder / "to_link");
    write_atomically(folder / "to_link", "made where the links lead");
    CHECK(fs::is_symlink(folder / "to_link"));
    CHECK(fs::is_symlink(folder / "to_new"));
    CHECK(contents(folder / "new") == "made where the links lead");
}

TEST_CASE("a target that cannot be written is refused before the run as well as at its end") {
    const TemporaryFolder folder;
    fs::create_directory(folder / "folder");
    folder.put("file", "old");
    REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
    const auto refuses = [&](const fs::path& path, const std::string& piece) {
        requires_refusal([&] { check_writable(path); }, {piece, path.string() + ": "});
        requires_refusal([&] { write_atomically(path, "new"); }, {piece, path.string() + ": "});
    };
    refuses(folder / "none/a", "No such file or directory");
    refuses(folder / "file/a", "Not a directory");
    refuses(folder / "folder", "is a directory");
    refuses(folder / "folder/", "names no file");
    refuses("", "names no file");
    check_writable(folder / "pipe");  // which would wait for its reader
    check_writable("/dev/null");
    write_atomically("/dev/null", "gone");
    requires_refusal([&] { write_atomically("/dev/full", "lost"); }, {"/dev/full: cannot be written: No space left"});
    {
        std::string read(8, ' ');
        std::jthread reader([&] { std::ifstream(folder / "pipe") >> read; });
        write_atomically(folder / "pipe", "through");
        reader.join();
        CHECK(read == "through");
        CHECK(fs::is_fifo(folder / "pipe"));
    }
    refuses(folder / std::string(256, 'n'), "File name too long");
    check_writable(folder / "file");
    check_writable(folder / "new");
    CHECK(contents(folder / "file") == "old");
    CHECK(folder.entries() == 3);
    fs::permissions(folder / "folder", fs::perms::owner_read | fs::perms::owner_exec);
    if (::geteuid() == 0) NORMLAB_SKIP("the superuser writes where there is no permission");
    refuses(folder / "folder/a", "Permission denied");
    fs::permissions(folder / "file", fs::perms::owner_read);
    refuses(folder / "file", "Permission denied");
}

TEST_CASE("a write that fails half way leaves the old file and no temporary") {
    const TemporaryFolder folder;
    folder.put("a", "old");
    rlimit old{};
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &old) == 0);
    const auto handler = std::signal(SIGXFSZ, SIG_IGN);
    const rlimit small{1000, old.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
    std::string message;
    try {
        write_atomically(folder / "a", std::string(5000, 'x'));
    } catch (const InputError& error) {
        message = error.what();
    }
    ::setrlimit(RLIMIT_FSIZE, &old);  // before any check: the report may be a long file itself
    std::signal(SIGXFSZ, handler);
    CHECK(message == (folder / "a").string() + ": cannot be written: File too large");
    CHECK(contents(folder / "a") == "old");
    CHECK(folder.entries() == 1);
}

TEST_CASE("no changed byte or cut makes a reader do anything but read or refuse") {
    const TemporaryFolder folder;
    const std::vector<std::string> seeds{npy(header("<f4", "(2, 1)", "True"), one_f4 + two_f4),
                                         npy(header(">i2", "(1, 4)"), "abcdefgh", '\2'), idx_2x3, gzip(idx_2x3),
                                         gzip("\0\0\x0d\1\0\0\0\2"s + one_f4 + two_f4)};
    std::mt19937 random(20240517);  // NOLINT: the same mutations in every run
    int read = 0, refused = 0;
    const auto attempt = [&](const std::string& bytes) {
        const fs::path path = folder.put("mutated", bytes);
        for (const auto reader : {+[](const fs::path& file) { return read_npy(file); },
                                  +[](const fs::path& file) { return read_idx(file); }}) {
            try {
                const Array array = reader(path);
                if (static_cast<std::size_t>(array.count()) > 1040 * bytes.size()) FAIL("more elements than data");
                ++read;
            } catch (const InputError&) {
                ++refused;
            }
        }
    };
    const long before = peak_kib();
    for (const std::string& seed : seeds) {
        for (std::size_t length = 0; length <= seed.size(); ++length) attempt(seed.substr(0, length));
        for (std::size_t i = 0; i < seed.size(); ++i) {
            for (unsigned bit = 0; bit < 8; ++bit) {
                std::string flipped = seed;
                flipped[i] = static_cast<char>(flipped[i] ^ (1 << bit));
                attempt(flipped);
            }
        }
        for (int round = 0; round < 500; ++round) {
            std::string scrambled = seed;
            for (int i = 0; i < 3; ++i) scrambled[random() % seed.size()] = static_cast<char>(random());
            attempt(scrambled);
        }
    }
    CHECK(read > 100);
    CHECK(refused > 1000);
    // A believed claim would show as gigabytes; AddressSanitizer alone keeps up to 256 MiB of freed memory.
    CHECK(peak_kib() - before < 400 * 1024);
}
