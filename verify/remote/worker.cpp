#include "verify/remote/worker.hpp"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "io/json.hpp"
#include "norms/memory.hpp"
#include "system/memory_budget.hpp"
#include "system/process.hpp"
#include "system/shell.hpp"
#include "verify/remote/attendance.hpp"
#include "verify/remote/messages.hpp"
#include "verify/run/memory_need.hpp"
#include "verify/run/run_cases.hpp"

namespace normlab::verify {
namespace {

using nlohmann::json;

constexpr int patience = 3;             // cases of one variant that may fail to end
constexpr double budget_of_deaths = 6;  // all that cases without a result may take, in limits of one case

// The failure of a case that ended its process.
Outcome dead(const Case& c, const system::Process::Reply& reply, const std::string& note = "no result") {
    Outcome o{c, {}, ""};
    Finding f = measured(reply.too_slow ? "time" : "process", std::numeric_limits<double>::infinity(), 0, reply.death);
    f.note = note;
    o.findings = {f};
    return o;
}

class Remote final : public RemotePlugin {
public:
    Remote(const PluginName& plugin, const WorkerOptions& options) : plugin_(plugin), options_(options) {
        if (options_.program.empty()) options_.program = system::this_program();
        // Of the workers: several share the cores, and threads that wait by spinning would keep the others from theirs.
        setenv("OMP_WAIT_POLICY", "passive", 0);
        idle_.push_back(start(&hello_));
    }

    std::string name() const override { return hello_["name"]; }
    std::string description() const override { return hello_["description"]; }
    std::string origin() const override { return "--plugin " + system::shell_word(plugin_.text()); }
    Device device() const override { return hello_["device"]; }
    Support available() const override { return {hello_["available"]}; }
    Accumulation accumulation(DType dtype) const override {
        return hello_["accumulation"].value(std::string(row_of(dtype).name), Accumulation::sequential);
    }
    bool updates_state() const override { return hello_["updates_state"]; }
    Support supports(const Problem&) const override { return {"it runs in processes of its own"}; }
    std::unique_ptr<Plan> plan(const Problem&) const override { throw Error(name() + " runs in processes of its own"); }

    Outcome run(const Case& c) const override {
        {
            const std::lock_guard guard(lock_);
            if (endless_[c.variant] >= patience)
                return {c, {}, fmt::format("{} cases of {} did not end before this one", patience, c.variant)};
            if (const double most = budget_of_deaths * options_.seconds; lost_ > most)
                return {c,
                        {},
                        fmt::format("{} is given up on: {} cases without a result took more than {:g} s", name(),
                                    deaths_, most)};
        }
        try {
            return run_there(c);
        } catch (const Failure& e) {  // no worker any more
            return dead(c, {std::nullopt, e.what()});
        } catch (const std::bad_alloc&) {
            return dead(c, {std::nullopt, "there is not enough memory for what it asks for"});
        }
    }

    std::string reason_to_skip(const Case& c) const override {
        bool fresh = false;
        const system::Process::Reply reply = ask({{"do", "reason"}, {"case", to_json(c)}}, seconds_for(c), fresh);
        return reply.message ? read(*reply.message)["reason"] : "";  // running it will say what happened
    }

    std::optional<Outcome> run_alone(const std::vector<Case>& cases) const override {
        try {
            const std::unique_ptr<system::Process> worker = start();
            Outcome last;
            for (const Case& c : cases) {
                const system::Process::Reply reply =
                    worker->ask(io::packed(json{{"do", "run"}, {"case", to_json(c)}}), seconds_for(c));
                if (!reply.message) return &c == &cases.back() ? std::optional(dead(c, reply)) : std::nullopt;
                last = answered(*reply.message, c);
            }
            return last;
        } catch (const Failure&) {  // it cannot be loaded any more
        } catch (const Error&) {
        } catch (const std::bad_alloc&) {
        }
        return std::nullopt;
    }

    std::vector<Outcome> run_vector(const std::filesystem::path& folder, const std::string& vector,
                                    Selection selection) const override {
        selection.implementations = {name()};
        bool fresh = false;
        const json question{
            {"do", "vector"}, {"folder", folder.string()}, {"vector", vector}, {"selection", to_json(selection)}};
        const system::Process::Reply reply = ask(question, options_.seconds, fresh);
        Case c;
        c.implementation = name();
        if (!reply.message) {
            Outcome o = dead(c, reply);
            o.name = vector;
            return {o};
        }
        const json answered = read(*reply.message);
        std::vector<Outcome> all;
        for (const json& j : answered["outcomes"]) {
            c.variant = j["variant"], c.implementation = j["implementation"], c.dtype = j["dtype"],
            c.layout = j["layout"];
            all.push_back(outcome_from_json(j["outcome"], c));
        }
        return all;
    }

private:
    Outcome run_there(const Case& c) const {
        const json question{{"do", "run"}, {"case", to_json(c)}};
        bool fresh = false;
        const system::Process::Reply reply = ask(question, seconds_for(c), fresh);
        if (reply.message) return answered(*reply.message, c);
        if (reply.too_slow) {
            const std::lock_guard guard(lock_);
            ++endless_[c.variant];
            return dead(c, reply);
        }
        if (fresh) return dead(c, reply);
        // Its process had run other cases: one of them may have done the damage.
        const system::Process::Reply alone = ask(question, seconds_for(c), fresh, true);
        if (!alone.message) return dead(c, alone);
        return dead(c, reply, "no result; run alone it ends: an earlier case of its process may have done the damage");
    }

