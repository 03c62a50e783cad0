// Known findings: what a file of them lets pass, and when no more.

#include <fmt/format.h>

#include "io/error.hpp"
#include "tests/catch.hpp"
#include "tests/folder.hpp"
#include "tests/planted.hpp"
#include "verify/report/accept.hpp"
#include "verify/report/junit.hpp"
#include "verify/report/report.hpp"
#include "verify/run/run_cases.hpp"

using namespace normlab;
using namespace normlab::verify;

namespace {

Outcome outcome(Verdict verdict, double error, const std::string& quantity = "dx") {
    Finding f = measured(quantity, error, 1e-6);
    f.verdict = verdict;
    Case c;
    c.variant = "batch_norm", c.implementation = "mine", c.shape = {2, 3, 4};
    return {c, {f}, ""};
}

const std::string test = "batch_norm mine f64 nchw train 2x3x4 seed=1 check=accuracy";

// The verdict of a finding behind a file of this text.
Outcome applied(const std::string& text, Outcome o) {
    const TemporaryFolder folder;
    Accepted(folder.put("known.txt", text)).apply(o);
    return o;
}
Verdict verdict(const std::string& text, const Outcome& o) { return applied(text, o).findings[0].verdict; }

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

std::string refused(const std::string& text) {
    const TemporaryFolder folder;
    const auto path = folder.put("known.txt", text);
    try {
        const Accepted accepted(path);
    } catch (const io::InputError& e) {
        return e.what();
    }
    return "nothing";
}

}  // namespace

TEST_CASE("a known finding passes until its error more than doubles, its verdict changes, or another quantity fails") {
    const std::string line = test + " | dx | FAIL 1.5e-05   # why\n";
    CHECK(verdict(line, outcome(Verdict::fail, 1.5e-5)) == Verdict::accepted);
    CHECK(verdict(line, outcome(Verdict::fail, 1e-5)) == Verdict::accepted);
    CHECK(verdict(line, outcome(Verdict::fail, 3e-5)) == Verdict::accepted);
    CHECK(verdict(line, outcome(Verdict::fail, 3.2e-5)) == Verdict::fail);
    CHECK(verdict(line, outcome(Verdict::fail, std::nan(""))) == Verdict::fail);
    CHECK(verdict(line, outcome(Verdict::unresolved, 1.5e-5)) == Verdict::unresolved);
    CHECK(verdict(line, outcome(Verdict::fail, 1.5e-5, "dgamma")) == Verdict::fail);
    CHECK(verdict(line, outcome(Verdict::pass, 0)) == Verdict::pass);
    CHECK(verdict("# nothing but a comment\n\n", outcome(Verdict::fail, 1)) == Verdict::fail);
    CHECK(verdict(test + " | dx | UNRESOLVED 0", outcome(Verdict::unresolved, 0)) == Verdict::accepted);
    CHECK(verdict(test + " | dx | UNRESOLVED 0", outcome(Verdict::fail, 0)) == Verdict::fail);
    CHECK(verdict(test + " | dx | FAIL nan", outcome(Verdict::fail, std::nan(""))) == Verdict::accepted);
    CHECK(verdict(test + " | dx | FAIL inf", outcome(Verdict::fail, 1e300)) == Verdict::accepted);
    Outcome other = outcome(Verdict::fail, 1.5e-5);
    other.test.shape.N = 3;
    CHECK(verdict(line, other) == Verdict::fail);
    CHECK(has(applied(line, outcome(Verdict::fail, 1)).findings[0].note, "known.txt line 1 accepts FAIL 1.5e-05"));
    // the order of settings is of no account
    CHECK(verdict("batch_norm mine f64 nchw train 2x3x4 check=accuracy seed=1 | dx | FAIL 1",
                  outcome(Verdict::fail, 1)) == Verdict::accepted);
}

