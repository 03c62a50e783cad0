#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "bench/call.hpp"
#include "bench/machine.hpp"
#include "bench/run.hpp"
#include "norms/names.hpp"
#include "system/interrupt.hpp"
#include "system/memory_budget.hpp"

namespace normlab::bench {
namespace {

constexpr double cold_factor = 2;  // the sets that a cold row rotates over are this many times the last cache

const std::string no_memory = "not enough memory";

std::vector<const Implementation*> chosen(const Selection& s, const Watch& watch) {
    const auto available = [&](const Implementation& i) {
        const Turn turn(watch, i, i.name());
        return s.killed.contains(i.name()) ? Support{} : i.available();
    };
    std::vector<const Implementation*> list;
    for (const std::string& name : s.implementations) {
        list.push_back(&find_implementation(name));
        if (const Support there = available(*list.back()); !there)
            throw Error(fmt::format("{} cannot run here: {}", name, there.reason));
    }
    if (s.implementations.empty())
        for (const Implementation* i : implementations())
            // the reference is never optimised: seconds a call
            if (i->name() != "reference" && available(*i)) list.push_back(i);
    return list;
}

std::string label(const Workload& w) { return w.text('/', ':'); }

// What it is compared with: itself where there is nothing.
Workload plainer(Workload w) {
    if (!w.output) w.residual = Residual::none;
    w.output.reset(), w.scale = Scale::given, w.scale_power_of_two = w.scale_inverse = false;
    return w;
}

// With one channel or one position both layouts are the same memory.
std::vector<Layout> layouts_of(const Workload& w, const std::vector<Layout>& asked) {
    std::vector<Layout> layouts = asked;
    if (asked.empty())
        layouts = w.both_layouts ? std::vector{Layout::channels_first, Layout::channels_last} : std::vector{w.layout};
    if (w.shape.S == 1 || w.shape.C == 1) layouts.resize(1);
    return layouts;
}

class Planner {
public:
    Planner(const Selection& s, const Watch& watch) : s_(s), watch_(watch), implementations_(chosen(s, watch)) {
        plan_.workloads = s.workloads;
        for (const Workload& w : s.workloads) compared_[label(plainer(plainer(w)))].push_back(w.spec());
    }

    TimingPlan make() {
        for (std::size_t w = 0; w < s_.workloads.size(); ++w)
            for (Layout layout : layouts_of(s_.workloads[w], s_.layouts))
                for (DType dtype : s_.dtypes.empty() ? std::vector{s_.workloads[w].dtype} : s_.dtypes)
                    for (Mode mode : s_.modes)
                        add(w, {s_.workloads[w].spec(), s_.workloads[w].shape, dtype, layout, mode});
        for (const auto& [reason, examples] : left_out_)
            plan_.left_out.push_back(
                fmt::format("{} ({}{})", reason, *examples.begin(),
                            examples.size() > 1 ? fmt::format(" and {} more", examples.size() - 1) : ""));
        return std::move(plan_);
    }

private:
    void add(std::size_t w, const Problem& problem) {
        const std::string text =
            fmt::format("{} {} {}", s_.workloads[w].text(), name_of(problem.dtype), name_of(problem.layout));
        const auto leave_out = [&](const std::string& reason) { left_out_[reason].insert(text); };
        if (problem.mode == Mode::eval && problem.spec.running == Running::none)
            return leave_out(
                fmt::format("{} keeps no running statistics: evaluation is what training is", problem.spec.variant));
        try {
            validate(problem);
        } catch (const Error& e) {
            return leave_out(e.what());
        }
        for (Direction direction : s_.directions) {
            if (problem.mode == Mode::eval && direction == Direction::backward) continue;
            if (problem.spec.output && direction == Direction::backward) {
                leave_out("backward is that of the layer without an output");
                continue;
            }
            for (int threads : s_.threads)
                for (std::size_t cache = 0; cache < std::max<std::size_t>(1, s_.caches.size()); ++cache)
                    for (const Implementation* i : implementations_) {
                        // threads are the host's
                        if (i->device() == Device::cuda && threads != s_.threads.front()) continue;
                        Row row{.workload = w,
                                .problem = problem,
                                .direction = direction,
                                .threads = threads,
                                .implementation = i};
                        row.problem.device = i->device();
                        row.name = name_of_case(s_.workloads[w], row);
                        if (problem.spec.adds() || problem.spec.output)
                            row.alone = name_of_case(plainer(s_.workloads[w]), row);
                        row.checked.wrong = death_of(row);
                        if (const Support supported = row.checked.wrong.empty() ? supports(row) : Support{};
                            !supported) {
                            leave_out(fmt::format("{} declines: {}", i->name(), supported.reason));
                            continue;
                        }
                        if (const std::string reason =
                                place(row, s_.caches.empty() ? std::nullopt : std::optional(s_.caches[cache]));
                            !reason.empty())
                            leave_out(reason);
                        else plan_.rows.push_back(row);
                    }
        }
    }

