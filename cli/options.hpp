#pragma once
// Options of a verb: values of their type, and which go together. Whatever is wrong with one is an Error that names the
// value and what is accepted.

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "norms/tensor.hpp"

namespace normlab::cli {

/// Calls it; an Error that does not name the flag is thrown again with it.
template <class F>
void naming(const std::string& flag, F&& f) {
    try {
        f();
    } catch (const Error& e) {
        const std::string text = e.what();
        throw Error(text.find(flag) == std::string::npos ? flag + ": " + text : text);
    }
}

/// The options that follow are a group of --help, under a title and an example: what comes after the program's name.
void in_group(CLI::App& verb, const std::string& title, const std::string& example);

/// A list of words, comma separated.
CLI::Option* add_list(CLI::App& verb, const std::string& flag, std::vector<std::string>& to, const std::string& help);

/// The same, each parsed by `parse(word)` and kept once; it throws for what is not accepted.
template <class T, class Parse>
CLI::Option* add_list(CLI::App& verb, const std::string& flag, std::vector<T>& to, Parse parse,
                      const std::string& help) {
    const auto take = [&to, parse, flag](const std::vector<std::string>& words) {
        to.clear();
        for (const std::string& word : words)
            naming(flag, [&] {
                if (const T value = parse(word); std::ranges::find(to, value) == to.end()) to.push_back(value);
            });
    };
    return verb.add_option_function<std::vector<std::string>>(flag, take, help)->delimiter(',');
}

/// A word parsed by `parse(flag, word)`. `to` may be optional: then it tells whether it was given.
template <class T, class Parse>
CLI::Option* add_value(CLI::App& verb, const std::string& flag, T& to, Parse parse, const std::string& help) {
    return verb.add_option_function<std::string>(
        flag, [&to, flag, parse](const std::string& word) { naming(flag, [&] { to = parse(flag, word); }); }, help);
}

/// "f64, f32, bf16, f16": what --dtype accepts.
std::string dtype_words();

/// Seconds, above 0 and up to a day.
double parse_seconds(std::string_view flag, const std::string& text);

/// A parser of whole numbers in this range.
std::function<int(std::string_view flag, const std::string& text)> from_to(int low, int high);

inline constexpr int most_threads = 1024;

/// One a core.
int all_cores();

/// --threads: 1 to 1024.
CLI::Option* add_threads(CLI::App& verb, int& to);

/// An empty argument is most often a shell variable that is not set; it is no absent option.
void refuse_empty_arguments(CLI::App& verb);

using Flags = std::vector<std::string>;

/// Which of them were given.
Flags given(const CLI::App& verb, const Flags& flags);

/// With `flag`, which `why`, these alone are accepted.
void accept_beside(const CLI::App& verb, const std::string& flag, const std::string& why, const Flags& accepted);

/// These are accepted with one of `with` alone; `else_` is added to the message.
void require_with(const CLI::App& verb, const Flags& flags, const Flags& with, const std::string& else_ = "");

/// One of them at most.
void accept_one(const CLI::App& verb, const Flags& flags);

}  // namespace normlab::cli
