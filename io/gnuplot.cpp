#include "io/gnuplot.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zlib.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "io/atomic_file.hpp"
#include "io/error.hpp"

namespace normlab::io {

namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr std::size_t png_header_end = 33;
constexpr std::string_view svg_mark = "<title>normlab</title>", png_mark = "Software\0normlab"sv;

std::string contents(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

bool in_path(const std::string& program) {
    const char* folders = std::getenv("PATH");
    std::istringstream list(folders ? folders : "");
    for (std::string folder; std::getline(list, folder, ':');) {
        if (::access((fs::path(folder) / program).c_str(), X_OK) == 0) return true;
    }
    return false;
}

/// A folder of its own under the system's for temporaries, removed with what is in it.
class Scratch {
public:
    Scratch() {
        std::string name = (fs::temp_directory_path() / "normlab-XXXXXX").string();
        if (!::mkdtemp(name.data())) refuse_with_errno(name, "cannot be made", errno);
        path = name;
    }
    ~Scratch() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    fs::path path;
};

int run(const std::vector<std::string>& command, const fs::path& errors) {
    std::vector<char*> arguments;
    for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ::pid_t child = 0;
    const int failed = ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    int status = 0;
    if (failed != 0 || ::waitpid(child, &status, 0) != child) return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string four_bytes(std::uint32_t number) {
    std::string text;
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(number >> shift & 0xffU);
    return text;
}

/// The picture with the mark by which is_figure knows it: an SVG's title, a PNG's text chunk behind its header.
std::string marked(std::string picture, bool svg) {
    constexpr std::string_view title = "<title>Gnuplot</title>";
    if (svg) {
        const std::size_t at = picture.find(title);
        return at == std::string::npos ? picture : picture.replace(at, title.size(), svg_mark);
    }
    const std::string chunk = "tEXt" + std::string(png_mark);
    const auto* bytes = reinterpret_cast<const Bytef*>(chunk.data());
    const auto checksum = static_cast<std::uint32_t>(crc32(0, bytes, static_cast<uInt>(chunk.size())));
    if (picture.size() < png_header_end) return picture;
    return picture.insert(png_header_end,
                          four_bytes(static_cast<std::uint32_t>(png_mark.size())) + chunk + four_bytes(checksum));
}

}  // namespace

bool has_gnuplot() { return in_path("gnuplot"); }

bool is_figure(const fs::path& path) {
    std::string start(1 << 10, ' ');
    std::ifstream in(path, std::ios::binary);
    in.read(start.data(), static_cast<std::streamsize>(start.size()));
    start.resize(static_cast<std::size_t>(in.gcount()));
    // as gnuplot begins a picture: what stands before the mark is its own
    const std::string_view before = std::string_view(start).substr(0, start.find(svg_mark));
    const bool svg = before.size() < start.size() && before.starts_with("<?xml") && before.find("<!--") == before.npos;
    return svg || start.find(png_mark) == png_header_end + 8;
}

void check_picture_name(const fs::path& path) {
    if (path.extension() != ".svg" && path.extension() != ".png") {
        refuse(path, "names no kind of picture; a name ending in .svg or .png is accepted");
    }
}

void check_drawable(const fs::path& path) {
    check_picture_name(path);
    if (!has_gnuplot()) refuse(path, "cannot be drawn: gnuplot is not in PATH (Debian: gnuplot-nox)");
    check_writable(path);
}

void draw(const fs::path& path, std::string_view script, int width, int height) {
    check_drawable(path);
    const bool svg = path.extension() == ".svg";
    const Scratch scratch;
    const fs::path picture = scratch.path / "picture", program = scratch.path / "script",
                   errors = scratch.path / "errors";
    std::ofstream(program) << "set encoding utf8\nset terminal "
                           << (svg ? "svg enhanced font 'sans-serif,12' background '#ffffff'"
                                   : "pngcairo enhanced font 'sans,10'")
                           << " size " << width << ',' << height << "\nset output '" << picture.string() << "'\n"
                           << script << "\nunset output\n";
    if (run({"gnuplot", program.string()}, errors) != 0) refuse(path, "gnuplot failed: " + contents(errors));
    write_atomically(path, marked(contents(picture), svg));
}

}  // namespace normlab::io
