#include "verify/report/html.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "verify/report/diagnosis.hpp"
#include "verify/report/html_parts.hpp"
#include "verify/report/svg.hpp"
#include "verify/report/xml.hpp"

namespace normlab::verify {
namespace {

constexpr std::size_t enough_bytes = 2'000'000, few_cases = 4, worst_a_check = 3;

std::string verdict_line(const Summary& s, const RunInfo& info) {
    const std::string lost =
        info.losses.empty() ? "" : plural(info.losses.size(), "finding") + " less accurate than before";
    if (info.not_run)
        return fmt::format("{}: {} not run; of the others {} failed",
                           info.interrupted ? "Interrupted" : "Stopped early", plural(info.not_run, "case"),
                           plural(s.failed, "finding"));
    if (s.failed) return plural(s.failed, "finding") + " failed" + (lost.empty() ? "" : ", " + lost);
    if (!lost.empty()) return lost;
    if (s.unresolved) return plural(s.unresolved, "finding") + " unresolved";
    if (s.accepted) return "Everything held but " + plural(s.accepted, "known finding");
    return "Everything held";
}

// Verdict, proportions, numbers, what was called.
std::string header(Page& page, const Summary& s) {
    const bool bad = s.failed || page.info.not_run || !page.info.losses.empty();
    std::string text = fmt::format("<header class=\"{}\">\n<p class=\"eyebrow\">normlab verify</p>\n<h1>{} {}</h1>\n",
                                   bad            ? "fail"
                                   : s.unresolved ? "unresolved"
                                                  : "pass",
                                   bad            ? "✗"
                                   : s.unresolved ? "?"
                                                  : "✓",
                                   verdict_line(s, page.info));
    const std::vector<std::tuple<std::string_view, std::string_view, std::size_t>> parts{
        {"held", "pass", s.held},
        {"failed", "fail", s.failed},
        {"unresolved", "unresolved", s.unresolved},
        {"skipped", "skipped", s.skipped},
        {"not judged", "skipped", s.not_judged},
        {"accepted", "skipped", s.accepted}};
    text += "<div class=\"proportions\" aria-hidden=\"true\">";
    for (const auto& [name, css, n] : parts)
        if (n) text += fmt::format("<i class=\"{}\" style=\"flex-grow:{}\"></i>", css, n);
    text += "</div>\n<dl class=\"numbers\">";
    for (const auto& [name, css, n] : parts)
        text += fmt::format("<div class=\"{}{}\"><dt>{}</dt><dd>{}</dd></div>", css, n ? "" : " zero", name, n);
    text += fmt::format("<div><dt>beyond √l</dt><dd>{}</dd></div>", s.warnings);
    Measured worst;
    for (const Outcome& o : page.outcomes)
        if (const Measured m = worst_of(o); worse(worst, m)) worst = m;
    if (worst.finding)
        text += fmt::format("<div><dt>worst error/bound</dt><dd><a href=\"{}\">{}</a></dd></div>",
                            page.link(*worst.outcome), short_number(worst.finding->ratio()));
    text += fmt::format("<div><dt>seconds</dt><dd>{:.1f}</dd></div></dl>\n", page.info.seconds);
    if (!page.info.call.empty())
        text += fmt::format("<p class=\"call\"><code>{}</code></p>\n", xml_text(page.info.call));
    text += "<ul class=\"implementations\">";
    for (const Implementation* i : implementations())
        if (std::ranges::find(page.implementations, i->name()) != page.implementations.end())
            text += fmt::format("<li><b>{}</b> {}</li>", xml_text(i->name()), xml_text(i->description()));
    return text + "</ul>\n</header>\n";
}

// Cases in a list, as many as the page has room for.
std::string case_list(Page& page, const std::vector<Measured>& cases) {
    std::string list;
    std::size_t shown = 0;
    for (; shown < cases.size() && page.bytes() + list.size() < enough_bytes; ++shown)
        list += case_line(page, cases[shown]);
    if (list.empty()) return {};
    list = "<ol class=\"cases\">\n" + list + "</ol>\n";
    const std::size_t left = cases.size() - shown;
    if (left)
        list += fmt::format("<p class=\"more\">{} not shown; --json and --junit have them all.</p>\n",
                            plural(left, "further case"));
    return list;
}

std::string problems_section(Page& page) {
    std::vector<Measured> failed, unresolved;
    for (const Outcome& o : page.outcomes) {
        const Measured m = worst_of(o);
        if (m.finding && m.finding->verdict == Verdict::fail) failed.push_back(m);
        if (m.finding && m.finding->verdict == Verdict::unresolved) unresolved.push_back(m);
    }
    std::string losses;
    for (std::size_t i = 0; i < page.info.losses.size() && losses.size() < enough_bytes / 10; ++i)
        losses += fmt::format("<li>{}</li>\n", xml_text(page.info.losses[i]));
    std::string text = section("failed", "What failed", "", case_list(page, failed));
    text += section("losses", "What got less accurate", "",
                    losses.empty() ? "" : "<ul class=\"losses\">\n" + losses + "</ul>\n");
    return text + section("unresolved", "What nobody can tell",
                          "No oracle sees these quantities at this signal. They never count as held.",
                          case_list(page, unresolved));
}

// The worst few of every check and implementation that held, and all beyond the sqrt(l) warning.
std::string worst_section(Page& page) {
    std::vector<Measured> warned, chosen;
    for (const Outcome& o : page.outcomes)
        for (const Finding& f : o.findings)
            if (f.warning && worst_of(o).finding->verdict == Verdict::pass) {
                warned.push_back({&o, &f});
                break;
            }
    for (const CheckRow& row : page.rows) {
        std::vector<Measured> held;
        for (const Outcome* o : row.outcomes)
            if (const Measured m = worst_of(*o);
                m.finding && m.finding->verdict == Verdict::pass && m.finding->ratio() > 0)
                held.push_back(m);
        std::ranges::stable_sort(held, [](const Measured& a, const Measured& b) { return worse(b, a); });
        held.resize(std::min(held.size(), worst_a_check));
        chosen.insert(chosen.end(), held.begin(), held.end());
    }
    std::ranges::stable_sort(chosen, [](const Measured& a, const Measured& b) { return worse(b, a); });
    const std::string nearest =
        fmt::format("The {} nearest to their bound of every check and implementation.", worst_a_check);
    return section("worst", "Worst cases that held", nearest, case_list(page, chosen)) +
           section("warned", "Beyond the √l warning",
                   "Within the hard bound, but beyond what roundings that cancel at random leave: worth a look, no "
                   "failure.",
                   case_list(page, warned));
}

std::string skipped_section(const Page& page) {
    std::string list;
    for (const std::string& line : skipped_lines(page.outcomes)) list += fmt::format("<li>{}</li>\n", xml_text(line));
    return section("skipped", "Skipped", "", list.empty() ? "" : "<ul class=\"losses\">\n" + list + "</ul>\n");
}

}  // namespace

std::string html_text(const std::vector<Outcome>& outcomes, const RunInfo& info) {
    const Summary summary = summarize(outcomes);
    Page page(outcomes, info);
    const bool few = outcomes.size() <= few_cases;
    std::string figures;
    const std::string top = header(page, summary), diagnosis = diagnosis_section(page);
    figures += kappa_section(page) + strip_section(page, true) + strip_section(page, false) + invariance_section(page) +
               matrix_section(page);
    if (few)
        for (const Outcome& o : outcomes) page.link(o);  // shown in full instead of listed
    const std::string problems = few ? "" : problems_section(page),
                      worst = few ? "" : worst_section(page) + skipped_section(page);
    std::string details = section("cases", few ? "The cases" : "Cases in detail", "", page.details());
    const std::string sections =
        diagnosis + accuracy_section(page) + (few ? details + figures : problems + figures + worst + details);
    const std::string body = top + contents(sections) + sections;
    return fmt::format(
        "{}"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" "
        "content=\"light dark\">\n"
        "<title>normlab verify: "
        "{}</title>\n<style>{}</style>\n</head>\n<body{}>\n<main>\n{}</main>\n<script>{}</script>\n</body>\n</html>\n",
        html_beginning, verdict_line(summary, info), page_style, few ? " class=\"few\"" : "", body, page_script);
}

}  // namespace normlab::verify
