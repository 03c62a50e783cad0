#include "verify/report/html_parts.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "verify/report/svg.hpp"
#include "verify/report/xml.hpp"

namespace normlab::verify {
namespace {

void remember(std::vector<std::string>& list, const std::string& name) {
    if (std::ranges::find(list, name) == list.end()) list.push_back(name);
}

std::string badge(const Finding& f) {
    const std::string_view sign = f.verdict == Verdict::fail         ? "✗"
                                  : f.verdict == Verdict::unresolved ? "?"
                                  : f.verdict == Verdict::accepted   ? "≈"
                                  : f.not_judged                     ? "○"
                                  : f.warning                        ? "!"
                                                                     : "✓";
    const std::string_view css = f.not_judged                              ? "skipped"
                                 : f.verdict == Verdict::pass && f.warning ? "warned"
                                                                           : css_of(f.verdict);
    return fmt::format("<span class=\"badge {}\">{} {}</span>", css, sign, verdict_of(f));
}

}  // namespace

std::string rerun_box(const std::string& line) {
    return fmt::format("<div class=\"rerun\"><code>{}</code><button type=\"button\" hidden>copy</button></div>",
                       xml_text(line));
}

Page::Page(const std::vector<Outcome>& all, const RunInfo& run_info)
    : outcomes(all), info(run_info), rows(rows_by_check(all)) {
    for (const Outcome& o : outcomes)
        remember(implementations, o.test.implementation), remember(variants, o.test.variant);
}

std::string Page::link(const Outcome& outcome) {
    const auto place = static_cast<std::size_t>(&outcome - outcomes.data()) + 1;
    if (const auto [at, added] = shown_.try_emplace(place); added) {
        at->second = case_detail(outcome, place, info.command);
        bytes_ += at->second.size();
    }
    return fmt::format("#case-{}", place);
}

std::size_t Page::index(const std::string& implementation) const {
    return static_cast<std::size_t>(std::ranges::find(implementations, implementation) - implementations.begin());
}

std::string Page::details() const {
    std::string text;
    for (const auto& [place, detail] : shown_) text += detail;
    return text;
}

Measured worst_of(const Outcome& outcome) {
    Measured worst;
    for (const Finding& f : outcome.findings)
        if (worse(worst, {&outcome, &f})) worst = {&outcome, &f};
    return worst;
}

std::string case_detail(const Outcome& o, std::size_t number, const std::string& command) {
    const Measured worst = worst_of(o);
    std::string text = fmt::format(
        "<article class=\"case {}\" id=\"case-{}\" tabindex=\"-1\">\n<a class=\"close\" href=\"#-\" "
        "aria-label=\"close\">✕</a>\n"
        "<p class=\"eyebrow\">case {} · {} · {}</p>\n<h3>{}</h3>\n<p>{}.</p>\n",
        worst.finding ? css_of(worst.finding->verdict) : "skipped", number, number, xml_text(o.test.check),
        xml_text(o.test.implementation), xml_text(o.title()), xml_text(find_check(o.test.check).statement));
    if (!o.skipped.empty())
        text += fmt::format("<p><span class=\"badge skipped\">SKIPPED</span> {}</p>\n", xml_text(o.skipped));
    if (!o.findings.empty())
        text +=
            "<table "
            "class=\"findings\"><thead><tr><th>quantity</th><th>error</th><th>bound</th><th>ratio</th><th></th></tr></"
            "thead>\n<tbody>\n";
    for (const Finding& f : o.findings) {
        text += fmt::format("<tr><th scope=\"row\">{}</th><td>{:.3g}</td><td>{:.3g}</td><td>{}</td><td>{}</td></tr>\n",
                            xml_text(quantity_of(f)), f.error, f.bound, short_number(f.ratio()), badge(f));
        const std::string more = f.where + (f.where.empty() || f.note.empty() ? "" : "; ") + f.note +
                                 (f.warning && f.verdict == Verdict::pass ? "; beyond the √l warning" : "");
        if (!more.empty()) text += fmt::format("<tr class=\"where\"><td colspan=\"5\">{}</td></tr>\n", xml_text(more));
    }
    if (!o.findings.empty()) text += "</tbody></table>\n";
    return text + rerun_box(rerun_line(o, command)) + "\n</article>\n";
}

std::string case_line(Page& page, const Measured& worst) {
    const Finding& f = *worst.finding;
    return fmt::format(
        "<li>{}<a href=\"{}\">{}</a><span class=\"ratio\">{}</span>\n<p>{}: error {:.3g}, bound "
        "{:.3g}{}</p>\n{}</li>\n",
        badge(f), page.link(*worst.outcome), xml_text(worst.outcome->title()), short_number(f.ratio()),
        xml_text(quantity_of(f)), f.error, f.bound, f.where.empty() ? "" : " at " + xml_text(f.where),
        rerun_box(rerun_line(*worst.outcome, page.info.command)));
}

std::string implementation_legend(const Page& page) {
    std::string text = "<p class=\"legend\">";
    for (std::size_t i = 0; i < page.implementations.size(); ++i) {
        Svg sample(14, 14, page.implementations[i]);
        sample.marker(7, 7, i, fmt::format("c{}", i % 6), "");
        text += fmt::format("<span>{}{}</span>", sample.str(), xml_text(page.implementations[i]));
    }
    return text + "</p>\n";
}

std::string section(std::string_view id, std::string_view title, std::string_view about, const std::string& content) {
    if (content.empty()) return {};
    const std::string known = about.empty() ? "" : fmt::format("<p class=\"about\">{}</p>\n", about);
    return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}{}</section>\n", id, title, known, content);
}

std::string short_number(double value) {
    if (value == 0) return "0";
    if (!std::isfinite(value)) return std::isnan(value) ? "NaN" : "∞";
    const double size = std::abs(value);
    // what is below 1 does not read 1
    if (size >= 0.9 && size < 1) return fmt::format("{:.3g}", std::floor(size * 1000) / 1000);
    return size >= 1e4 || size < 1e-3 ? fmt::format("{:.0e}", value)
           : size >= 100              ? fmt::format("{:.0f}", value)
                                      : fmt::format("{:.2g}", value);
}

std::string_view css_of(Verdict verdict) {
    constexpr std::string_view names[] = {"pass", "fail", "unresolved", "skipped", "skipped"};
    return names[static_cast<std::size_t>(verdict)];
}

}  // namespace normlab::verify
