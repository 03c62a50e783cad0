// Reports: JUnit XML, the page, and the baseline. html_test.sh looks at pages in a browser.

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>

#include <unistd.h>

#include <fmt/format.h>

#include "io/atomic_file.hpp"
#include "io/error.hpp"
#include "tests/catch.hpp"
#include "tests/planted.hpp"
#include "verify/report/baseline.hpp"
#include "verify/report/html.hpp"
#include "verify/report/junit.hpp"
#include "verify/report/xml.hpp"
#include "verify/run/run_cases.hpp"

using namespace normlab;
using namespace normlab::verify;

namespace {

// Whether every element that begins ends, in order, and what looks like an entity is one. Enough for what normlab
// writes.
bool well_formed(std::string_view xml) {
    std::vector<std::string> open;
    while (!xml.empty()) {
        if (xml[0] == '&') {
            const std::string_view name = xml.substr(1, xml.find(';') - 1);
            if (name != "amp" && name != "lt" && name != "gt" && name != "quot" &&
                !(name.starts_with('#') && name.size() > 1))
                return false;
        }
        if (static_cast<unsigned char>(xml[0]) < 0x20 && xml[0] != '\n') return false;
        if (xml[0] != '<') {
            xml.remove_prefix(1);
            continue;
        }
        const std::size_t end = xml.find('>');
        if (end == std::string_view::npos) return false;
        const std::string_view tag = xml.substr(1, end - 1);
        xml.remove_prefix(end + 1);
        if (tag.find('<') != std::string_view::npos || std::ranges::count(tag, '"') % 2) return false;
        if (tag.starts_with('?')) continue;
        if (tag.starts_with('/')) {
            if (open.empty() || open.back() != tag.substr(1)) return false;
            open.pop_back();
        } else if (!tag.ends_with('/')) {
            open.emplace_back(tag.substr(0, tag.find(' ')));
        }
    }
    return open.empty();
}

Outcome outcome(Verdict verdict, std::string where = "n=0 c=0 s=0: 1, truth 2") {
    Finding f = measured("dx", 1, 2, std::move(where));
    f.verdict = verdict;
    Case c;
    c.variant = "batch_norm", c.shape = {2, 3, 4};
    return {c, {f}, ""};
}

std::vector<Outcome> run_words(const std::vector<std::string>& texts, const Implementation& implementation) {
    std::vector<Outcome> outcomes;
    for (const std::string& text : texts) {
        Case c = parse_case(text);
        c.implementation = implementation.name();
        outcomes.push_back(run_case(c));
    }
    return outcomes;
}

const std::vector<std::string> words{
    "batch_norm reference f64 nchw 5x6x3 check=accuracy",     "layer_norm reference f32 nchw 5x6x3 check=accuracy",
    "group_norm reference f64 nchw 5x6x3 G=3 check=zero_sum", "batch_norm reference f64 nchw 5x6x3 check=zero_sum",
    "layer_norm reference f32 nchw 5x6x3 check=zero_sum",     "rms_norm reference f64 nchw 5x6x3 check=xhat_dx"};

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::size_t count(const std::string& text, std::string_view part) {
    std::size_t n = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++n;
    return n;
}

// A file of its own that is gone afterwards.
struct Scratch {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / fmt::format("normlab-report-{}.json", getpid());
    explicit Scratch(const std::string& contents) { io::write_atomically(path, contents); }
    ~Scratch() { std::filesystem::remove(path); }
};

std::string json_of(const std::vector<Outcome>& outcomes) {
    return json_text(outcomes, summarize(outcomes), 0, "normlab");
}

// How often accuracy got worse, from errors `then` to errors `now`, the bound and the rounding given.
BaselineResult against(double then, double now, double bound, double rounding) {
    std::vector<Outcome> old{outcome(Verdict::pass)}, current = old;
    old[0].findings[0].error = then, current[0].findings[0].error = now;
    for (auto* all : {&old, &current}) (*all)[0].findings[0].bound = bound, (*all)[0].findings[0].rounding = rounding;
    const Scratch file(json_of(old));
    return Baseline(file.path).compare(current);
}

}  // namespace

