#include "io/gnuplot.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

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

}  // namespace

void check_drawable(const fs::path& path) {
    if (path.extension() != ".svg" && path.extension() != ".png") {
        refuse(path, "names no kind of picture; a name ending in .svg or .png is accepted");
    }
    if (!in_path("gnuplot")) refuse(path, "cannot be drawn: gnuplot is not in PATH (Debian: gnuplot-nox)");
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
    write_atomically(path, contents(picture));
}

}  // namespace normlab::io
