#include "verify/report/baseline.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "io/error.hpp"
#include "io/json.hpp"
#include "verify/report/digest.hpp"
#include "verify/report/report.hpp"

namespace normlab::verify {
namespace {

std::string case_key(const std::string& text, const std::string& data) {
    return data.empty() ? text : text + " data=" + data;
}
std::string finding_key(const std::string& label, const std::string& quantity) { return label + '\n' + quantity; }

// "n=0 c=1 s=2: 0.5, truth 0.6" -> "n=0 c=1 s=2"
std::string element_of(const std::string& where) { return where.substr(0, where.find(':')); }

}  // namespace

bool is_worse(double error, double before, double rounding) {
    return error > 2 * before + rounding || (std::isnan(error) && !std::isnan(before));
}

std::string case_key(const Outcome& o) { return case_key(o.title(), o.test.data ? digest(*o.test.data) : ""); }

Baseline::Baseline(std::filesystem::path path) : path_(std::move(path)) {
    using nlohmann::json;
    const std::string accepted = "a file that normlab verify --json wrote is accepted";
    const json document = io::read_json(path_, accepted);
    if (!document.is_object() || !document.contains("findings") || !document["findings"].is_array())
        io::refuse(path_, fmt::format("has no list of findings; {}", accepted));
    std::size_t index = 0;
    for (const json& entry : document["findings"]) {
        const auto word = [&](const char* key, bool required) {
            const auto at = entry.is_object() ? entry.find(key) : entry.end();
            if (entry.is_object() && at != entry.end() && at->is_string()) return at->get<std::string>();
            if (required) io::refuse(path_, fmt::format("findings[{}] has no text '{}'; {}", index, key, accepted));
            return std::string();
        };
        const auto number = [&](const char* key) {  // JSON has no inf and nan: they are written as text
            const auto at = entry.find(key);
            if (at != entry.end() && at->is_number()) return at->get<double>();
            const std::string text = at != entry.end() && at->is_string() ? at->get<std::string>() : "";
            if (text == "inf") return std::numeric_limits<double>::infinity();
            if (text != "nan" && text != "-nan")
                io::refuse(path_, fmt::format("findings[{}] has no number '{}'; {}", index, key, accepted));
            return std::numeric_limits<double>::quiet_NaN();
        };
        const std::string test = word("case", true), verdict = word("verdict", true);
        if (verdict != name_of(Verdict::skipped) && verdict != name_of(Verdict::unresolved))
            cases_[case_key(test, word("data", false))][finding_key(word("label", false), word("quantity", true))] = {
                number("error"), number("bound"), verdict == name_of(Verdict::pass), element_of(word("where", false))};
        ++index;
    }
}

void Baseline::require_overlap(const std::vector<Case>& cases) const {
    if (!std::ranges::any_of(
            cases, [&](const Case& c) { return cases_.contains(case_key(c.text(), c.data ? digest(*c.data) : "")); }))
        io::refuse(path_,
                   "has no finding of any case of this run; a file of the same selection, seed and data is accepted");
}

BaselineResult Baseline::compare(const std::vector<Outcome>& outcomes) const {
    BaselineResult result;
    for (const Outcome& o : outcomes) {
        const auto old_case = cases_.find(case_key(o));
        if (old_case == cases_.end()) continue;
        for (const Finding& f : o.findings) {
            const auto at = old_case->second.find(finding_key(f.label, f.quantity));
            if (at == old_case->second.end() || f.verdict == Verdict::unresolved) continue;
            const Old& old = at->second;
            const bool same = old.element == element_of(f.where) || !(f.bound > 0 && old.bound > 0);
            const double before = same ? old.error : Finding::ratio(old.error, old.bound) * f.bound;
            const double rounding = f.rounding > 0 ? f.rounding : f.bound / 8;
            ++result.compared;
            const bool holds = f.verdict == Verdict::pass;
            if (holds != old.held) (holds ? result.holding : result.failing).push_back({&o, &f, old.error});
            if (is_worse(f.error, before, rounding)) result.losses.push_back({&o, &f, old.error});
            else result.better += is_worse(before, f.error, rounding);
        }
    }
    return result;
}

std::string Baseline::loss_line(const Loss& loss) const {
    const Finding& f = *loss.finding;
    return fmt::format("accuracy got worse since {}: {}, {}: error {:.3g} -> {:.3g}, bound {:.3g}{}", path_.string(),
                       loss.outcome->title(), quantity_of(f), loss.then, f.error, f.bound,
                       f.where.empty() ? "" : " at " + f.where);
}

std::string Baseline::change_line(const Loss& change) const {
    const Finding& f = *change.finding;
    return fmt::format("{} since {}: {}, {}: error {:.3g} -> {:.3g}, bound {:.3g}{}",
                       f.verdict == Verdict::pass ? "holds" : "fails", path_.string(), change.outcome->title(),
                       quantity_of(f), change.then, f.error, f.bound, f.where.empty() ? "" : " at " + f.where);
}

std::string Baseline::text(const BaselineResult& result, const std::string& command) const {
    std::string text;
    for (const Loss& loss : result.losses)
        text += fmt::format("{}\n  rerun: {}\n", loss_line(loss), rerun_line(*loss.outcome, command));
    return text + fmt::format("baseline {}: {} compared, {} worse, {} better\n", path_.string(), result.compared,
                              result.losses.size(), result.better);
}

}  // namespace normlab::verify
