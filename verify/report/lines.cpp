#include "verify/report/lines.hpp"

#include <fmt/format.h>

namespace normlab::verify {

std::string_view name_of(Verdict v) {
    constexpr std::string_view words[] = {"PASS", "FAIL", "UNRESOLVED", "SKIPPED", "ACCEPTED"};
    return words[static_cast<std::size_t>(v)];
}

std::string_view verdict_of(const Finding& f) { return f.not_judged ? "NOT JUDGED" : name_of(f.verdict); }

std::string called(const std::string& command, const std::string& line) {
    return command + line.substr(std::string_view("normlab").size());
}
std::string rerun_line(const Outcome& o, const std::string& command) { return called(command, o.rerun_line()); }

std::string quantity_of(const Finding& f) { return f.label.empty() ? f.quantity : f.label + ", " + f.quantity; }

std::string finding_line(const Outcome& o, const Finding& f) {
    const std::string check = o.test.check + (o.test.name.empty() ? "" : fmt::format(" [{}]", o.test.name));
    return fmt::format("{} {} {}: error {:.3g}, bound {:.3g}{}{}{}{}", verdict_of(f), o.name.empty() ? check : o.name,
                       quantity_of(f), f.error, f.bound, f.where.empty() ? "" : " at " + f.where,
                       f.note.empty() ? "" : "; " + f.note, f.not_judged ? "; the promise allows anything here" : "",
                       f.warning && f.verdict == Verdict::pass ? "; beyond the sqrt(l) warning" : "");
}

}  // namespace normlab::verify
