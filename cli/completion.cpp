// Scripts by which bash, zsh and fish complete verbs, options and their words.
#include <algorithm>
#include <array>
#include <functional>
#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/describe.hpp"
#include "norms/names.hpp"

namespace normlab::cli {
namespace {

using Walk = std::function<void(const std::string& path, const CommandPage&)>;

// The command and all below it; the path is "normlab study noise".
void walk(const CommandPage& c, const std::string& path, const Walk& visit) {
    visit(path, c);
    for (const CommandPage& command : c.commands) walk(command, path + " " + command.name, visit);
}

std::vector<std::string> flags_of(const CommandPage& c) {
    std::vector<std::string> flags;
    for (const OptionPage& o : c.options)
        if (!o.positional()) flags.push_back(o.name());
    return flags;
}

// Its verbs, and the words of its positional arguments; for help the program's verbs.
std::vector<std::string> words_of(const CommandPage& c, const CommandPage& program) {
    std::vector<std::string> words;
    for (const CommandPage& command : (c.name == "help" ? program : c).commands) words.push_back(command.name);
    for (const OptionPage& o : c.options)
        if (o.positional()) words.insert(words.end(), o.words.begin(), o.words.end());
    return words;
}

std::string first_line(const std::string& help) { return help.substr(0, help.find('\n')); }

std::string with_backslashes(const std::string& text, std::string_view special) {
    std::string result;
    for (const char c : text) result += (special.find(c) == std::string_view::npos ? "" : "\\") + std::string(1, c);
    return result;
}

// In single quotes, as bash and zsh read them.
std::string shell_quoted(const std::string& text) {
    std::string word = "'";
    for (const char c : text) word += c == '\'' ? "'\\''" : std::string(1, c);
    return word + "'";
}

// An option of one name has the same words in all verbs.
std::string bash_values(const CommandPage& program) {
    std::map<std::string, const OptionPage*> values;
    walk(program, program.name, [&](const std::string&, const CommandPage& c) {
        for (const OptionPage& o : c.options)
            if (!o.positional() && !o.value.empty()) values.emplace(o.name(), &o);
    });
    std::string text;
    std::vector<std::string> files, others;
    for (const auto& [name, o] : values)
        if (!o->words.empty())
            text +=
                fmt::format("    {}) words=\"{}\" list={} ;;\n", name, fmt::join(o->words, " "), o->list ? "1" : "");
        else (o->value == "FILE" || o->value == "FOLDER" ? files : others).push_back(name);
    if (!files.empty()) text += fmt::format("    {}) return ;;  # names of files\n", fmt::join(files, " | "));
    if (!others.empty())
        text += fmt::format("    {}) compopt +o default 2>/dev/null; return ;;\n", fmt::join(others, " | "));
    return text;
}

std::string bash_script(const CommandPage& program) {
    std::vector<std::string> paths;
    std::string tables;
    walk(program, program.name, [&](const std::string& path, const CommandPage& c) {
        if (path != program.name) paths.push_back(shell_quoted(path));
        tables += fmt::format("    {}) flags=\"{}\" commands=\"{}\" ;;\n", shell_quoted(path),
                              fmt::join(flags_of(c), " "), fmt::join(words_of(c, program), " "));
    });
    return fmt::format(R"(# bash completion for normlab, made by: normlab completion bash
_normlab() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
  local path=normlab flags= commands= words= list= before= word
  # --tier=smoke is three words to bash
  if [[ $cur == "=" ]]; then cur=
  elif [[ $prev == "=" && $COMP_CWORD -gt 2 ]]; then prev=${{COMP_WORDS[COMP_CWORD-2]}}; fi
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$path $word" in
    {}) path="$path $word" ;;
    esac
  done
  COMPREPLY=()
  case $prev in
{}  esac
  case $path in
{}  esac
  if [[ -n $words ]]; then
    [[ -z $list || $cur != *,* ]] || before=${{cur%,*}},
    COMPREPLY=($(compgen -P "$before" -W "$words" -- "${{cur##*,}}"))
  elif [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  else
    COMPREPLY=($(compgen -W "$commands" -- "$cur"))
  fi
}}
complete -o default -F _normlab normlab
)",
                       fmt::join(paths, " | "), bash_values(program), tables);
}

std::string zsh_function(const std::string& path) {
    std::string name = "_" + path;
    std::ranges::replace(name, ' ', '_');
    return name;
}

