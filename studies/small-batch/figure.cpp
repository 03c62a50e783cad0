// The figure: error against either batch, against the number of groups, and by the way of evaluation.
#include <fmt/format.h>

#include "studies/runs/panels.hpp"
#include "studies/small-batch/results.hpp"

namespace normlab::studies::small_batches {
namespace {

struct Named {
    const char *norm, *title;
    int style;
};
constexpr Named norms[] = {{"bn", "batch", 0},    {"brn", "batch renorm", 1}, {"gn", "group", 2}, {"ln", "layer", 3},
                           {"in", "instance", 4}, {"wn", "weight", 5},        {"none", "none", 6}};

template <class F>
Curve curve(const std::string& title, int style, const std::vector<std::int64_t>& xs, F values) {
    Curve c{title, style, {}};
    for (const std::int64_t x : xs)
        if (const BySeed errors = values(x) * 100; !errors.empty())
            c.points.push_back({static_cast<double>(x), mean_of(errors)});
    return c;
}

void add(Panel& panel, Curve curve) {
    if (!curve.points.empty()) panel.curves.push_back(std::move(curve));
}

}  // namespace

Figure figure(const Results& r) {
    const std::vector<std::int64_t> slices = r.normalisation_batches(), batches = r.batches(), groups = r.groups();
    const std::int64_t full = r.fixed_batch();
    const std::string error = "test error, %";
    constexpr auto range = Panel::Range::logarithmic_errors;
    Panel fixed{fmt::format("Optimiser’s batch {}, normalised in parts", full),
                "normalisation batch",
                error,
                powers_of_two(slices),
                {},
                Panel::no_floor,
                range};
    Panel equal{"Normalised whole",
                "optimiser’s batch = normalisation batch",
                error,
                powers_of_two(batches),
                {},
                Panel::no_floor,
                range};
    Panel counts{fmt::format("Groups, optimiser’s batch {}", full),
                 "groups",
                 error,
                 powers_of_two(groups),
                 {},
                 Panel::no_floor,
                 range};
    Panel evaluation{fmt::format("Batch norm evaluated five ways, optimiser’s batch {}", full),
                     "normalisation batch",
                     error,
                     powers_of_two(slices),
                     {},
                     Panel::no_floor,
                     range};
    for (const Named& n : norms) {
        const std::string norm = n.norm;
        const bool by_batch = norm == "bn" || norm == "brn";
        // Those that do not look at the batch are a level line.
        add(fixed, curve(n.title, n.style, slices,
                         [&](std::int64_t x) { return by_batch ? r.in(norm, x) : r.equal(norm, full); }));
        add(equal, curve(n.title, n.style, batches, [&](std::int64_t x) { return r.equal(norm, x); }));
        if (norm == "gn") add(counts, curve(n.title, n.style, groups, [&](std::int64_t x) { return r.grouped(x); }));
        else if (norm == "ln" || norm == "in" || norm == "bn")
            add(counts, curve(n.title, n.style, groups, [&](std::int64_t) { return r.equal(norm, full); }));
    }
    int style = 0;
    for (const Way& way : ways)
        add(evaluation, curve(way.title, style++, slices, [&](std::int64_t x) { return r.in("bn", x, way.name); }));
    return multiplot("Small batches: test error, mean and 95 % interval over seeds", 2,
                     {fixed, equal, counts, evaluation});
}

}  // namespace normlab::studies::small_batches
