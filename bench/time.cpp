#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <unordered_map>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/call.hpp"
#include "bench/machine.hpp"
#include "bench/run.hpp"
#include "io/json.hpp"
#include "io/report_header.hpp"
#include "system/interrupt.hpp"

namespace normlab::bench {
namespace {

constexpr double longest = 0.1, shortest = 0.005;  // seconds of a repetition of what takes less a call
constexpr int most_repetitions = 9, least_repetitions = 3;

/// Keeps what Google Benchmark reports: its JSON is written when percentages are known.
class Collector final : public benchmark::BenchmarkReporter {
public:
    explicit Collector(std::function<void(const Run&)> take) : take_(std::move(take)) {}
    bool ReportContext(const Context&) override { return true; }
    void ReportRuns(const std::vector<Run>& runs) override {
        reports.push_back(runs);
        for (const Run& run : runs)
            if (run.run_type == Run::RT_Iteration) take_(run);
    }
    std::vector<std::vector<Run>> reports;

private:
    std::function<void(const Run&)> take_;
};

constexpr const char* interrupted_word = "interrupted";

// After a signal: a repetition that does nothing, for Google Benchmark wants all of a row to be of one length, and ends
// the process for one that was skipped.
void pass(benchmark::State& state) {
    for (auto _ : state) {
    }
    state.SetIterationTime(1e-9);
    state.SetLabel(interrupted_word);
}
bool passed(const benchmark::BenchmarkReporter::Run& run) { return run.report_label == interrupted_word; }

void initialize_google_benchmark() {
    static const bool once = [] {
        // it keeps a pointer to the name
        static char program[] = "normlab", interleave[] = "--benchmark_enable_random_interleaving=true";
        char* arguments[] = {program, interleave, nullptr};
        int count = 2;
        benchmark::Initialize(&count, arguments);
        for (const auto& [key, value] : machine())
            if (key != "date" && key != "caches") benchmark::AddCustomContext(key, value);  // it says those itself
        return true;
    }();
    static_cast<void>(once);
}

// The tensors of a call that nothing writes, and those that it or an earlier call writes, as forward writes s.
struct Buffers {
    std::size_t inputs, outputs;
};
Buffers buffers(Direction direction, bool adds = false) {
    const std::size_t outputs = adds ? 2 : 1;
    return {tensors(direction, adds) - outputs, outputs};
}

// y, and what else is written.
std::size_t largest_output(const Problem& p) { return std::max(tensor_bytes(p), y_bytes(p)); }

// One arena a device and dtype, with room for the largest that runs there.
class Arenas {
public:
    explicit Arenas(const TimingPlan& plan) {
        for (const Row& r : plan.rows)
            if (r.checked.wrong.empty())
                grow(r.problem.device, r.problem.dtype, buffers(r.direction, r.problem.spec.adds()), r.sets,
                     tensor_bytes(r.problem), largest_output(r.problem));
        for (const Limit& l : plan.limits) grow(l.device, l.dtype, buffers(l.direction), l.sets, l.bytes, l.bytes);
        for (const auto& [key, room] : rooms_) arenas_.try_emplace(key, key.first, key.second, room.first, room.second);
    }
    const Arena& of(Device device, DType dtype) const { return arenas_.at({device, dtype}); }

private:
    void grow(Device device, DType dtype, const Buffers& of, std::size_t sets, std::size_t bytes,
              std::size_t output_bytes) {
        auto& [inputs, outputs] = rooms_[{device, dtype}];
        inputs = std::max(inputs, Arena::room(of.inputs * sets, bytes));
        outputs = std::max(outputs, Arena::room(of.outputs * sets, output_bytes));
    }
    std::map<std::pair<Device, DType>, std::pair<std::size_t, std::size_t>> rooms_;
    std::map<std::pair<Device, DType>, Arena> arenas_;
};

// Calls `call(set)` for one set after another: all of them once, untimed, then as often as Google Benchmark asks. A
// call that alone is as long as a repetition should be needs no warming up.
template <class F>
void repeat(benchmark::State& state, Device device, std::size_t sets, bool warm_up, F&& call) {
    for (std::size_t set = 0; warm_up && set < sets; ++set) call(set);
    synchronize(device);
    Stopwatch watch(device);
    std::size_t set = 0;
    watch.start();
    for (auto _ : state) {
        call(set);
        if (++set == sets) set = 0;
    }
    state.SetIterationTime(watch.stop());
}

void run_row(benchmark::State& state, const Row& row, const Parameters& parameters, const Arena& arena) {
    const std::size_t bytes = tensor_bytes(row.problem);
    const bool warm_up = row.checked.seconds < longest;
    Call call(row.problem, *row.implementation, row.threads, parameters, row.sets);
    const bool adds = row.problem.spec.adds();
    const Buffers of = buffers(row.direction, adds);
    const auto input = [&](std::size_t set, std::size_t i) { return arena.input(of.inputs * set + i, bytes); };
    const auto output = [&](std::size_t set, std::size_t i) {
        return arena.output(of.outputs * set + i, largest_output(row.problem));
    };
    const auto forward = [&](std::size_t set) {
        if (adds) call.forward(input(set, 0), output(set, 0), set, input(set, 1), output(set, 1));
        else call.forward(input(set, 0), output(set, 0), set);
    };
    if (row.direction == Direction::forward) return repeat(state, row.problem.device, row.sets, warm_up, forward);
    // what backward reads of forward: what is saved, and s; x and residual then are dy and ds
    for (std::size_t set = 0; set < row.sets; ++set) forward(set);
    repeat(state, row.problem.device, row.sets, warm_up, [&](std::size_t set) {
        if (adds) call.backward(output(set, 1), input(set, 0), output(set, 0), set, input(set, 1));
        else call.backward(input(set, 0), input(set, 1), output(set, 0), set);
    });
}

void run_limit(benchmark::State& state, const Limit& limit, const Arena& arena) {
    const std::size_t inputs = tensors(limit.direction) - 1;
    repeat(state, limit.device, limit.sets, true, [&](std::size_t set) {
        void* a = arena.output(set, limit.bytes);
        const void *b = arena.input(inputs * set, limit.bytes), *c = arena.input(inputs * (set + 1) - 1, limit.bytes);
        if (limit.device == Device::host) stream(limit.direction, limit.stores, limit.threads, a, b, c, limit.bytes);
        else enqueue_copy(limit.device, a, b, limit.bytes, nullptr);
    });
}

// How often each call is repeated, and how many calls make one repetition.
struct Schedule {
    int repetitions = most_repetitions;
    double share = longest;
    benchmark::IterationCount calls(double seconds) const {
        return std::max<benchmark::IterationCount>(
            1, static_cast<benchmark::IterationCount>(std::ceil(share / std::max(seconds, 1e-7))));
    }
};

// What takes longer than its share of the budget takes one call; the others divide the rest.
Schedule schedule(std::vector<double> seconds, double budget) {
    std::ranges::sort(seconds, std::greater<>());
    Schedule s;
    for (;; s.repetitions -= 2) {
        double left = budget / s.repetitions;
        std::size_t remaining = seconds.size();
        for (double t : seconds) {
            if (t < left / static_cast<double>(remaining)) break;
            left -= t < longest ? 2 * t : t, --remaining;  // warming up takes as long
        }
        s.share = remaining ? std::min(longest, left / static_cast<double>(remaining)) : longest;
        if (s.share >= shortest || s.repetitions <= least_repetitions) break;
    }
    s.share = std::max(s.share, shortest);
    return s;
}

double rough_seconds(const Limit& l) {
    return static_cast<double>(tensors(l.direction) * l.bytes) / (l.device == Device::host ? 2e10 : 1e12) + 1e-7;
}

std::string json_text(const TimingPlan& plan, Collector& collector, const std::unordered_map<std::string, Row*>& rows) {
    std::ostringstream text;
    benchmark::JSONReporter json;
    json.SetOutputStream(&text);
    json.SetErrorStream(&text);
    if (system::interrupted()) benchmark::AddCustomContext(interrupted_word, "true");
    json.ReportContext({});
    for (auto& runs : collector.reports) {
        if (std::ranges::any_of(runs, passed))
            std::erase_if(runs, [](const auto& run) {
                return passed(run) || run.run_type != benchmark::BenchmarkReporter::Run::RT_Iteration;
            });
        if (runs.empty()) continue;
        for (auto& run : runs) {
            // names that no run changes
            run.run_name.iterations.clear(), run.run_name.repetitions.clear(), run.run_name.time_type.clear();
            const auto row = rows.find(run.run_name.function_name);
            if (run.error_occurred || row == rows.end()) continue;
            const Row& r = *row->second;
            run.counters["minimal_bytes"] = static_cast<double>(r.minimal);
            run.counters["error_over_bound"] = r.checked.ratio;
            run.counters["part_of_limit"] = r.part_of_limit;
            run.counters["limit_bytes_per_second"] = plan.limits[r.limit].bytes_per_second();
            if (r.against_others) run.counters["against_others"] = *r.against_others;
            if (!r.over_alone) continue;
            run.counters["time_over_alone"] = r.over_alone->time;
            run.counters["bytes_over_alone"] = r.over_alone->bytes;
        }
        json.ReportRuns(runs);
    }
    json.Finalize();
    std::string document = text.str();
    document.insert(document.find('{') + 1,
                    fmt::format("\n  \"header\": {},", io::report_header("normlab bench").dump()));
    return io::valid_utf8(document);  // a plug-in's message may be in any encoding
}

}  // namespace

std::string time(TimingPlan& plan, const Timing& timing, const Progress& progress, const Watch& watch,
                 const std::function<void(const Row&)>& timed) {
    initialize_google_benchmark();
    std::vector<double> estimates;
    for (const Row& r : plan.rows)
        if (r.checked.wrong.empty()) estimates.push_back(r.checked.seconds);
    for (const Limit& l : plan.limits) estimates.push_back(rough_seconds(l));
    const Schedule plan_of_time = schedule(estimates, timing.seconds);
    const Arenas arenas(plan);
    std::size_t done = 0;
    const std::size_t total = estimates.size() * static_cast<std::size_t>(plan_of_time.repetitions);
    const auto add = [&](const std::string& name, double seconds, auto run) {
        benchmark::RegisterBenchmark(name.c_str(),
                                     [&progress, &done, total, run](benchmark::State& state) {
                                         if (system::interrupted()) return pass(state);
                                         try {
                                             run(state);
                                         } catch (const std::exception& e) {
                                             state.SkipWithError(e.what());
                                         }
                                         progress(++done, total);
                                     })
            ->UseManualTime()
            ->Iterations(plan_of_time.calls(seconds))
            ->Repetitions(plan_of_time.repetitions)
            ->Unit(benchmark::kMicrosecond);
    };
    std::unordered_map<std::string, Row*> rows;
    std::unordered_map<std::string, std::vector<double>*> samples;
    for (Row& r : plan.rows) {
        const std::string name = r.title();
        rows[name] = &r, samples[name] = &r.seconds;
        if (!r.checked.wrong.empty()) {
            benchmark::RegisterBenchmark(name.c_str(), [&r](benchmark::State& state) {
                state.SkipWithError(("wrong: " + r.checked.wrong).c_str());
            });
            continue;
        }
        add(name, r.checked.seconds,
            [&r, &arenas, &watch, parameters = Parameters(r.problem, 1)](benchmark::State& state) {
                const Turn turn(watch, *r.implementation, r.id());
                run_row(state, r, parameters, arenas.of(r.problem.device, r.problem.dtype));
            });
    }
    for (Limit& l : plan.limits) {
        samples[l.name] = &l.seconds;
        add(l.name, rough_seconds(l),
            [&l, &arenas](benchmark::State& state) { run_limit(state, l, arenas.of(l.device, l.dtype)); });
    }
    const auto take = [&](const benchmark::BenchmarkReporter::Run& run) {
        const std::string& name = run.run_name.function_name;
        const auto row = rows.find(name);
        if (passed(run)) return;
        if (run.error_occurred) {
            if (row == rows.end()) throw Failure(fmt::format("{}: {}", name, run.error_message));
            if (row->second->checked.wrong.empty()) row->second->checked.wrong = run.error_message;
            return;
        }
        std::vector<double>& seconds = *samples.at(name);
        seconds.push_back(run.real_accumulated_time / static_cast<double>(run.iterations));
        if (row == rows.end() || std::ssize(seconds) < plan_of_time.repetitions || !timed) return;
        row->second->time = summarize(seconds);
        timed(*row->second);
    };
    Collector collector(take);
    benchmark::RunSpecifiedBenchmarks(&collector, ".");
    derive(plan);
    const std::string text = json_text(plan, collector, rows);
    benchmark::ClearRegisteredBenchmarks();
    return text;
}

}  // namespace normlab::bench