    static std::string name_of_case(const Workload& w, const Row& row) {
        return fmt::format("{}/{}/{}/{}/{}/threads:{}/", label(w), name_of(row.problem.dtype),
                           name_of(row.problem.layout), name_of(row.problem.mode), name_of(row.direction), row.threads);
    }
    std::string death_of(const Row& row) const {
        for (const std::string& who : {row.id(), row.implementation->name()})
            if (const auto found = s_.killed.find(who); found != s_.killed.end()) return found->second;
        return {};
    }
    Support supports(const Row& row) const {
        const Turn turn(watch_, *row.implementation, row.id());
        return row.implementation->supports(row.problem);
    }

    // Buffers and limits of a row; or why it has none.
    std::string place(Row& row, std::optional<Cache> asked) {
        const std::size_t bytes = tensor_bytes(row.problem), set = call_bytes(row.problem, row.direction);
        const LastCache& last = caches_.try_emplace(row.problem.device, last_cache(row.problem.device)).first->second;
        std::size_t most = 0;  // layers that are compared are in the same cache
        for (Problem of = row.problem;
             const Spec& spec : compared_.at(label(plainer(plainer(s_.workloads[row.workload])))))
            of.spec = spec, most = std::max(most, call_bytes(of, row.direction));
        const bool fits = most <= last.one;
        row.cache = asked.value_or(fits && row.problem.device == Device::host ? Cache::warm : Cache::cold);
        row.name += name_of(row.cache), row.alone += row.alone.empty() ? "" : name_of(row.cache);
        row.minimal = minimal_bytes(row.problem, row.direction);
        const auto sets_of = [&](std::size_t in_set) {
            const double cold = cold_factor * static_cast<double>(last.all);
            return row.cache == Cache::warm ? 1 : static_cast<std::size_t>(cold) / in_set + 1;
        };
        row.sets = sets_of(set);
        const bool on_device = row.problem.device == Device::cuda;
        const double buffers = 1.1 * static_cast<double>(row.sets * std::max(set, set - y_bytes(row.problem) + bytes)),
                     need = gate_bytes(row.problem) + (on_device ? 0 : buffers);
        if (on_device && buffers > system::share_of_memory * static_cast<double>(cuda_device().free_bytes))
            return fmt::format("{:.0f} GiB of device memory are needed, more than {:.0f} % of what is free",
                               buffers / 0x1p30, 100 * system::share_of_memory);
        if (need > system::memory_budget())
            return fmt::format("{:.0f} GiB of memory are needed, more than {:.0f} % of this machine's", need / 0x1p30,
                               100 * system::share_of_memory);
        if (on_device) {  // the device's own copy of something large
            row.limits.push_back(limit_of(row, Stores::plain, 1, std::max(std::size_t{256} << 20, 8 * last.all), 1));
            return {};
        }
        const std::size_t sets = sets_of(tensors(row.direction) * bytes);
        for (int threads : std::set{1, row.threads})
            for (Stores stores : {Stores::plain, Stores::non_temporal})
                if (stores == Stores::plain || has_non_temporal_stores())
                    row.limits.push_back(limit_of(row, stores, threads, bytes, sets));
        return {};
    }

