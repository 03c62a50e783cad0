#include "cli/files.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <optional>
#include <regex>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/options.hpp"
#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "io/gnuplot.hpp"
#include "norms/tensor.hpp"

namespace normlab::cli {
namespace {

namespace fs = std::filesystem;

struct Role {
    bool read = false, written = false, folder = false;
    std::string (*path_of)(const std::string&) = nullptr;
    std::string usual = {};  // of a folder
    Kind kind = {}, other = {};
    std::string with = {};  // the flag beside which the kind is the other
};

std::map<const CLI::Option*, Role>& roles() {
    static std::map<const CLI::Option*, Role> all;
    return all;
}

CLI::Option* remember(CLI::Option* option, Role role) {
    roles()[option] = std::move(role);
    return option;
}

// A file or folder that a call names.
struct Named {
    const CLI::Option* option;
    const Role* role;
    std::string flag, text;
    fs::path whole;
    std::optional<std::pair<dev_t, ino_t>> node;  // of what is there

    std::string said() const { return flag + " " + text; }
    bool is_folder() const { return role->folder || fs::is_directory(whole); }
};

std::optional<std::pair<dev_t, ino_t>> node_of(const fs::path& path) {
    struct stat status {};
    if (stat(path.c_str(), &status) != 0 || !(S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))) return std::nullopt;
    return std::pair{status.st_dev, status.st_ino};
}

std::vector<Named> named_in(const CLI::App& verb) {
    std::vector<Named> all;
    for (const CLI::Option* option : verb.get_options()) {
        const auto role = roles().find(option);
        if (role == roles().end()) continue;
        std::vector<std::string> values = option->results();
        if (values.empty() && !role->second.usual.empty()) values = {role->second.usual};
        for (const std::string& value : values) {
            const std::string text = role->second.path_of ? role->second.path_of(value) : value;
            all.push_back({option, &role->second, option->get_name(), text, io::target_of(text), node_of(text)});
        }
    }
    return all;
}

bool same_file(const Named& a, const Named& b) {
    if (io::names_standard_output(a.text) || io::names_standard_output(b.text))
        return io::names_standard_output(a.text) && io::names_standard_output(b.text);
    return (a.node && a.node == b.node) || a.whole == b.whole;
}

bool is_in(const fs::path& file, const fs::path& folder) {
    const fs::path within = file.lexically_relative(folder);
    return !within.empty() && *within.begin() != ".." && *within.begin() != ".";
}

// Two of which one at least is written.
void require_apart(const Named& a, const Named& b) {
    const Named &out = a.role->written ? a : b, &other = a.role->written ? b : a;
    const bool bytes_go_through = !out.node && fs::exists(out.text) && !fs::is_regular_file(out.text);  // /dev/null
    if (same_file(a, b) && !(bytes_go_through && other.role->written))
        throw Error(
            other.role->written
                ? fmt::format("{} and {} name one file; a file for each is accepted", a.said(), b.said())
                : fmt::format("{}: it is what {} reads; a file of its own is accepted", out.said(), other.said()));
    if (bytes_go_through || io::names_standard_output(out.text)) return;
    for (const auto& [file, folder] : {std::pair{&a, &b}, std::pair{&b, &a}})
        if (file->role->written && folder->is_folder() && is_in(file->whole, folder->whole))
            throw Error(
                fmt::format("{} is in {}, {}; a file elsewhere is accepted", file->said(), folder->said(),
                            folder->role->written ? "where the program keeps files of its own" : "which is read"));
}

// What the shell has opened for this program is being written already.
void require_not_redirected(const Named& out) {
    for (const int descriptor : {STDOUT_FILENO, STDERR_FILENO}) {
        struct stat status {};
        if (out.node && fstat(descriptor, &status) == 0 && out.node == std::pair{status.st_dev, status.st_ino})
            throw Error(fmt::format("{}: standard {} goes to that file; a file of its own is accepted", out.said(),
                                    descriptor == STDOUT_FILENO ? "output" : "error"));
    }
}

void check_output(const CLI::App& verb, const Named& out) {
    if (out.role->folder) {
        if (fs::exists(out.text) && !fs::is_directory(out.text))
            throw Error(fmt::format("{}: is no folder; a folder, or the name of a new one, is accepted", out.said()));
        return;
    }
    const bool forced = verb.get_option_no_throw("--force") && verb.count("--force");
    require_not_redirected(out);
    try {
        if (out.role->kind.name == figure_file().name) io::check_picture_name(out.text);
        if (out.role->read && io::names_standard_output(out.text)) throw Error("-: a file's path is accepted");
        io::check_writable(out.text);
    } catch (const std::exception& e) {
        throw Error(fmt::format("{} {}", out.flag, e.what()));
    }
    if (out.role->read) return;
    const bool other = !out.role->with.empty() && verb.count(out.role->with);
    require_replaceable(out.flag, out.text, other ? out.role->other : out.role->kind, forced);
    io::expect_unchanged(out.text);
}

// A path that no role is known of would be guarded by nobody.
void require_roles(const CLI::App& verb) {
    for (const CLI::Option* option : verb.get_options()) {
        const std::string type = option->get_type_name();  // option_values.cpp gives each its own
        if ((type == "FILE" || type == "FOLDER") && !roles().contains(option))
            throw std::logic_error(option->get_name() + " takes a path, and files.hpp was not told whether it is read");
    }
}

}  // namespace

