#include "studies/noise/study.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <thread>

#include <fmt/format.h>

#include "norms/names.hpp"

namespace normlab::noise {
namespace {

struct Task {
    const Experiment* experiment;
    Setting setting;
};

void check(const Settings& s) {
    if (s.ms.empty()) throw Error("no m; numbers in 2..65535 are accepted");
    for (std::int64_t m : s.ms)
        if (m < 2 || m > 65535) throw Error(fmt::format("m = {}; numbers in 2..65535 are accepted", m));
    if (const std::int64_t least = 32 * std::ranges::max(s.ms); s.samples < least || s.samples > std::int64_t{1} << 32)
        throw Error(fmt::format("samples = {}; {} (32 times the largest m) to 2^32 is accepted", s.samples, least));
    if (s.threads < 0) throw Error(fmt::format("threads = {}; 1 or more is accepted", s.threads));
    for (DType d : s.dtypes)
        if (d != DType::f64 && d != DType::f32) throw Error(fmt::format("dtype {}; f64 and f32 are accepted", name_of(d)));
}

std::vector<const Implementation*> chosen(const Settings& s) {
    std::vector<const Implementation*> list;
    for (const std::string& name : s.implementations) {
        list.push_back(&find_implementation(name));
        if (const Support support = list.back()->available(); !support) throw Error(fmt::format("{} cannot run here: {}", name, support.reason));
    }
    if (list.empty())
        for (const Implementation* i : implementations())
            if (i->available()) list.push_back(i);
    return list;
}

}  // namespace

bool Result::held() const {
    return std::ranges::all_of(cells, [](const Cell& c) { return c.held; });
}

Result run(const Settings& settings, const std::function<void(std::size_t, std::size_t)>& progress) {
    const auto start = std::chrono::steady_clock::now();
    check(settings);
    std::vector<Task> tasks;
    for (const Implementation* implementation : chosen(settings))
        for (const DType dtype : settings.dtypes)
            for (const Experiment& experiment : experiments())
                for (const std::int64_t m : settings.ms)
                    for (const Distribution distribution : experiment.distributions)
                        if (experiment.wants(m))
                            tasks.push_back({&experiment, {*implementation, m, distribution, dtype, settings.samples, settings.seed}});

    std::vector<Measured> measured(tasks.size());
    std::atomic<std::size_t> next = 0, done = 0;
    std::exception_ptr error;
    std::mutex error_lock;
    const auto work = [&](bool reports) {
        for (std::size_t i; (i = next++) < tasks.size();) {
            try {
                tasks[i].experiment->run(tasks[i].setting, measured[i]);
            } catch (...) {
                const std::lock_guard lock(error_lock);
                error = std::current_exception();
                next = tasks.size();
            }
            ++done;
            if (reports) progress(done, tasks.size());
        }
    };
    {
        const int threads = settings.threads > 0 ? settings.threads : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
        std::vector<std::jthread> helpers;
        for (int t = 1; t < threads; ++t) helpers.emplace_back(work, false);
        work(true);
    }
    if (error) std::rethrow_exception(error);

    Result result{.settings = settings, .cells = {}, .running_means = {}};
    for (Measured& m : measured) {
        std::ranges::move(m.cells, std::back_inserter(result.cells));
        std::ranges::move(m.running_means, std::back_inserter(result.running_means));
    }
    std::ranges::stable_sort(result.cells, {}, &Cell::row);
    result.level = judge(result.cells, settings.alpha);
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
}

}  // namespace normlab::noise