    std::size_t limit_of(const Row& row, Stores stores, int threads, std::size_t bytes, std::size_t sets) {
        const bool host = row.problem.device == Device::host;
        Limit limit{.device = row.problem.device,
                    .dtype = row.problem.dtype,
                    .direction = host ? row.direction : Direction::forward,
                    .stores = stores,
                    .threads = threads,
                    .bytes = bytes,
                    .sets = sets};
        limit.name = host ? fmt::format("limit/{}/{}/bytes:{}/threads:{}/{}",
                                        limit.direction == Direction::forward ? "copy" : "triad", name_of(stores),
                                        bytes, threads, name_of(row.cache))
                          : fmt::format("limit/device copy/bytes:{}", bytes);
        const auto found = std::ranges::find(plan_.limits, limit.name, &Limit::name);
        if (found != plan_.limits.end()) return static_cast<std::size_t>(found - plan_.limits.begin());
        plan_.limits.push_back(std::move(limit));
        return plan_.limits.size() - 1;
    }

    const Selection& s_;
    const Watch& watch_;
    std::vector<const Implementation*> implementations_;
    std::map<Device, LastCache> caches_;
    std::map<std::string, std::vector<Spec>> compared_;  // by the label of the plainest
    std::map<std::string, std::set<std::string>> left_out_;
    TimingPlan plan_;
};

}  // namespace

TimingPlan make_plan(const Selection& selection, const Watch& watch) { return Planner(selection, watch).make(); }

// Rows that share numbers and truth are checked together; each implementation once for each number of threads.
void check(TimingPlan& plan, const Progress& progress, const Watch& watch) {
    using Key = std::tuple<std::size_t, Layout, DType, Mode>;
    const auto key = [](const Row& r) { return Key{r.workload, r.problem.layout, r.problem.dtype, r.problem.mode}; };
    std::size_t done = 0;
    for (auto first = plan.rows.begin(); first != plan.rows.end();) {
        if (system::interrupted()) {
            plan.unchecked = static_cast<std::size_t>(plan.rows.end() - first);
            plan.rows.erase(first, plan.rows.end());
            return;
        }
        const auto last = std::find_if(first, plan.rows.end(), [&](const Row& r) { return key(r) != key(*first); });
        const bool backward = std::any_of(first, last, [](const Row& r) { return r.direction == Direction::backward; });
        Problem host = first->problem;
        host.device = Device::host;
        const Gate gate(plan.workloads[first->workload], host, backward);
        std::map<std::pair<const Implementation*, int>, Gate::Result> results;
        for (auto row = first; row != last; ++row) {
            if (!row->checked.wrong.empty()) {  // it ended an earlier process
                progress(++done, plan.rows.size());
                continue;
            }
            const auto [found, fresh] = results.try_emplace({row->implementation, row->threads});
            if (fresh) {
                const Turn turn(watch, *row->implementation, row->id());
                try {
                    found->second = gate.check(*row->implementation, row->threads);
                } catch (const std::bad_alloc&) {
                    found->second.forward.wrong = found->second.backward.wrong = no_memory;
                } catch (const std::exception& e) {  // an implementation that fails on a correct call is wrong
                    found->second.forward.wrong = found->second.backward.wrong = e.what();
                }
            }
            row->checked = row->direction == Direction::forward ? found->second.forward : found->second.backward;
            progress(++done, plan.rows.size());
        }
        first = last;
    }
    for (const Row& r : plan.rows)
        if (r.checked.wrong == no_memory) plan.left_out.push_back(r.title() + ": " + no_memory);
    std::erase_if(plan.rows, [](const Row& r) { return r.checked.wrong == no_memory; });
    if (plan.rows.empty()) throw Error("nothing to time: " + plan.left_out.front());
}

}  // namespace normlab::bench
