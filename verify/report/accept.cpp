#include "verify/report/accept.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <sstream>

#include <fmt/format.h>

#include "io/error.hpp"
#include "io/input_file.hpp"
#include "verify/report/baseline.hpp"
#include "verify/report/lines.hpp"

namespace normlab::verify {
namespace {

constexpr std::string_view between = " | ", accepted_line = "CASE | QUANTITY | FAIL ERROR";

struct AcceptLine {
    std::string test, quantity, comment;  // no case: the line is a comment
    Known known;
};

std::string trimmed(const std::string& text) {
    const std::size_t first = text.find_first_not_of(" \t\r");
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

// A user's check may call a quantity anything.
std::string on_a_line(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
    return trimmed(text);
}
std::string name_on_a_line(const Finding& f) { return on_a_line(quantity_of(f)); }

// As normlab writes it, so that the order of its settings is of no account. The name of an outside vector is no case.
std::string case_on_a_line(const std::string& text) {
    const std::size_t data = text.find(" data=");
    const std::string test = text.substr(0, data);
    if (test.find(" check=") == std::string::npos) return text;
    return parse_case(test).text() + (data == std::string::npos ? "" : text.substr(data));
}

AcceptLine parsed(const std::string& line) {
    AcceptLine l;
    const std::size_t hash = line.starts_with('#') ? 0 : line.find(" #");
    if (hash != std::string::npos) l.comment = trimmed(line.substr(hash));
    const std::string text = trimmed(line.substr(0, hash));
    if (text.empty()) return l;
    const std::size_t first = text.find(between), last = text.rfind(between);
    if (first == std::string::npos || first == last)
        throw Error(fmt::format("{} is no known finding; {} is accepted", io::in_quotes(text), accepted_line));
    l.test = case_on_a_line(trimmed(text.substr(0, first)));
    l.quantity = on_a_line(text.substr(first + between.size(), last - first - between.size()));
    std::istringstream words(text.substr(last + between.size()));
    std::string verdict, error, more;
    words >> verdict >> error;
    char* end = nullptr;
    l.known.error = std::strtod(error.c_str(), &end);
    if (error.empty() || *end || words >> more ||
        (verdict != name_of(Verdict::fail) && verdict != name_of(Verdict::unresolved)))
        throw Error(fmt::format("{}: FAIL or UNRESOLVED and an error are accepted, such as FAIL 1.71e-05",
                                io::in_quotes(text.substr(last + between.size()))));
    l.known.verdict = verdict == name_of(Verdict::fail) ? Verdict::fail : Verdict::unresolved;
    return l;
}

std::vector<AcceptLine> accept_lines(const std::filesystem::path& path) {
    constexpr std::uint64_t most = 1 << 26;
    io::InputFile file(path);
    const std::uint64_t size = file.left().value_or(0);
    if (size > most) io::refuse(path, fmt::format("{} bytes; a file of up to 64 MiB is accepted", size));
    std::string text(size, ' ');
    text.resize(file.read(std::as_writable_bytes(std::span(text))));
    std::istringstream in(text);
    std::vector<AcceptLine> lines;
    std::map<std::pair<std::string, std::string>, std::size_t> seen;
    for (std::string line; std::getline(in, line);) {
        const std::size_t number = lines.size() + 1;
        try {
            lines.push_back(parsed(line));
        } catch (const Error& e) {
            throw io::InputError(fmt::format("{} line {}: {}", path.string(), number, on_a_line(e.what())));
        }
        lines.back().known.line = number;
        if (lines.back().test.empty()) continue;
        const auto [at, added] = seen.try_emplace({lines.back().test, lines.back().quantity}, number);
        if (!added)
            throw io::InputError(fmt::format("{} line {}: the same finding as line {}; one of them is accepted",
                                             path.string(), number, at->second));
    }
    return lines;
}

std::string text_of(const std::string& test, const std::string& quantity, const Known& known,
                    const std::string& comment) {
    return fmt::format("{} | {} | {} {:.3g}{}{}\n", test, quantity, name_of(known.verdict), known.error,
                       comment.empty() ? "" : "   ", comment);
}

// Whatever was wrong with it, and whether or not it is accepted.
bool does_not_hold(const Finding& f) {
    return f.verdict == Verdict::fail || f.verdict == Verdict::unresolved || f.verdict == Verdict::accepted;
}

}  // namespace

KnownFindings known_findings(const std::vector<Outcome>& outcomes) {
    KnownFindings known;
    for (const Outcome& o : outcomes) {
        if (!o.skipped.empty()) continue;
        std::map<std::string, Known>& of_case = known[case_key(o)];
        for (const Finding& f : o.findings) {
            if (f.verdict != Verdict::fail && f.verdict != Verdict::unresolved) continue;
            const auto [at, added] = of_case.try_emplace(name_on_a_line(f), Known{f.verdict, f.error});
            Known& k = at->second;
            if (added) continue;  // several of one name: the worst
            if (k.verdict == f.verdict && !(k.error >= f.error)) k.error = f.error;
            if (k.verdict != Verdict::fail && f.verdict == Verdict::fail) k = {f.verdict, f.error};
        }
    }
    return known;
}

Accepted::Accepted(std::filesystem::path path) : path_(std::move(path)) {
    for (const AcceptLine& l : accept_lines(path_))
        if (!l.test.empty()) known_[l.test][l.quantity] = l.known;
}

void Accepted::apply(Outcome& outcome) const {
    const auto lines = known_.find(case_key(outcome));
    if (lines == known_.end()) return;
    for (Finding& f : outcome.findings) {
        const auto at = lines->second.find(name_on_a_line(f));
        if (at == lines->second.end() || (f.verdict != Verdict::fail && f.verdict != Verdict::unresolved)) continue;
        const Known& known = at->second;
        const bool worse = is_worse(f.error, known.error, f.rounding > 0 ? f.rounding : f.bound / 8);
        if (f.verdict == known.verdict && !worse) f.verdict = Verdict::accepted;
        else
            f.note += fmt::format("{}{} line {} accepts {} {:.3g}", f.note.empty() ? "" : "; ", path_.string(),
                                  known.line, name_of(known.verdict), known.error);
    }
}

std::vector<std::string> Accepted::stale(const std::vector<Outcome>& outcomes) const {
    std::map<std::string, std::set<std::string>> doubtful;
    for (const Outcome& o : outcomes) {
        if (!o.skipped.empty()) continue;
        std::set<std::string>& names = doubtful[case_key(o)];
        for (const Finding& f : o.findings)
            if (does_not_hold(f)) names.insert(name_on_a_line(f));
    }
    std::map<std::size_t, std::string> by_line;
    for (const auto& [test, lines] : known_) {
        const auto ran = doubtful.find(test);
        if (ran == doubtful.end()) continue;
        for (const auto& [quantity, known] : lines)
            if (!ran->second.contains(quantity))
                by_line[known.line] =
                    fmt::format("{} line {}: {} | {} holds now", path_.string(), known.line, test, quantity);
    }
    std::vector<std::string> sentences;
    for (const auto& [line, sentence] : by_line) sentences.push_back(sentence);
    return sentences;
}

std::string Accepted::text(const std::vector<Outcome>& outcomes) const {
    std::set<std::string> ran;
    std::set<std::pair<std::string, std::string>> accepted;
    for (const Outcome& o : outcomes) {
        if (!o.skipped.empty()) continue;
        const std::string test = case_key(o);
        ran.insert(test);
        for (const Finding& f : o.findings)
            if (f.verdict == Verdict::accepted) accepted.emplace(test, name_on_a_line(f));
    }
    std::size_t all = 0, did_not_run = 0;
    for (const auto& [test, lines] : known_) all += lines.size(), did_not_run += ran.contains(test) ? 0 : lines.size();
    const std::vector<std::string> old = stale(outcomes);
    std::string text;
    for (const std::string& sentence : old) text += fmt::format("stale: {}\n", sentence);
    return text + fmt::format("{}: {} known, {} accepted, {} changed, {} stale, {} of cases that did not run\n",
                              path_.string(), all, accepted.size(), all - did_not_run - accepted.size() - old.size(),
                              old.size(), did_not_run);
}

std::string accept_text(const std::filesystem::path& path, const KnownFindings& run) {
    KnownFindings left = run;
    std::string text;
    if (!std::filesystem::exists(path))
        text = "# known findings: normlab verify --accept lets them pass until they change\n";
    else
        for (const AcceptLine& l : accept_lines(path)) {
            const auto ran = left.find(l.test);
            if (l.test.empty()) text += l.comment + "\n";
            else if (ran == left.end()) text += text_of(l.test, l.quantity, l.known, l.comment);
            else if (const auto found = ran->second.extract(l.quantity); !found.empty())
                text += text_of(l.test, l.quantity, found.mapped(), l.comment);
        }
    for (const auto& [test, findings] : left)
        for (const auto& [quantity, known] : findings) text += text_of(test, quantity, known, "");
    return text;
}

}  // namespace normlab::verify
