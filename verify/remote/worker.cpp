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

// What a worker answered; nothing: how it ended, or that what it sent is no answer to this question. The plug-in runs
// in that process and may have written there.
struct Answer {
    std::optional<json> said;
    system::Process::Reply reply;
};

// What a plug-in says of itself.
struct Hello {
    std::string name, description, available;
    Device device = Device::host;
    std::map<std::string, Accumulation> accumulation;
    bool updates_state = false;
};

Answer asked(system::Process& worker, json question, double seconds) {
    const int number = worker.answered();
    question["number"] = number;
    Answer a{std::nullopt, worker.ask(io::packed(question), seconds)};
    if (!a.reply.message) return a;
    json said = json::from_cbor(*a.reply.message, true, false);
    a.reply.message.reset();
    if (said.is_object() && said.value("number", json()) == number) a.said = std::move(said);
    else a.reply.death = "sent what is no answer";
    return a;
}

// Errors of the call travel as messages.
template <class Take>
auto read(const json& said, Take take) {
    if (said.contains("out of memory")) throw std::bad_alloc();
    try {
        if (said.contains("error")) throw Error(said.at("error").get<std::string>());
        return take(said);
    } catch (const json::exception& e) {
        throw Failure(fmt::format("sent what is no answer: {}", e.what()));
    }
}

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

    std::string name() const override { return hello_.name; }
    std::string description() const override { return hello_.description; }
    std::string origin() const override { return "--plugin " + system::shell_word(plugin_.text()); }
    Device device() const override { return hello_.device; }
    Support available() const override { return {hello_.available}; }
    Accumulation accumulation(DType dtype) const override {
        const auto at = hello_.accumulation.find(std::string(row_of(dtype).name));
        return at == hello_.accumulation.end() ? Accumulation::sequential : at->second;
    }
    bool updates_state() const override { return hello_.updates_state; }
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
        const Answer answer = ask({{"do", "reason"}, {"case", to_json(c)}}, seconds_for(c), fresh);
        if (!answer.said) return "";  // running it will say what happened
        return read(*answer.said, [](const json& j) { return j.at("reason").get<std::string>(); });
    }

    std::optional<Outcome> run_alone(const std::vector<Case>& cases) const override {
        try {
            const std::unique_ptr<system::Process> worker = start();
            Outcome last;
            for (const Case& c : cases) {
                const Answer a = asked(*worker, {{"do", "run"}, {"case", to_json(c)}}, seconds_for(c));
                if (!a.said) return &c == &cases.back() ? std::optional(dead(c, a.reply)) : std::nullopt;
                last = answered(*a.said, c);
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
        const Answer answer = ask(question, options_.seconds, fresh);
        Case c;
        c.implementation = name();
        if (!answer.said) {
            Outcome o = dead(c, answer.reply);
            o.name = vector;
            return {o};
        }
        return read(*answer.said, [&](const json& said) {
            std::vector<Outcome> all;
            for (const json& j : said.at("outcomes")) {
                c.variant = j.at("variant"), c.implementation = j.at("implementation"), c.dtype = j.at("dtype"),
                c.layout = j.at("layout");
                all.push_back(outcome_from_json(j.at("outcome"), c));
            }
            return all;
        });
    }

private:
    Outcome run_there(const Case& c) const {
        const json question{{"do", "run"}, {"case", to_json(c)}};
        bool fresh = false;
        const Answer there = ask(question, seconds_for(c), fresh);
        if (there.said) return answered(*there.said, c);
        if (there.reply.too_slow) {
            const std::lock_guard guard(lock_);
            ++endless_[c.variant];
            return dead(c, there.reply);
        }
        if (fresh) return dead(c, there.reply);
        // Its process had run other cases: one of them may have done the damage.
        const Answer alone = ask(question, seconds_for(c), fresh, true);
        if (!alone.said) return dead(c, alone.reply);
        return dead(c, there.reply,
                    "no result; run alone it ends: an earlier case of its process may have done the damage");
    }

    // A worker that has loaded the plug-in.
    std::unique_ptr<system::Process> start(Hello* hello = nullptr) const {
        auto process =
            std::make_unique<system::Process>(options_.program, std::vector<std::string>{"worker", plugin_.text()});
        const Answer answer = asked(*process, {{"do", "hello"}}, std::max(seconds_to_load, options_.seconds));
        if (!answer.said) throw Failure(fmt::format("{}: loading it {}", plugin_.text(), answer.reply.death));
        read(*answer.said, [&](const json& said) {
            if (!hello) return;
            said.at("name").get_to(hello->name), said.at("description").get_to(hello->description);
            said.at("device").get_to(hello->device), said.at("available").get_to(hello->available);
            said.at("accumulation").get_to(hello->accumulation);
            said.at("updates_state").get_to(hello->updates_state);
        });
        return process;
    }

    // `fresh`: whether the worker had run nothing before. `alone`: it must not have.
    Answer ask(const json& question, double seconds, bool& fresh, bool alone = false) const {
        std::unique_ptr<system::Process> worker;
        if (const std::lock_guard guard(lock_); !alone && !idle_.empty())
            worker = std::move(idle_.back()), idle_.pop_back();
        if (!worker) worker = start();
        fresh = worker->answered() <= 1;
        Answer answer = asked(*worker, question, seconds);
        const std::lock_guard guard(lock_);
        if (answer.said) idle_.push_back(std::move(worker));
        else ++deaths_, lost_ += answer.reply.seconds;
        return answer;
    }

    static Outcome answered(const json& said, const Case& c) {
        return read(said, [&](const json& j) { return outcome_from_json(j.at("outcome"), c); });
    }

    // Truth in quad alone takes a second for that much.
    double seconds_for(const Case& c) const { return options_.seconds * (1 + bytes_needed(c) / 1e8); }

    PluginName plugin_;
    WorkerOptions options_;
    mutable std::mutex lock_;
    Hello hello_;  // what the first worker said; not written again
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
        const json question = json::from_cbor(message);
        json said;
        try {
            if (!plugin) plugin = &load_attended(name);
            said = answer(*plugin, question);
        } catch (const std::bad_alloc&) {
            said = {{"out of memory", true}};
        } catch (const std::exception& e) {
            said = {{"error", e.what()}};
        }
        said["number"] = question["number"];
        return io::packed(said);
    });
    std::exit(0);
}

}  // namespace normlab::verify
