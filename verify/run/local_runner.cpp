#include "verify/run/local_runner.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "norms/operation.hpp"
#include "system/memory_budget.hpp"
#include "verify/run/memory_need.hpp"
#include "verify/truth/range.hpp"

namespace normlab::verify {
namespace {

// Why the bounds do not hold for these data, or nothing.
std::string bounds_do_not_hold(const Case& c) {
    // drawn in the middle of the range
    if (c.dtype == DType::f64 && c.sigma == 1 && !c.data && c.x.given.empty()) return {};
    Inputs<double> in = draw(c);
    in.dy.clear();
    return out_of_range(in, find_implementation(c.implementation).accumulation(c.dtype));
}

}  // namespace

std::string LocalRunner::reason_to_skip(const Case& c) const {
    const Implementation& implementation = find_implementation(c.implementation);
    Problem problem = c.problem();
    problem.device = implementation.device();
    validate(problem);
    if (const Support s = implementation.available(); !s)
        return fmt::format("{} cannot run here: {}", c.implementation, s.reason);
    const double budget = system::memory_budget();
    if (const double need = bytes_needed(c); need > budget) {
        const std::string reason =
            fmt::format("{}x{}x{} needs {:.1f} GiB; up to {:.1f} GiB is accepted on this machine", c.shape.N, c.shape.C,
                        c.shape.S, need / 0x1p30, budget / 0x1p30);
        if (c.name.empty()) throw Error(reason);
        return reason;  // of the catalogue: listed
    }
    const Check& check = find_check(c.check);
    if (c.shape.size() == 0 && check.name != "accuracy" && check.name != "empty") return "the tensor is empty";
    if (const std::string reason = check.refuses(c); !reason.empty()) return reason;
    const Support support = implementation.supports(problem);
    return support ? "" : c.implementation + " declines: " + support.reason;
}

Outcome LocalRunner::run(const Case& c) const {
    Outcome out{c, {}, reason_to_skip(c)};
    if (!out.skipped.empty()) return out;
    const auto failed = [&](const std::string& what) {
        Finding f = measured("exception", std::numeric_limits<double>::infinity(), 0, what);
        f.note = "thrown instead of a result";
        out.findings = {f};
    };
    try {
        out.findings = find_check(c.check).run(c, find_implementation(c.implementation));
        const bool failing =
            std::ranges::any_of(out.findings, [](const Finding& f) { return f.verdict == Verdict::fail; });
        if (const std::string reason = failing ? bounds_do_not_hold(c) : ""; !reason.empty())
            for (Finding& f : out.findings)
                if (f.verdict == Verdict::fail && f.bound > 0)
                    f.verdict = Verdict::unresolved, f.note += (f.note.empty() ? "" : "; ") + reason;
    } catch (const std::bad_alloc&) {
        throw;
    } catch (const Unsuitable& e) {
        out.skipped = e.what();
    } catch (const Declined& e) {  // of another problem than the case's, which it accepts; ours accept them all
        if (find_implementation(c.implementation).origin().empty()) failed(e.what());
        else out.skipped = e.what();
    } catch (const std::exception& e) {
        failed(e.what());
    }
    return out;
}

}  // namespace normlab::verify
