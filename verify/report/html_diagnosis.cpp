// The top of the page: where things are, and what is wrong, by cause.

#include <fmt/format.h>

#include "norms/names.hpp"
#include "verify/report/accuracy_class.hpp"
#include "verify/report/diagnosis.hpp"
#include "verify/report/html_parts.hpp"
#include "verify/report/xml.hpp"

namespace normlab::verify {

std::string diagnosis_section(Page& page) {
    std::string list;
    for (const Cause& c : diagnose(page.outcomes)) {
        const Outcome& o = *c.example.outcome;
        list += fmt::format("<li><span class=\"badge {}\">{} {}</span> <b>{}</b> {}\n<p>{}{}</p>\n", css_of(c.verdict),
                            c.verdict == Verdict::fail ? "✗" : "?", name_of(c.verdict), xml_text(c.title),
                            xml_text(c.implementation), xml_text(c.counts()),
                            c.common.empty() ? "" : "<br>" + xml_text(c.common));
        list += fmt::format("<p>First: <a href=\"{}\">{}</a></p>\n{}", page.link(o),
                            xml_text(finding_line(o, *c.example.finding)), rerun_box(rerun_line(o, page.info.command)));
        if (const std::string again = c.again(); !again.empty())
            list += fmt::format("<p>Again: {}</p>\n", xml_text(again));
        if (!o.smaller.empty()) list += "<p>Smaller:</p>\n" + rerun_box(called(page.info.command, o.smaller));
        list += "</li>\n";
    }
    return section(
        "diagnosis", "Diagnosis",
        "Findings that do not hold, by what they have in common: the known fault that gives just these values, "
        "or else the quantity that is wrong; and which cases show it.",
        list.empty() ? "" : "<ol class=\"causes\">\n" + list + "</ol>\n");
}

std::string accuracy_section(const Page& page) {
    std::string rows;
    for (const AccuracyClass& c : joined(accuracy_classes(page.outcomes))) {
        rows += fmt::format("<tr><th scope=\"row\">{} {}</th><td>{}</td>", xml_text(c.implementation), name_of(c.dtype),
                            c.name());
        for (const double kappa : {1., 1e2, 1e3, 1e4, 1e6}) {
            const std::optional<int> decimals = c.decimals(kappa);
            rows += fmt::format("<td>{}</td>", decimals ? std::to_string(*decimals) : "–");
        }
        rows += fmt::format("<td>{}</td><td class=\"names\">{}</td></tr>\n", c.not_judged, xml_text(c.variant));
    }
    if (rows.empty()) return {};
    return section(
        "accuracy-class", "Accuracy class",
        fmt::format("How many decimals of y are right for all data up to a κ: {}. Flat: no error grows with κ. "
                    "Slope 1: the mean is rounded. Slope 2: a one-pass variance. Not judged: findings whose "
                    "bound is larger than the result, so that the promise allows anything.",
                    accuracy_meaning),
        "<div class=\"scroll\"><table class=\"classes\"><thead><tr><td></td><th>class</th><th>κ = 1</th>"
        "<th>10²</th><th>10³</th><th>10⁴</th><th>10⁶</th><th>not judged</th><th>variants</th></tr></thead>\n"
        "<tbody>\n" +
            rows + "</tbody></table></div>\n");
}

std::string contents(const std::string& body) {
    std::string list;
    constexpr std::string_view begin = "<section id=\"", heading = "\">\n<h2>", end = "</h2>";
    for (std::size_t at = body.find(begin); at != std::string::npos; at = body.find(begin, at + 1)) {
        const std::size_t id = at + begin.size(), title = body.find(heading, id), after = body.find(end, title);
        list += fmt::format("<li><a href=\"#{}\">{}</a></li>", body.substr(id, title - id),
                            body.substr(title + heading.size(), after - title - heading.size()));
    }
    if (list.empty()) return {};
    return "<nav aria-label=\"contents\"><ul>" + list +
           "</ul><label class=\"filter\" hidden>Filter <input type=\"search\" placeholder=\"words, as in: dx nhwc "
           "bf16\"> "
           "<output></output></label></nav>\n";
}

}  // namespace normlab::verify
