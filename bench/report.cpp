#include "bench/report.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "bench/machine.hpp"
#include "norms/names.hpp"
#include "system/interrupt.hpp"

namespace normlab::bench {
namespace {

std::string time_text(double seconds) {
    if (seconds < 1e-3) return fmt::format("{:.1f} us", seconds * 1e6);
    return seconds < 1 ? fmt::format("{:.2f} ms", seconds * 1e3) : fmt::format("{:.2f} s ", seconds);
}

std::string case_text(const TimingPlan& plan, const Row& r) {
    return fmt::format("{} {} {} {}{}", plan.workloads[r.workload].text(), name_of(r.problem.dtype),
                       name_of(r.problem.layout), r.problem.mode == Mode::eval ? "eval " : "", name_of(r.direction));
}

bool wrong(const Row& r) { return !r.checked.wrong.empty(); }

std::size_t width_of_cases(const TimingPlan& plan) {
    std::size_t width = 4;
    for (const Row& r : plan.rows) width = std::max(width, case_text(plan, r).size());
    return width;
}

std::string row_text(const TimingPlan& plan, const Row& r, std::size_t width, bool first) {
    std::string line = fmt::format("{:<{}} {:>7} {:<5} {:<10}", first ? case_text(plan, r) : "", width, r.threads,
                                   name_of(r.cache), r.implementation->name());
    if (wrong(r)) return line + " WRONG, not timed\n";
    if (!r.timed()) return line + " not timed\n";
    return line + fmt::format(" {:>10} {:>6.1f} % {:>7.2f} {:>6.1f} % {:>8} {:>9.2g}\n", time_text(r.time.median),
                              100 * r.time.spread, r.bytes_per_second() / 1e9, 100 * r.part_of_limit,
                              r.against_others ? fmt::format("{:.2f} x", *r.against_others) : "-", r.checked.ratio);
}

// The limits that rows are measured against, each once.
std::vector<const Limit*> limits_used(const TimingPlan& plan) {
    std::vector<const Limit*> used;
    for (std::size_t i = 0; i < plan.limits.size(); ++i)
        if (std::ranges::any_of(plan.rows, [&](const Row& r) { return r.timed() && r.limit == i; }))
            used.push_back(&plan.limits[i]);
    return used;
}

// What a residual costs, forward x + residual, s and norm against norm, backward with ds against without; and what a y
// of another type does.
std::string over_alone_text(const TimingPlan& plan, std::size_t width) {
    std::string text;
    const Row* worst = nullptr;
    for (const Row& r : plan.rows) {
        if (!r.over_alone) continue;
        if (!worst || r.over_alone->ratio() > worst->over_alone->ratio()) worst = &r;
        text += fmt::format("{:<{}} {:>7} {:<5} {:<10} {:>8.2f} x {:>6.1f} % {:>6.2f} x {:>10.2f}\n",
                            case_text(plan, r), width, r.threads, name_of(r.cache), r.implementation->name(),
                            r.over_alone->time, 100 * r.over_alone->spread, r.over_alone->bytes, r.over_alone->ratio());
    }
    if (!worst) return {};
    return fmt::format("\n{:<{}} {:>7} {:<5} {:<10} {:>10} {:>8} {:>8} {:>10}\n{}largest time/bytes: {:.2f} ({})\n",
                       "with an output, or a residual, over without", width, "threads", "cache", "impl", "time",
                       "spread", "bytes", "time/bytes", text, worst->over_alone->ratio(), worst->title());
}

std::string noise_text(const TimingPlan& plan) {
    std::string text;
    std::size_t count = 0;
    const Row* worst = nullptr;
    for (const Row& r : plan.rows) {
        if (!r.timed() || r.time.spread <= noisy) continue;
        ++count;
        if (!worst || r.time.spread > worst->time.spread) worst = &r;
    }
    if (worst)
        text += fmt::format(
            "warning: noise above {:.0f} % in {} of {} rows, worst {:.0f} % ({}); close other programs and run again\n",
            100 * noisy, count, plan.rows.size(), 100 * worst->time.spread, worst->title());
    for (const Limit* l : limits_used(plan))
        if (l->time.spread > noisy)
            text += fmt::format("warning: {} itself varies by {:.0f} %; percentages of it mean little\n", l->name,
                                100 * l->time.spread);
    return text;
}

// Okabe & Ito's colours: told apart by people with any kind of colour vision.
constexpr std::string_view colours[] = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                        "#56b4e9", "#d55e00", "#f0e442", "#000000"};

}  // namespace