std::string zsh_option(const OptionPage& o) {
    const std::string help = with_backslashes(first_line(o.help), "[]:\\");
    std::string value;
    if (!o.value.empty()) {
        value = fmt::format(":{}:", o.value);
        if (!o.words.empty())
            value += o.list ? fmt::format("_values -s , {} {}", o.value, fmt::join(o.words, " "))
                            : fmt::format("({})", fmt::join(o.words, " "));
        else if (o.value == "FILE" || o.value == "FOLDER") value += o.value == "FILE" ? "_files" : "_files -/";
        else value += " ";
    }
    return shell_quoted(fmt::format("*{}{}[{}]{}", o.name(), o.value.empty() ? "" : "=", help, value));
}

std::string zsh_script(const CommandPage& program) {
    std::string text = "#compdef normlab\n# zsh completion for normlab, made by: normlab completion zsh\n";
    walk(program, program.name, [&](const std::string& path, const CommandPage& c) {
        std::string options, described, calls;
        for (const OptionPage& o : c.options)
            if (!o.positional()) options += " \\\n    " + zsh_option(o);
            else if (!o.words.empty())
                options += " \\\n    " + shell_quoted(fmt::format("1:{}:({})", o.names, fmt::join(o.words, " ")));
            else if (c.name == "help")
                options += " \\\n    " + shell_quoted(fmt::format("*:verb:({})", fmt::join(words_of(c, program), " ")));
            else options += " \\\n    '*:" + o.names + ":_files'";
        for (const CommandPage& command : c.commands) {
            described += fmt::format(
                "      {}\n", shell_quoted(with_backslashes(command.name, ":") + ":" + first_line(command.help)));
            calls += fmt::format("      {}) {} ;;\n", command.name, zsh_function(path + " " + command.name));
        }
        if (c.commands.empty()) text += fmt::format("{}() {{\n  _arguments{}\n}}\n", zsh_function(path), options);
        else
            text += fmt::format(
                "{}() {{\n  local curcontext=$curcontext state line\n  local -a commands\n  _arguments -C{} \\\n    "
                "'1: "
                ":->command' '*:: :->rest'\n  case $state in\n    command)\n      commands=(\n{}      )\n      "
                "_describe "
                "command commands ;;\n    rest) case $line[1] in\n{}      esac ;;\n  esac\n}}\n",
                zsh_function(path), options, described, calls);
    });
    return text + "if [[ $funcstack[1] == _normlab ]]; then _normlab \"$@\"; else compdef _normlab normlab; fi\n";
}

std::string fish_quoted(const std::string& text) { return "'" + with_backslashes(text, "\\'") + "'"; }

std::string fish_option(const OptionPage& o, const std::string& condition) {
    std::string value;
    if (o.value == "FILE" || o.value == "FOLDER") value = " -r -F";
    else if (!o.words.empty() && o.list)
        value = " -x -a " + fish_quoted(fmt::format("(__fish_append , {})", fmt::join(o.words, " ")));
    else if (!o.words.empty()) value = " -x -a " + fish_quoted(fmt::format("{}", fmt::join(o.words, " ")));
    else if (!o.value.empty()) value = " -x";
    return fmt::format("complete -c normlab -n {} -l {}{} -d {}\n", fish_quoted(condition), o.name().substr(2), value,
                       fish_quoted(first_line(o.help)));
}

std::string fish_script(const CommandPage& program) {
    std::string text = "# fish completion for normlab, made by: normlab completion fish\ncomplete -c normlab -f\n";
    walk(program, program.name, [&](const std::string& path, const CommandPage& c) {
        const bool top = path == program.name;
        const std::string here = top ? "__fish_use_subcommand" : "__fish_seen_subcommand_from " + c.name;
        const std::vector<std::string> words = words_of(c, program);
        std::string open = here;  // none of its own verbs is there yet
        if (!top && !c.commands.empty())
            open += fmt::format("; and not __fish_seen_subcommand_from {}", fmt::join(words, " "));
        for (const CommandPage& command : c.commands)
            text += fmt::format("complete -c normlab -n {} -a {} -d {}\n", fish_quoted(open), command.name,
                                fish_quoted(first_line(command.help)));
        if (c.commands.empty() && !words.empty())
            text += fmt::format("complete -c normlab -n {} -a {}\n", fish_quoted(here),
                                fish_quoted(fmt::format("{}", fmt::join(words, " "))));
        for (const OptionPage& o : c.options)
            if (!o.positional()) text += fish_option(o, here);
    });
    return text;
}

}  // namespace

std::string completion_script(const CommandPage& program, const std::string& shell) {
    constexpr std::array<std::string_view, 3> shells{"bash", "zsh", "fish"};
    if (shell == shells[0]) return bash_script(program);
    if (shell == shells[1]) return zsh_script(program);
    if (shell == shells[2]) return fish_script(program);
    throw Error(unknown("shell", shell, shells));
}

}  // namespace normlab::cli
