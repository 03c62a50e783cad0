#include "cli/options.hpp"

#include <charconv>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/commands.hpp"
#include "norms/names.hpp"
#include "system/shell.hpp"
#include "verify/case/case.hpp"

namespace normlab::cli {
void in_group(CLI::App& verb, const std::string& title, const std::string& example) {
    verb.option_defaults()->group(fmt::format("{}, as in `{} {}`", title, command_name(), example));
}

CLI::Option* add_list(CLI::App& verb, const std::string& flag, std::vector<std::string>& to, const std::string& help) {
    return verb.add_option(flag, to, help)->delimiter(',');
}

std::string dtype_words() { return kernel_dtype_names(); }

double parse_seconds(std::string_view flag, const std::string& text) {
    const double seconds = verify::parse_number(flag, text);
    if (!(seconds > 0 && seconds <= 86400))
        throw Error(fmt::format("{} {}; seconds, above 0 and up to 86400, are accepted", flag, text));
    return seconds;
}

std::function<int(std::string_view, const std::string&)> from_to(int low, int high) {
    return [=](std::string_view flag, const std::string& text) {
        int value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size() || value < low || value > high)
            throw Error(fmt::format("{} {}; a whole number from {} to {} is accepted", flag, system::shell_word(text),
                                    low, high));
        return value;
    };
}

int all_cores() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

CLI::Option* add_threads(CLI::App& verb, int& to) {
    return add_value(verb, "--threads", to, from_to(1, most_threads),
                     "threads (default: all cores); results do not depend on it");
}

void refuse_empty_arguments(CLI::App& verb) {
    for (CLI::Option* option : verb.get_options())
        option->check(
            [](const std::string& value) {
                return std::string(value.empty() ? "is empty; leave it out, or say what it is" : "");
            },
            "");
}

Flags given(const CLI::App& verb, const Flags& flags) {
    Flags found;
    std::ranges::copy_if(flags, std::back_inserter(found),
                         [&](const std::string& flag) { return verb.count(flag) > 0; });
    return found;
}

void accept_beside(const CLI::App& verb, const std::string& flag, const std::string& why, const Flags& accepted) {
    if (verb.count(flag) == 0) return;
    for (const CLI::Option* option : verb.get_options())
        if (const std::string name = option->get_name();
            option->count() && name != flag && name != "--force" && std::ranges::find(accepted, name) == accepted.end())
            throw Error(fmt::format("{} {}, {} does not go with it; accepted beside it: {}", flag, why, name,
                                    fmt::join(accepted, ", ")));
}

void require_with(const CLI::App& verb, const Flags& flags, const Flags& with, const std::string& else_) {
    const Flags found = given(verb, flags);
    if (found.empty() || !given(verb, with).empty()) return;
    throw Error(fmt::format("{} {} with {}{}", in_words(found), found.size() == 1 ? "goes" : "go", in_words(with, "or"),
                            else_));
}

void accept_one(const CLI::App& verb, const Flags& flags) {
    if (const Flags found = given(verb, flags); found.size() > 1)
        throw Error(fmt::format("{} were given together; one of them is accepted", in_words(found)));
}

}  // namespace normlab::cli