Kind json_file(const std::string& program) {
    return {"a report of " + program, [program](const fs::path& file) {
                // A report may have 150 MB: nothing of it but the header is kept.
                const auto keep = [](int depth, nlohmann::json::parse_event_t event, const nlohmann::json& parsed) {
                    return depth != 1 || event != nlohmann::json::parse_event_t::key || parsed == "header";
                };
                std::ifstream in(file, std::ios::binary);
                const nlohmann::json document = nlohmann::json::parse(in, keep, false);
                const nlohmann::json::json_pointer place("/header/program");
                return document.contains(place) && document.at(place) == program;
            }};
}

Kind text_file(const std::string& name, const std::string& beginning) {
    return {name, [beginning](const fs::path& file) {
                std::string start(beginning.size(), ' ');
                std::ifstream in(file, std::ios::binary);
                in.read(start.data(), static_cast<std::streamsize>(start.size()));
                return in && start == beginning;
            }};
}

Kind csv_file(const std::string& columns) {
    return {"a table of this study", [columns = std::regex(columns)](const fs::path& file) {
                std::string line;
                std::ifstream in(file, std::ios::binary);
                return std::getline(in, line) && std::regex_match(line, columns);
            }};
}

Kind figure_file() { return {"a figure that normlab drew", io::is_figure}; }

CLI::Option* reads(CLI::Option* option, std::string (*path_of)(const std::string&)) {
    return remember(option, {.read = true, .path_of = path_of});
}

void add_force(CLI::App& verb) {
    if (!verb.get_option_no_throw("--force"))
        verb.add_flag("--force")
            ->description("replace files that are there, although normlab did not write them")
            ->disable_flag_override();  // --force=false is no --force
}

CLI::Option* writes(CLI::App& verb, CLI::Option* option, Kind kind, const std::string& with, Kind other) {
    add_force(verb);
    return remember(option, {.written = true, .kind = std::move(kind), .other = std::move(other), .with = with});
}

CLI::Option* updates(CLI::App& verb, CLI::Option* option) {
    add_force(verb);
    return remember(option, {.read = true, .written = true});
}

CLI::Option* fills(CLI::Option* option, const std::string& usual) {
    return remember(option, {.written = true, .folder = true, .usual = usual});
}

void require_replaceable(const std::string& flag, const fs::path& file, const Kind& kind, bool force) {
    std::error_code none;
    if (force || io::names_standard_output(file) || !fs::is_regular_file(file, none) ||
        fs::file_size(file, none) == 0 || kind.is_one(file))
        return;
    throw Error(
        fmt::format("{} {} is there and is not {}; a file that is not there is accepted, and with --force this one",
                    flag, file.string(), kind.name));
}

void check_files(const CLI::App& verb) {
    require_roles(verb);
    const std::vector<Named> all = named_in(verb);
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
            if (all[i].role->written || all[k].role->written) require_apart(all[k], all[i]);
    for (const Named& one : all)
        if (one.role->written) check_output(verb, one);
}

void free_standard_output(const CLI::App& verb) {
    for (const Named& one : named_in(verb))
        if (one.role->written && !one.role->folder && io::names_standard_output(one.text))
            return io::keep_standard_output();
}

// The option that gave what the message is about: an unknown word, or a path.
static const CLI::Option* option_behind(const CLI::App& verb, const std::string& text) {
    const auto stands_in = [&](const std::string& part) {
        const std::size_t at = text.find(part);
        return at != std::string::npos && (at == 0 || text[at - 1] == ' ' || text[at - 1] == '\'') &&
               (at + part.size() == text.size() || !std::isalnum(static_cast<unsigned char>(text[at + part.size()])));
    };
    for (const CLI::Option* option : verb.get_options())
        if (option->count() && !option->get_name().empty() && text.find(option->get_name()) != std::string::npos)
            return nullptr;  // it is said
    if (text.starts_with("unknown ") || text.starts_with("case '"))
        for (const CLI::Option* option : verb.get_options())
            for (const std::string& value : option->results())
                if (stands_in("'" + value + "'")) return option;
    for (const Named& one : named_in(verb))
        if (one.option->count() && stands_in(one.text)) return one.option;
    return nullptr;
}

void naming_the_flag(const CLI::App& verb, const std::function<void()>& run) {
    const auto name = [&](const std::string& text) {
        if (const CLI::Option* option = option_behind(verb, text))
            throw Error(fmt::format("{}: {}", option->get_name(), text));
    };
    try {
        run();
    } catch (const Error& e) {
        name(e.what());
        throw;
    } catch (const io::OutputError&) {
        throw;  // it names the file, and no word of the call is wrong
    } catch (const io::InputError& e) {
        name(e.what());
        throw;
    }
}

void when_called(CLI::App& verb, std::function<void()> run) {
    refuse_empty_arguments(verb);
    verb.callback([&verb, run = std::move(run)] {
        check_files(verb);
        free_standard_output(verb);
        naming_the_flag(verb, run);
    });
}

}  // namespace normlab::cli
