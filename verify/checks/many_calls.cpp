// What shows in some calls only: work that threads share wrongly, and faults of one call in thousands.

#include <algorithm>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "system/clock.hpp"
#include "verify/check/session.hpp"
#include "verify/checks/sizes.hpp"

namespace normlab::verify {
namespace {

// Calls f 3, 10, 30, 100 ... and up to `most` times, until that has taken so many seconds of this thread's processor
// time, or five times as many of waiting for others: slow kernels are called less often. How often it was called.
template <class F>
std::size_t repeated(std::size_t most, double seconds, F f) {
    using system::seconds_by;
    const double busy = seconds_by(CLOCK_THREAD_CPUTIME_ID), start = seconds_by(CLOCK_MONOTONIC);
    const auto spent = [&] {
        return std::max(seconds_by(CLOCK_THREAD_CPUTIME_ID) - busy, (seconds_by(CLOCK_MONOTONIC) - start) / 5);
    };
    std::size_t calls = 0;
    for (const std::size_t aim : {3, 10, 30, 100, 300, 1000, 3000, 10000, 30000, 70000}) {
        if (aim > most || spent() > seconds) break;
        for (; calls < aim; ++calls) f();
    }
    return calls;
}

// The calls that differ from the first of all, and how many there were.
class Rate {
public:
    /// `how` the call was made: named where it differs.
    void add(const Finding& f, const std::string& how = "") {
        ++calls_;
        if (f.verdict != Verdict::fail) return;
        if (differing_++ == 0) first_ = f;
        if (!how.empty() && std::ranges::find(differing_with_, how) == differing_with_.end())
            differing_with_.push_back(how);
    }
    Finding finding(std::string_view quantity) const {
        Finding f = measured(quantity, static_cast<double>(differing_), 0, first_.where);
        f.note = fmt::format("{} of {} calls differ{}{}", differing_, calls_, differing_with_.empty() ? "" : ": with ",
                             fmt::join(differing_with_, ", "));
        return f;
    }

private:
    std::size_t calls_ = 0, differing_ = 0;
    Finding first_;
    std::vector<std::string> differing_with_;
};

// --- threads ---------------------------------------------------------------------------------------------------------

// Many rows, wide rows, long rows: enough for as many threads as are asked for, and nothing that they divide.
std::vector<Case> thread_cases(const Case& base, Tier tier) {
    if (repeats_training(with_state(base))) return {};
    std::vector<Case> cases;
    const auto add = [&](const Shape& shape) { cases.push_back(with_shape(base, shape)); };
    const bool first = base.layout == Layout::channels_first;
    if (tier == Tier::full || !first || base.mode == Mode::eval) add({131, 24, 17});
    // of others' kernels so many channels that threads meet
    const std::int64_t channels = is_others(base) ? 34 : 6;
    if (tier == Tier::full || (first && base.mode == Mode::train))
        add({8209, channels, 1}), add({11, 4101, 1}), add({3, 6, 2741});
    // a row that several threads share, with a remainder for most numbers of them
    if (is_others(base) && first && base.mode == Mode::train) {
        cases.push_back(with_block(base, 35003));
        if (!base.spec().block.samples) cases.back().shape.N = 1;
    }
    if (first && base.mode == Mode::train) add({131, 24, 17}), cases.back().gamma_offset = 1;
    if (first && base.mode == Mode::train) add({131, 24, 17}), cases.back().affine_set = AffineSet::element;
    if (first && base.mode == Mode::train && arithmetic_dtype(base.dtype) == DType::f32)
        add({131, 24, 17}), cases.back().output = DType::e5m2, cases.back().scale = Scale::block;
    if (tier == Tier::smoke) cases.resize(1);
    if (tier == Tier::full) add({100003, 3, 3}), add({3, 65538, 2}), add({2, 3, 250007});
    return cases;
}

std::vector<Finding> threads(const Case& c, const Implementation& implementation) {
    if (!implementation.parallel()) throw Unsuitable("it runs on one thread");
    const Inputs<double> in = draw(c);
    const std::optional<Bounds> within = tolerance(implementation, in);
    const std::vector<Array> expected = fresh_results(implementation, in);
    const bool ours = implementation.origin().empty();  // they have been looked at often
    const std::vector<int> numbers =
        ours ? std::vector{3, 6, 16} : std::vector{2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 64, 0};
    Rate any_number, same_number, in_place;
    for (const int threads : numbers) {
        Session session(implementation, in.problem, {.threads = threads});
        session.write(in);
        session.forward(), session.backward();
        const std::string how = threads ? fmt::format("{} threads", threads) : "the default number of threads";
        any_number.add(same_bits("", in.problem, session.results(), expected, within), how);
        if (threads != 0 && threads != 2 && threads != 16) continue;
        repeated(ours ? 3 : 300, 0.1, [&] {  // sums that threads share: updates may be lost
            session.backward();
            same_number.add(same_bits("", in.problem, session.results(), expected, within), how);
        });
        // Where y lies on x and dx on dy, what two threads do by mistake is not done twice with the same result.
        Session over(implementation, in.problem, {.threads = threads, .in_place = InPlace::both});
        over.write(in);
        repeated(ours ? 3 : 300, 0.1, [&] {
            over.forward(), over.backward();
            in_place.add(same_bits("", in.problem, over.results(), expected, within), how);
        });
    }
    return {any_number.finding("numbers of threads"), same_number.finding("backward repeated"),
            in_place.finding("in place repeated")};
}

// --- many_calls ------------------------------------------------------------------------------------------------------

std::vector<Case> many_cases(const Case& base, Tier) {
    if (repeats_training(with_state(base))) return {};
    return {with_shape(base, {2, 3, 3})};
}

// A fault in one of n calls stays unseen in `calls` of them with (1 - 1/n)^calls; that is 5 % for n = calls / 3.
Finding with_rate(Finding f, std::size_t calls, std::string_view what) {
    const std::string differ = f.verdict == Verdict::fail ? f.note + "; " : "";
    f.note = differ + fmt::format("{} {}: a fault in 1 of {} would have been seen with 95 %", calls, what, calls / 3);
    return f;
}

std::vector<Finding> many_calls(const Case& c, const Implementation& implementation) {
    // The most for others' kernels, in training and channels first. Otherwise about a tenth, rounded down to a step of
    // `repeated`, and for ours a tenth of that.
    const std::size_t share = (c.mode == Mode::train && c.layout == Layout::channels_first ? 1 : 10) *
                              (implementation.origin().empty() ? 10 : 1);
    const Inputs<double> in = draw(c);
    const std::optional<Bounds> within = tolerance(implementation, in);
    const std::vector<Array> expected = fresh_results(implementation, in);
    Rate of_calls, of_plans;
    Session plan(implementation, in.problem);
    plan.write(in);
    const std::size_t calls = repeated(70000 / share, 0.5, [&] {
        plan.forward(), plan.backward();
        of_calls.add(same_bits("", in.problem, plan.results(), expected, within));
    });
    const std::size_t plans = repeated(3000 / share, 0.1, [&] {
        of_plans.add(same_bits("", in.problem, fresh_results(implementation, in), expected, within));
    });
    return {with_rate(of_calls.finding("calls that differ"), calls, "calls of one plan"),
            with_rate(of_plans.finding("plans that differ"), plans, "plans")};
}

}  // namespace

extern const Check threads_check{"threads",
                                 "many rows, wide rows and long rows: the same bits on 1 to 17, 64 "
                                 "and the default number of threads (3, 6 and 16 of our own kernels), and in "
                                 "every backward call, and in place",
                                 false,
                                 always,
                                 thread_cases,
                                 threads,
                                 false,
                                 false,
                                 true,
                                 true};
extern const Check many_calls_check{
    "many_calls",
    "up to 70000 calls of one plan, and up to 3000 plans, on the same numbers: the same results every time. The note "
    "says how rare a fault would have been seen",
    false,
    always,
    many_cases,
    many_calls,
    false,
    false,
    true};

}  // namespace normlab::verify