TEST_CASE("text inside XML is escaped, and what no XML may hold is written as hexadecimal digits") {
    CHECK(xml_text("a < b & \"c\" > 'd'") == "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
    CHECK(xml_text(std::string_view("\0\x01\x1b\x7f", 4)) == "\\x00\\x01\\x1b\\x7f");
    CHECK(xml_text("tab\tline\n") == "tab&#9;line&#10;");
    CHECK(xml_text("σ² ✓ 😀") == "σ² ✓ 😀");
    CHECK(xml_text("\xff\xc3(\xed\xa0\x80\xef\xbf\xbe\xc3") == "\\xff\\xc3(\\xed\\xa0\\x80\\xef\\xbf\\xbe\\xc3");
}

TEST_CASE(
    "JUnit: a case is a testcase, a failure quotes its findings and the line that reruns it, and hostile text stays "
    "well-formed") {
    Outcome skipped = outcome(Verdict::pass);
    skipped.findings.clear(), skipped.skipped = "declines <this> & \"that\"";
    std::vector<Outcome> outcomes{outcome(Verdict::pass), outcome(Verdict::fail, "kernel \x01 said <\"]]>&\n"),
                                  outcome(Verdict::unresolved), skipped};
    outcomes[0].seconds = 0.25, outcomes[1].seconds = 1;
    RunInfo info;
    info.command = "./dev", info.seconds = 0.75;
    const std::string text = junit_text(outcomes, info);
    CHECK(well_formed(text));
    CHECK(has(text, "time=\"0.250000\""));
    CHECK(has(text, "skipped=\"1\" time=\"1.250000\" timestamp=\"20"));
    CHECK(has(text, "skipped=\"1\" time=\"0.750\" timestamp=\"20"));
    CHECK(has(text, "<testsuites name=\"normlab verify\" tests=\"4\" failures=\"2\" errors=\"0\" skipped=\"1\""));
    CHECK(count(text, "<testcase ") == 4);
    CHECK(count(text, "type=\"fail\"") == 1);
    CHECK(count(text, "type=\"unresolved\"") == 1);
    CHECK(
        has(text,
            "rerun: ./dev verify --case &quot;batch_norm reference f64 nchw train 2x3x4 seed=1 check=accuracy&quot;"));
    CHECK(has(text, "error 1, bound 2"));
    CHECK(has(text, "<skipped message=\"declines &lt;this&gt; &amp; &quot;that&quot;\"/>"));
    info.allow_unresolved = true;
    const std::string allowed = junit_text(outcomes, info);
    CHECK(has(allowed, "failures=\"1\" errors=\"0\" skipped=\"2\""));
    CHECK(has(allowed, "allowed by --allow-unresolved"));
    info.losses = {"accuracy got worse"};
    CHECK(has(junit_text(outcomes, info), "type=\"worse\""));
    CHECK_FALSE(well_formed("<a><b></a></b>"));  // the checker itself
    CHECK_FALSE(well_formed("<a>&b;</a>"));
}

TEST_CASE(
    "the page asks for nothing on the network, has every case that it links to, and is the same for the same "
    "outcomes") {
    const std::vector<Outcome> outcomes = run_words(words, planted::right());
    const std::string page = html_text(outcomes, {});
    CHECK(has(page, "Everything held"));
    for (const char* loads : {"http:", "https:", "src=", "@import", "url(", "<link", "<iframe"}) {
        CAPTURE(loads);
        CHECK_FALSE(has(page, loads));
    }
    std::size_t links = 0;
    for (std::size_t at = 0; (at = page.find("href=\"#case-", at)) != std::string::npos; ++links) {
        at += std::string_view("href=\"#").size();
        const std::string id = page.substr(at, page.find('"', at) - at);
        CAPTURE(id);
        CHECK(has(page, "id=\"" + id + "\""));
    }
    CHECK(links > words.size());
    CHECK(page == html_text(run_words(words, planted::right()), {}));
}

TEST_CASE("a page of a run with failures says so") {  // with NORMLAB_PAGE the page goes to that file, for html_test.sh
    std::vector<Outcome> outcomes = run_words(words, planted::with_fault("mean_g_missing"));
    const std::string page = html_text(outcomes, {});
    CHECK(has(page, "findings failed"));
    CHECK(has(page, "id=\"failed\""));
    CHECK(has(page, "class=\"chip fail\""));
    CHECK(has(page, "normlab verify --case &quot;batch_norm"));
    if (const char* path = std::getenv("NORMLAB_PAGE")) io::write_atomically(path, page);
}

TEST_CASE("a page does not grow without end with the failures on it") {
    const std::vector<Outcome> outcomes(50000, outcome(Verdict::fail, std::string(200, 'x')));
    const std::string page = html_text(outcomes, {});
    CHECK(page.size() < 3'000'000);
    CHECK(has(page, "further cases not shown"));
}

TEST_CASE(
    "a baseline flags an error that more than doubled beyond one rounding, and nothing that is equal, better or "
    "noise") {
    CHECK(against(1e-6, 1e-6, 1e-5, 1e-8).losses.empty());
    CHECK(against(1e-6, 1e-6, 1e-5, 1e-8).compared == 1);
    const BaselineResult lost = against(1e-6, 3e-6, 1e-5, 1e-8);  // still within the bound
    REQUIRE(lost.losses.size() == 1);
    CHECK(lost.losses[0].then == 1e-6);
    CHECK(against(1e-6, 1.9e-6, 1e-5, 1e-8).losses.empty());
    CHECK(against(0, 6e-8, 1e-6, 6e-8).losses.empty());  // one rounding where there was none
    CHECK(against(0, 7e-8, 1e-6, 6e-8).losses.size() == 1);
    CHECK(against(0, 1, 0, 0).losses.size() == 1);  // bits that were equal
    CHECK(against(1e-6, std::nan(""), 1e-5, 1e-8).losses.size() == 1);
    const BaselineResult better = against(3e-6, 1e-6, 1e-5, 1e-8);
    CHECK(better.losses.empty());
    CHECK(better.better == 1);
}

TEST_CASE("a baseline tells what fails and did not, and what holds and did not") {
    const auto changes = [](Verdict then, Verdict now) {
        const Scratch file(json_of({outcome(then)}));
        const std::vector<Outcome> current{outcome(now)};
        const Baseline baseline(file.path);
        const BaselineResult result = baseline.compare(current);
        for (const Loss& l : result.failing) CHECK(has(baseline.change_line(l), "fails since " + file.path.string()));
        for (const Loss& l : result.holding) CHECK(has(baseline.change_line(l), "holds since " + file.path.string()));
        return std::pair(result.failing.size(), result.holding.size());
    };
    using enum Verdict;
    CHECK(changes(pass, fail) == std::pair<std::size_t, std::size_t>(1, 0));
    CHECK(changes(fail, pass) == std::pair<std::size_t, std::size_t>(0, 1));
    CHECK(changes(pass, pass) == std::pair<std::size_t, std::size_t>(0, 0));
    CHECK(changes(fail, fail) == std::pair<std::size_t, std::size_t>(0, 0));
    CHECK(changes(unresolved, pass) == std::pair<std::size_t, std::size_t>(0, 0));  // not compared
}

TEST_CASE("a baseline measures by the bound where another element is the worst now") {
    std::vector<Outcome> old{outcome(Verdict::pass)}, now = old;
    old[0].findings[0].error = 1, old[0].findings[0].bound = 1;
    // was 10 there at most
    now[0].findings[0].error = 5, now[0].findings[0].bound = 10, now[0].findings[0].where = "n=1 c=0 s=0: 1, truth 6";
    const Scratch file(json_of(old));
    CHECK(Baseline(file.path).compare(now).losses.empty());
    now[0].findings[0].error = 25;
    CHECK(Baseline(file.path).compare(now).losses.size() == 1);
}

TEST_CASE("a baseline catches a fault planted since and is silent about the same code") {
    const std::vector<Outcome> before = run_words(words, planted::right());
    std::vector<Outcome> after = run_words(words, planted::with_fault("mean_g_missing"));
    for (Outcome& o : after) o.test.implementation = before[0].test.implementation;
    const Scratch file(json_of(before));
    const Baseline baseline(file.path);
    CHECK(baseline.compare(before).losses.empty());
    CHECK(baseline.compare(before).compared == summarize(before).held);
    const BaselineResult result = baseline.compare(after);
    CHECK(result.losses.size() >= 3);
    CHECK(has(baseline.text(result, "./dev"), "rerun: ./dev verify --case \""));
    CHECK_NOTHROW(baseline.require_overlap({before[0].test}));
    CHECK_THROWS_AS(baseline.require_overlap({parse_case("rms_norm reference f64 nchw 7x7x7")}), io::InputError);
}

TEST_CASE("a user's data are compared with the same data only") {
    Outcome old = outcome(Verdict::pass);
    auto data = std::make_shared<RealData>();
    data->x = {1, 2, 3}, old.test.data = data;
    Outcome now = old;
    now.findings[0].error = 2;
    const Scratch file(json_of({old}));
    CHECK(Baseline(file.path).compare({now}).compared == 1);
    auto other = std::make_shared<RealData>(*data);
    other->x[2] = 4, now.test.data = other;
    CHECK(Baseline(file.path).compare({now}).compared == 0);
    now.test.data = nullptr;
    CHECK(Baseline(file.path).compare({now}).compared == 0);
}

TEST_CASE("what is no file of verify --json is refused as a baseline, saying why") {
    const auto message = [](const std::string& contents) -> std::string {
        const Scratch file(contents);
        try {
            const Baseline baseline(file.path);
        } catch (const io::InputError& e) {
            return e.what();
        }
        return "accepted";
    };
    CHECK(has(message("{\"findings\": ["), "no JSON"));
    CHECK(has(message("[1, 2]"), "no list of findings"));
    CHECK(has(message("{\"findings\": [7]}"), "findings[0] has no text 'case'"));
    CHECK(has(message("{\"findings\": [{\"case\": \"a\", \"verdict\": \"PASS\", \"quantity\": \"y\", \"error\": "
                      "\"big\", \"bound\": 1}]}"),
              "no number 'error'"));
    CHECK(message("{\"findings\": [{\"case\": \"a\", \"verdict\": \"SKIPPED\"}]}") == "accepted");
    CHECK_THROWS_AS(Baseline("absent.json"), io::InputError);
}
