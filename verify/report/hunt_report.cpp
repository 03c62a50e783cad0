#include "verify/report/hunt_report.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "io/json.hpp"
#include "io/report_header.hpp"
#include "norms/names.hpp"
#include "verify/report/report.hpp"

namespace normlab::verify {

std::string hunt_text(const Hunt& h, const std::string& command) {
    std::string text = fmt::format("{:<11} {:<5} {:>8} {:>11}  worst found\n", "impl", "dtype", "cases", "error/bound");
    for (const Worst& p : h.worst)
        if (p.finding.quantity.empty())
            text += fmt::format("{:<11} {:<5} {:>8} {:>11}  no finding had an error above 0\n", p.test.implementation,
                                name_of(p.test.dtype), p.cases, 0);
        else
            text += fmt::format("{:<11} {:<5} {:>8} {:>11.3g}  {} {}: {:.3g} of {:.3g}\n  rerun: {}\n",
                                p.test.implementation, name_of(p.test.dtype), p.cases, p.finding.ratio(), p.test.check,
                                p.finding.quantity, p.finding.error, p.finding.bound, called(command, p.test.rerun()));
    if (!h.doubtful.empty()) text += "\n" + failures_text(h.doubtful, command);
    return text;
}

std::string hunt_json(const Hunt& h, std::uint64_t seed, double seconds, std::size_t not_run) {
    nlohmann::json worst = nlohmann::json::array(), doubtful = nlohmann::json::array();
    for (const Worst& p : h.worst)
        worst.push_back({{"impl", p.test.implementation},
                         {"dtype", name_of(p.test.dtype)},
                         {"cases", p.cases},
                         {"ratio", p.finding.ratio()},
                         {"case", p.test.text()}});
    for (const Outcome& o : h.doubtful) doubtful.push_back(o.test.text());
    nlohmann::json document{{"header", io::report_header("normlab soak")},
                            {"cases", h.cases},
                            {"held", h.held},
                            {"failed", h.failed},
                            {"unresolved", h.unresolved},
                            {"skipped", h.skipped},
                            {"seed", seed},
                            {"seconds", seconds},
                            {"worst", worst},
                            {"failed_or_unresolved", doubtful}};
    if (not_run) document["interrupted"] = true, document["not_run"] = not_run;
    return io::text_of(document);
}

}  // namespace normlab::verify
