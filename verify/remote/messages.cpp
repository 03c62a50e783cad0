#include "verify/remote/messages.hpp"

#include <mutex>
#include <set>

namespace normlab::verify {
namespace {

using nlohmann::json;

// Text that lives as long as the process, as the literals of checks do.
std::string_view kept(const std::string& text) {
    static std::mutex lock;
    static std::set<std::string, std::less<>> texts;
    const std::lock_guard guard(lock);
    return *texts.insert(text).first;
}

json to_json(const Shape& s) { return {s.N, s.C, s.S}; }
Shape shape_from_json(const json& j) { return {j.at(0), j.at(1), j.at(2)}; }

json to_json(const RealData& d) {
    json j{{"x", d.x},         {"gamma", d.gamma}, {"beta", d.beta}, {"shape", to_json(d.shape)},
           {"dtype", d.dtype}, {"flags", d.flags}};
    if (d.layout) j["layout"] = *d.layout;
    return j;
}

RealData data_from_json(const json& j) {
    RealData d{j.at("x"),     j.at("gamma"), j.at("beta"), shape_from_json(j.at("shape")),
               j.at("dtype"), std::nullopt,  j.at("flags")};
    if (j.contains("layout")) d.layout = j.at("layout").get<Layout>();
    return d;
}

json to_json(const Finding& f) {
    json oracles = json::array();
    for (const Finding::Oracle& o : f.oracles)
        oracles.push_back({{"name", o.name}, {"error", o.error}, {"bound", o.bound}});
    return {{"quantity", f.quantity},    {"error", f.error},   {"bound", f.bound}, {"warning", f.warning},
            {"verdict", f.verdict},      {"where", f.where},   {"label", f.label}, {"note", f.note},
            {"rounding", f.rounding},    {"oracles", oracles}, {"curve", f.curve}, {"cause", f.cause},
            {"not_judged", f.not_judged}};
}

Finding finding_from_json(const json& j) {
    Finding f{.quantity = j.at("quantity"),
              .error = j.at("error"),
              .bound = j.at("bound"),
              .warning = j.at("warning"),
              .verdict = j.at("verdict"),
              .where = j.at("where"),
              .label = j.at("label"),
              .note = j.at("note"),
              .rounding = j.at("rounding"),
              .curve = j.at("curve"),
              .not_judged = j.at("not_judged"),
              .cause = j.at("cause")};
    for (const json& o : j.at("oracles")) f.oracles.push_back({kept(o.at("name")), o.at("error"), o.at("bound")});
    return f;
}

}  // namespace

json to_json(const Case& c) {
    json j{{"text", c.text()}, {"name", c.name}};
    if (c.data) j["data"] = to_json(*c.data);
    return j;
}

Case case_from_json(const json& j) {
    Case c = parse_case(j.at("text").get<std::string>());
    c.name = kept(j.at("name"));
    if (j.contains("data")) c.data = std::make_shared<RealData>(data_from_json(j.at("data")));
    return c;
}

json to_json(const Outcome& o) {
    json findings = json::array();
    for (const Finding& f : o.findings) findings.push_back(to_json(f));
    return {{"findings", findings}, {"skipped", o.skipped}, {"name", o.name}, {"rerun", o.rerun}};
}

Outcome outcome_from_json(const json& j, const Case& c) {
    Outcome o{c, {}, j.at("skipped"), j.at("name"), j.at("rerun")};
    for (const json& f : j.at("findings")) o.findings.push_back(finding_from_json(f));
    return o;
}

json to_json(const Selection& s) {
    return {{"variants", s.variants}, {"implementations", s.implementations},
            {"checks", s.checks},     {"dtypes", s.dtypes},
            {"layouts", s.layouts},   {"modes", s.modes}};
}

Selection selection_from_json(const json& j) {
    return {j.at("variants"), j.at("implementations"), j.at("checks"), j.at("dtypes"), j.at("layouts"), j.at("modes")};
}

}  // namespace normlab::verify
