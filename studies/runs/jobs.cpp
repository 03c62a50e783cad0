#include "studies/runs/jobs.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/error.hpp"
#include "io/json.hpp"
#include "norms/memory.hpp"
#include "studies/data/digits.hpp"
#include "studies/runs/records.hpp"
#include "system/interrupt.hpp"
#include "system/parallel.hpp"
#include "system/process.hpp"

namespace normlab::studies {
namespace {

constexpr double for_ever = 1e9;

data::Split load(const Study& study, const std::string& data) {
    if (!study.uses_data) return {};
    if (!data.empty()) return data::load(data);
    const data::Split digits = data::digits();
    return {data::mixed(digits.train), data::mixed(digits.test)};
}

class Crew {
public:
    Crew(const Study& study, const std::vector<Run>& runs, const Jobs& jobs,
         const std::function<void(const Progress&)>& show)
        : study_(study), runs_(runs), jobs_(jobs), show_(show), records_(runs.size()), part_(runs.size(), 0.0) {
        const std::string data = describe_data(study, jobs.data);
        for (std::size_t k = 0; k < runs.size(); ++k) {
            records_[k] = {study.name, runs[k].name, commit(), data, runs[k].settings, {}};
            if (jobs.fresh && !jobs.force) require_record(jobs.out, runs[k]);
            if (jobs.fresh) todo_.push_back(k);
            else if (const auto found = find_record(jobs.out, records_[k], runs[k])) records_[k] = *found, part_[k] = 1;
            else todo_.push_back(k);
        }
        found_ = part_;
        // The longest first: no process is left alone with one at the end.
        std::ranges::stable_sort(todo_, std::greater(), [&](std::size_t k) { return runs[k].seconds; });
    }

    std::vector<Record> all() {
        system::on_threads(std::min(jobs_.processes, static_cast<int>(todo_.size())), [this](int) { work(); });
        if (!failed_.empty())
            throw Failure(fmt::format(
                "{} of {} runs failed, the others' records are in {}; the same call makes what is missing\n  {}",
                failed_.size(), runs_.size(), jobs_.out.string(), fmt::join(failed_, "\n  ")));
        return std::move(records_);
    }

private:
    std::optional<std::size_t> next() {
        const std::lock_guard guard(lock_);
        if (stopped_ || at_ == todo_.size()) return std::nullopt;
        return todo_[at_++];
    }

    void work() {
        std::unique_ptr<system::Process> worker;
        while (const auto k = next()) {
            try {
                if (!worker)
                    worker = std::make_unique<system::Process>(system::this_program(),
                                                               std::vector<std::string>{"study-worker"});
                const json question{{"study", study_.name}, {"settings", runs_[*k].settings}, {"data", jobs_.data}};
                system::Process::Reply reply = worker->ask(io::packed(question), for_ever);
                json said;
                for (; reply.message; reply = worker->listen(for_ever)) {
                    said = json::from_cbor(*reply.message);
                    if (!said.contains("part")) break;
                    tell(*k, said["part"]);
                }
                if (!reply.message) {
                    if (system::interrupted()) throw system::Interrupted();  // it was sent to both
                    worker.reset();
                    throw Failure(reply.death);
                }
                if (said.contains("error")) throw Error(said["error"].get<std::string>());
                if (said.contains("failure")) throw Failure(said["failure"].get<std::string>());
                records_[*k].result = std::move(said["result"]);
                write_record(record_path(jobs_.out, runs_[*k]), records_[*k]);
                // NaN is null there: what is reported does not depend on which call made it
                records_[*k] = read_record(record_path(jobs_.out, runs_[*k]));
                tell(*k, 1);
            } catch (const Failure& e) {
                const std::lock_guard guard(lock_);
                failed_.push_back(runs_[*k].name + ": " + e.what());
            } catch (...) {
                const std::lock_guard guard(lock_);
                stopped_ = true;
                throw;
            }
        }
    }

    void tell(std::size_t k, double part) {
        const std::lock_guard guard(lock_);
        part_[k] = part;
        double done = 0, total = 0, made = 0;
        for (std::size_t i = 0; i < runs_.size(); ++i) {
            const double weight = std::max(runs_[i].seconds, 1e-3);
            total += weight, done += weight * part_[i], made += weight * (part_[i] - found_[i]);
        }
        const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
        show_({static_cast<std::size_t>(std::ranges::count(part_, 1.0)), runs_.size(), done / total,
               made > 0 ? elapsed * (total - done) / made : -1});
    }

    const Study& study_;
    const std::vector<Run>& runs_;
    const Jobs& jobs_;
    const std::function<void(const Progress&)>& show_;
    std::vector<Record> records_;
    std::vector<double> part_, found_;
    std::vector<std::size_t> todo_;
    std::size_t at_ = 0;
    std::mutex lock_;
    bool stopped_ = false;
    std::vector<std::string> failed_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

std::string describe_data(const Study& study, const std::string& data) {
    return study.uses_data ? load(study, data).train.description : "none";
}

std::vector<Record> make_records(const Study& study, const std::vector<Run>& runs, const Jobs& jobs,
                                 const std::function<void(const Progress&)>& show) {
    const auto cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
    // of the workers; results do not depend on it
    setenv("OMP_NUM_THREADS", std::to_string(std::max(1, cores / std::max(1, jobs.processes))).c_str(), 1);
    return Crew(study, runs, jobs, show).all();
}

void serve_runs(int descriptor) {
    std::optional<data::Split> data;  // a worker serves one study
    system::serve(descriptor, [&](const std::string& message) {
        const json question = json::from_cbor(message);
        try {
            const Study& study = find_study(question["study"]);
            if (!data) data = load(study, question["data"]);
            const Context context{*data, [&](double part) {
                                      system::tell(descriptor, io::packed(json{{"part", part}}));
                                  }};
            return io::packed(json{{"result", study.run(question["settings"], context)}});
        } catch (const Failure& e) {
            return io::packed(json{{"failure", e.what()}});
        } catch (const std::bad_alloc&) {
            return io::packed(json{{"failure", "out of memory"}});
        } catch (const std::exception& e) {
            return io::packed(json{{"error", e.what()}});
        }
    });
    std::abort();  // serve does not return
}

}  // namespace normlab::studies
