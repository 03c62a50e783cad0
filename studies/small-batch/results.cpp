#include "studies/small-batch/results.hpp"

#include <set>

#include "studies/runs/conv_trial.hpp"

namespace normlab::studies::small_batches {
namespace {

template <class Cells, class F>
std::vector<std::int64_t> distinct(const Cells& cells, F value) {
    std::set<std::int64_t> found;
    for (const auto& [cell, runs] : cells)
        if (const std::int64_t v = value(cell)) found.insert(v);
    return {found.begin(), found.end()};
}

}  // namespace

Results::Results(const std::vector<Record>& records) {
    for (const Record& r : records) {
        const json& s = r.settings;
        const Cell cell{s.at("norm"), s.at("batch"), s.at("normalisation_batch"), s.at("groups")};
        cells_[cell][s.at("seed")] = r.result;
        fixed_batch_ = s.at("fixed_batch"), curve_groups_ = s.at("curve_groups");
    }
}

std::vector<std::int64_t> Results::normalisation_batches() const {
    return distinct(cells_, [&](const Cell& c) { return c.batch == fixed_batch_ ? c.normalisation : 0; });
}
std::vector<std::int64_t> Results::batches() const {
    return distinct(cells_, [](const Cell& c) { return c.batch; });
}
std::vector<std::int64_t> Results::groups() const {
    return distinct(cells_, [&](const Cell& c) { return c.batch == fixed_batch_ ? c.groups : 0; });
}

BySeed Results::of(const Cell& cell, const std::string& what) const {
    BySeed values;
    const auto found = cells_.find(cell);
    if (found == cells_.end()) return values;
    for (const auto& [seed, result] : found->second)
        if (result.contains(what)) values.values[seed] = number(result.at(what));
    return values;
}

BySeed Results::equal(const std::string& norm, std::int64_t batch, const std::string& what) const {
    const bool by_batch = norm == "bn" || norm == "brn";
    return of({norm, batch, by_batch ? batch : 0, norm == "gn" ? curve_groups_ : 0}, what);
}
BySeed Results::in(const std::string& norm, std::int64_t normalisation, const std::string& what) const {
    return of({norm, fixed_batch_, normalisation, 0}, what);
}
BySeed Results::grouped(std::int64_t groups) const { return of({"gn", fixed_batch_, 0, groups}); }

BySeed Results::best_groups() const {
    BySeed best;
    std::map<std::int64_t, double> chosen_mean;
    for (const std::int64_t g : groups()) {
        if (g == 1) continue;
        const BySeed errors = grouped(g);
        for (const auto& [seed, error] : errors.values) {
            const double others = (errors.values.size() > 1 ? errors.without(seed) : errors).mean();
            if (chosen_mean.contains(seed) && !(others < chosen_mean[seed])) continue;
            chosen_mean[seed] = others, best.values[seed] = error;
        }
    }
    return best;
}

}  // namespace normlab::studies::small_batches