std::string table_text(const TimingPlan& plan) {
    std::string text;
    for (const auto& [key, value] : machine()) text += fmt::format("{:<9} {}\n", key, value);
    const std::size_t width = width_of_cases(plan);
    text += fmt::format("\n{:<{}} {:>7} {:<5} {:<10} {:>10} {:>8} {:>7} {:>8} {:>8} {:>9}\n", "case", width, "threads",
                        "cache", "impl", "median", "spread", "GB/s", "of limit", "vs other", "err/bound");
    const Row* before = nullptr;
    for (const Row& r : plan.rows) {
        const bool first = !before || case_text(plan, *before) != case_text(plan, r);
        text += row_text(plan, r, width, first);
        before = &r;
    }
    text += over_alone_text(plan, width);
    text += "\nlimits measured in this run (best of plain and non-temporal stores)\n";
    for (const Limit* l : limits_used(plan))
        text += fmt::format("  {:<60} {:>7.2f} GB/s {:>6.1f} % spread\n", l->name, l->bytes_per_second() / 1e9,
                            100 * l->time.spread);
    for (const Row& r : plan.rows)
        if (wrong(r)) text += fmt::format("WRONG {}: {}\n", r.title(), r.checked.wrong);
    for (const std::string& reason : plan.left_out) text += fmt::format("left out: {}\n", reason);
    return text + noise_text(plan);
}

std::string timed_line(const TimingPlan& plan, const Row& r) {
    return fmt::format("{} {} {} {} threads: {}, spread {:.1f} %, {:.2f} GB/s, err/bound {:.2g}\n", case_text(plan, r),
                       name_of(r.cache), r.implementation->name(), r.threads, time_text(r.time.median),
                       100 * r.time.spread, r.bytes_per_second() / 1e9, r.checked.ratio);
}

std::string summary_line(const TimingPlan& plan, double seconds) {
    std::size_t timed = 0, wrongs = 0, noisy_rows = 0;
    double worst = 0;
    for (const Row& r : plan.rows) {
        timed += r.timed(), wrongs += wrong(r), noisy_rows += r.timed() && r.time.spread > noisy;
        worst = std::max(worst, r.checked.ratio);
    }
    const auto not_timed = plan.unchecked + static_cast<std::size_t>(std::ranges::count_if(plan.rows, [](const Row& r) {
                               return !r.timed() && r.checked.wrong.empty();
                           }));
    return fmt::format(
        "bench: {} rows timed, {} wrong, {} noisy; worst error/bound {:.3g}; {}{:.1f} s", timed, wrongs, noisy_rows,
        worst, system::interrupted() ? fmt::format("interrupted, {} rows not timed; ", not_timed) : "", seconds);
}

bool all_right(const TimingPlan& plan) { return std::ranges::none_of(plan.rows, wrong); }

Figure figure(const TimingPlan& plan) {
    std::map<std::string, std::string> bars;  // gnuplot data by implementation
    std::vector<std::string> order;
    std::string labels;
    std::string last;
    double y = 0;
    for (const Row& r : plan.rows) {
        if (!r.timed()) continue;
        const std::string& name = r.implementation->name();
        if (std::ranges::find(order, name) == order.end()) order.push_back(name);
        if (r.name != last) {
            y += last.empty() ? 0 : 0.6;
            labels += fmt::format("{}\"{}, {}, {} thread{}\" {}", labels.empty() ? "" : ", ", case_text(plan, r),
                                  name_of(r.cache), r.threads, r.threads > 1 ? "s" : "", y);
            last = r.name;
        }
        const double percent = 100 * r.part_of_limit;
        bars[name] += fmt::format("{} {} 0 {} {} {} \"{}\"\n", percent, y, percent, y - 0.45, y + 0.45,
                                  percent < 10 ? fmt::format("{:.1f}", percent) : fmt::format("{:.0f}", percent));
        y += 1;
    }
    std::string script, plots;
    for (std::size_t i = 0; i < order.size(); ++i) {
        const std::string colour(colours[i % std::size(colours)]);
        script += fmt::format("$d{} << EOD\n{}EOD\n", i, bars[order[i]]);
        plots += fmt::format("{}$d{} using 1:2:3:4:5:6 with boxxyerror fs solid noborder lc rgb '{}' title \"{}\"",
                             i ? ", " : "", i, colour, order[i]);
        plots += fmt::format(", $d{} using 1:2:7 with labels left offset 0.4,0 font ',9' notitle", i);
    }
    const int height = static_cast<int>(110 + 17 * y);
    script += "set ytics nomirror noenhanced scale 0 font ',10' (" + labels + ")\n";
    script +=
        fmt::format("set yrange [{}:-1]\nset xrange [0:105<*]\nset xtics nomirror\nset grid x lc rgb '#cccccc'\n", y);
    script += "set xlabel 'percent of the limit measured in the same run: copy (forward), triad (backward)'\n";
    script +=
        "set border 3\nset key noenhanced outside center top horizontal\nset arrow from 100, graph 0 to 100, graph 1 "
        "nohead dt 2 lc rgb '#555555'\n";
    return {script + "plot " + plots + "\n", 1000, std::max(height, 240)};
}

}  // namespace normlab::bench
