#pragma once
// A run of the benchmark: what is to be timed, the gate, the timing, and what follows from it.

#include <functional>
#include <map>
#include <optional>

#include "bench/gate.hpp"
#include "bench/limit.hpp"

namespace normlab::bench {

/// What is asked for.
struct Selection {
    std::vector<Workload> workloads;
    std::vector<std::string> implementations;  ///< empty: all that can run here but the reference
    std::vector<DType> dtypes;                 ///< empty: the workload's own
    std::vector<Layout> layouts;               ///< likewise
    /// evaluation is timed forward, for variants that keep running statistics
    std::vector<Mode> modes{Mode::train};
    std::vector<Direction> directions{Direction::forward, Direction::backward};
    std::vector<int> threads{1};
    /// empty: warm where all tensors of a call fit into the last cache, otherwise cold
    std::vector<Cache> caches;
    /// rows (by id) and implementations that ended an earlier process, and how: WRONG, and left alone
    std::map<std::string, std::string> killed;
};

/// Called with a row's id (for what concerns no row, an implementation's name) before anything of a plug-in runs, and
/// with "" after: whoever watches from another process then knows what ended this one.
using Watch = std::function<void(const std::string& id)>;

/// One limit: a copy or triad of the size of a row's tensors.
struct Limit {
    std::string name;
    Device device = Device::host;
    DType dtype = DType::f32;  ///< whose arena it runs in
    Direction direction = Direction::forward;
    Stores stores = Stores::plain;
    int threads = 1;
    std::size_t bytes = 0, sets = 1;  ///< of one tensor; how many sets of its tensors it rotates over
    std::vector<double> seconds = {};
    Sample time = {};

    double bytes_per_second() const { return static_cast<double>(bench::tensors(direction) * bytes) / time.median; }
};

/// One implementation on one case.
struct Row {
    std::string name;          ///< of the case, the same for all implementations
    std::size_t workload = 0;  ///< in TimingPlan
    Problem problem;
    Direction direction = Direction::forward;
    int threads = 1;
    Cache cache = Cache::warm;
    const Implementation* implementation = nullptr;
    std::size_t sets = 1;     ///< of tensors, rotated over
    std::size_t minimal = 0;  ///< bytes (model.hpp)
    std::vector<std::size_t> limits = {};
    Checked checked = {};
    std::vector<double> seconds = {};
    Sample time = {};
    std::size_t limit = 0;     ///< the fastest of limits
    double part_of_limit = 0;  ///< minimal bytes a second over the limit's bytes a second
    /// time of the fastest other implementation on this case over this one's
    std::optional<double> against_others = {};
    std::string alone = {};  ///< with a y of another type, or else a residual: the name of the case without
    /// Over the same implementation's row without that.
    struct OverAlone {
        double time, bytes;
        double spread;  ///< of both medians
        double ratio() const { return time / bytes; }
    };
    std::optional<OverAlone> over_alone = {};

    bool timed() const { return !seconds.empty(); }
    double bytes_per_second() const { return static_cast<double>(minimal) / time.median; }
    std::string title() const { return name + "/" + implementation->name(); }
    std::string id() const { return case_name() + "/" + implementation->name(); }
    std::string case_name() const { return name.substr(0, name.rfind('/')); }  ///< without the cache
};

struct TimingPlan {
    std::vector<Workload> workloads;
    std::vector<Row> rows;  ///< rows of one case stand together
    std::vector<Limit> limits;
    std::vector<std::string> left_out = {};  ///< why something asked for has no row
    std::size_t unchecked = 0;               ///< rows that a signal took before they were checked
};

using Progress = std::function<void(std::size_t done, std::size_t total)>;

/// Throws Error for an unknown implementation or one that cannot run here.
TimingPlan make_plan(const Selection& selection, const Watch& watch = {});

/// Fills `checked` of every row. A signal (system/interrupt.hpp) takes the rows that were not checked yet.
void check(TimingPlan& plan, const Progress& progress, const Watch& watch = {});

struct Timing {
    /// for all repetitions together, roughly; the number of repetitions falls from 9 to 3 where it does not suffice
    double seconds = 180;
};

/// Times every row that is not wrong, and the limits, by Google Benchmark: repetitions in random order. Fills
/// everything that follows. Returns Google Benchmark's JSON document, its context extended by machine(), each run by
/// the counters minimal_bytes, error_over_bound, part_of_limit, against_others and, with a residual or a y of another
/// type, time_over_alone and bytes_over_alone. `timed` is called with each row whose last repetition is done. After a
/// signal nothing further is begun, and the document says that it was interrupted.
std::string time(TimingPlan& plan, const Timing& timing, const Progress& progress, const Watch& watch = {},
                 const std::function<void(const Row&)>& timed = {});

/// From the seconds of rows and limits, what follows: medians, parts of limits, ratios.
void derive(TimingPlan& plan);

/// Watched from its making to its end, if it is a plug-in's turn.
class Turn {
public:
    Turn(const Watch& watch, const Implementation& implementation, const std::string& id)
        : watch_(implementation.origin().empty() ? nullptr : &watch) {
        if (watch_ && *watch_) (*watch_)(id);
    }
    ~Turn() {
        if (watch_ && *watch_) (*watch_)("");
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

private:
    const Watch* watch_;
};

}  // namespace normlab::bench