TEST_CASE("a report counts what is known apart, and says what of it holds now") {
    const TemporaryFolder folder;
    const std::string other = "batch_norm mine f64 nchw train 9x3x4 seed=1 check=accuracy";
    const Accepted accepted(
        folder.put("known.txt", fmt::format("{0} | dx | FAIL 1\n{0} | y | FAIL 1\n{1} | y | FAIL 1\n"
                                            "{0} | dgamma | FAIL 1e-9\n",
                                            test, other)));
    std::vector<Outcome> outcomes{outcome(Verdict::fail, 1)};
    outcomes[0].findings.push_back(outcome(Verdict::fail, 1, "dgamma").findings[0]);
    for (Outcome& o : outcomes) accepted.apply(o);
    const Summary s = summarize(outcomes);
    CHECK(s.accepted == 1);
    CHECK(s.failed == 1);
    CHECK(s.held == 0);
    CHECK(has(summary_line(s, 0), "1 failed, 0 unresolved, 0 skipped, 1 accepted;"));
    CHECK(has(accepted.text(outcomes), "known.txt line 2: " + test + " | y holds now"));
    CHECK(has(accepted.text(outcomes),
              "known.txt: 4 known, 1 accepted, 1 changed, 1 stale, 1 of cases that did not run"));
    CHECK(has(findings_text(outcomes), "ACCEPTED accuracy dx"));
    CHECK(has(json_text(outcomes, s, 0, "normlab"), "\"verdict\": \"ACCEPTED\""));
    CHECK_FALSE(has(problems_text(outcomes, "normlab", true), "dx: error 1,"));
    std::vector<Outcome> known_alone{outcome(Verdict::fail, 1)};
    accepted.apply(known_alone[0]);
    CHECK(summarize(known_alone).good(false));
    CHECK(has(junit_text(known_alone, {}), "failures=\"0\" errors=\"0\" skipped=\"1\""));
    CHECK(has(junit_text(known_alone, {}), "ACCEPTED accuracy dx"));
    known_alone[0].skipped = "declined", known_alone[0].findings.clear();
    CHECK(accepted.stale(known_alone).empty());
}

TEST_CASE("a file that a run has written accepts that run, and is brought up to date by the next") {
    const TemporaryFolder folder;
    const auto path = folder / "known.txt";
    Case c = parse_case("layer_norm reference f64 nchw train 3x4x5 seed=1 check=accuracy");
    c.implementation = planted::with_fault("eps_outside").name();
    std::vector<Outcome> outcomes{run_case(c)};
    REQUIRE(summarize(outcomes).failed > 0);
    folder.put("known.txt", accept_text(path, known_findings(outcomes)));
    Accepted(path).apply(outcomes[0]);
    CHECK(summarize(outcomes).failed == 0);
    CHECK(summarize(outcomes).accepted > 0);
    CHECK(Accepted(path).stale(outcomes).empty());

    const std::string kept = test + " | dx | FAIL 5   # of another run";
    folder.put("known.txt",
               "# mine\n" + kept + "\n" + c.text() + " | y | FAIL 7   # mine, too\n" + c.text() + " | gone | FAIL 7\n");
    Outcome now = outcome(Verdict::fail, 1, "y"), twice = now;
    now.test = twice.test = c;
    twice.findings[0].error = 2;
    now.findings.push_back(twice.findings[0]);
    now.findings.push_back(outcome(Verdict::unresolved, 3).findings[0]);
    CHECK(accept_text(path, known_findings({now})) ==
          "# mine\n" + kept + "\n" + c.text() + " | y | FAIL 2   # mine, too\n" + c.text() + " | dx | UNRESOLVED 3\n");
    CHECK(accept_text(path, {}) ==
          "# mine\n" + kept + "\n" + c.text() + " | y | FAIL 7   # mine, too\n" + c.text() + " | gone | FAIL 7\n");
}

TEST_CASE("a file of known findings that cannot be understood is refused, naming the line") {
    CHECK(has(refused("# fine\n\n" + test), "known.txt line 3: "));
    CHECK(has(refused(test), "is no known finding; CASE | QUANTITY | FAIL ERROR is accepted"));
    CHECK(has(refused(test + " | dx | PASS 1"), "'PASS 1': FAIL or UNRESOLVED and an error are accepted"));
    CHECK(has(refused(test + " | dx | FAIL"), "FAIL or UNRESOLVED"));
    CHECK(has(refused(test + " | dx | FAIL 1x"), "FAIL or UNRESOLVED"));
    CHECK(has(refused(test + " | dx | FAIL 1 2"), "FAIL or UNRESOLVED"));
    CHECK(has(refused("batch_norm mine f65 nchw train 2x3x4 check=accuracy | dx | FAIL 1"), "known.txt line 1: "));
    CHECK(has(refused(test + " | dx | FAIL 1\n" + test + " | dx | FAIL 2"), "line 2: the same finding as line 1"));
    CHECK_THROWS_AS(Accepted("/nowhere/known.txt"), io::InputError);
}