    // A worker that has loaded the plug-in.
    std::unique_ptr<system::Process> start(json* hello = nullptr) const {
        auto process =
            std::make_unique<system::Process>(options_.program, std::vector<std::string>{"worker", plugin_.text()});
        const system::Process::Reply reply =
            process->ask(io::packed(json{{"do", "hello"}}), std::max(seconds_to_load, options_.seconds));
        if (!reply.message) throw Failure(fmt::format("{}: loading it {}", plugin_.text(), reply.death));
        const json said = read(*reply.message);
        if (hello) *hello = said;
        return process;
    }

    // `fresh`: whether the worker had run nothing before. `alone`: it must not have.
    system::Process::Reply ask(const json& question, double seconds, bool& fresh, bool alone = false) const {
        std::unique_ptr<system::Process> worker;
        if (const std::lock_guard guard(lock_); !alone && !idle_.empty())
            worker = std::move(idle_.back()), idle_.pop_back();
        if (!worker) worker = start();
        fresh = worker->answered() <= 1;
        system::Process::Reply reply = worker->ask(io::packed(question), seconds);
        const std::lock_guard guard(lock_);
        if (reply.message) idle_.push_back(std::move(worker));
        else ++deaths_, lost_ += reply.seconds;
        return reply;
    }

    // Errors of the call travel as messages.
    static json read(const std::string& message) {
        json j = json::from_cbor(message);
        if (j.contains("out of memory")) throw std::bad_alloc();
        if (j.contains("error")) throw Error(j["error"].get<std::string>());
        return j;
    }
    static Outcome answered(const std::string& message, const Case& c) {
        return outcome_from_json(read(message)["outcome"], c);
    }

    // Truth in quad alone takes a second for that much.
    double seconds_for(const Case& c) const { return options_.seconds * (1 + bytes_needed(c) / 1e8); }

    PluginName plugin_;
    WorkerOptions options_;
    mutable std::mutex lock_;
    json hello_;  // what the first worker said; not written again
    mutable std::vector<std::unique_ptr<system::Process>> idle_;
    mutable std::map<std::string, int> endless_;
    mutable int deaths_ = 0;
    mutable double lost_ = 0;  // seconds, in them
};

// What calls did beside the results counts where the case was skipped after them, too.
void add(Outcome& outcome, const std::vector<Finding>& findings) {
    if (!outcome.skipped.empty() &&
        std::ranges::none_of(findings, [](const Finding& f) { return f.verdict == Verdict::fail; }))
        return;
    outcome.skipped.clear();
    outcome.findings.insert(outcome.findings.end(), findings.begin(), findings.end());
}

json answer(const Implementation& plugin, const json& question) {
    const std::string& what = question["do"].get_ref<const std::string&>();
    if (what == "hello") {
        json accumulation;
        for (const DType d : kernel_dtypes) accumulation[std::string(row_of(d).name)] = plugin.accumulation(d);
        return {{"name", plugin.name()},
                {"description", plugin.description()},
                {"device", plugin.device()},
                {"accumulation", accumulation},
                {"available", plugin.available().reason},
                {"updates_state", plugin.updates_state()}};
    }
    if (what == "vector") {
        json outcomes = json::array();
        const Selection selection = selection_from_json(question["selection"]);
        attend_case({});
        auto all =
            run_vectors(question["folder"].get<std::string>(), {question["vector"]}, selection, [](auto, auto) {});
        if (!all.empty()) add(all.back(), attended({}, plugin));
        for (const Outcome& o : all) {
            const Case& c = o.test;
            outcomes.push_back({{"variant", c.variant},
                                {"implementation", c.implementation},
                                {"dtype", c.dtype},
                                {"layout", c.layout},
                                {"outcome", to_json(o)}});
        }
        return {{"outcomes", outcomes}};
    }
    const Case c = case_from_json(question["case"]);
    if (what == "reason") return {{"reason", reason_to_skip(c)}};
    attend_case(c);
    Outcome outcome = run_case(c);
    add(outcome, attended(c, plugin));
    return {{"outcome", to_json(outcome)}};
}

}  // namespace

std::unique_ptr<RemotePlugin> start_plugin(const PluginName& plugin, const WorkerOptions& options) {
    return std::make_unique<Remote>(plugin, options);
}

const RemotePlugin& add_plugin(const PluginName& plugin, const WorkerOptions& options) {
    return static_cast<const RemotePlugin&>(register_implementation(start_plugin(plugin, options)));
}

void serve_plugin(const PluginName& name, int descriptor) {
    system::keep_freed_memory();
    const Implementation* plugin = nullptr;
    system::serve(descriptor, [&](const std::string& message) {
        try {
            if (!plugin) plugin = &load_attended(name);
            return io::packed(answer(*plugin, json::from_cbor(message)));
        } catch (const std::bad_alloc&) {
            return io::packed(json{{"out of memory", true}});
        } catch (const std::exception& e) {
            return io::packed(json{{"error", e.what()}});
        }
    });
    std::exit(0);
}

}  // namespace normlab::verify
