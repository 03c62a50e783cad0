#pragma once
// What the records of the study say.

#include "studies/runs/by_seed.hpp"
#include "studies/runs/study.hpp"

namespace normlab::studies::small_batches {

/// The five ways to evaluate batch norm, as the records name them; `moving` is the one that counts where none is named.
struct Way {
    const char *name, *title;
};
inline constexpr Way ways[] = {{"moving", "moving average, unbiased"},
                               {"moving_biased", "moving average, biased"},
                               {"precise", "precise"},
                               {"batch", "batch statistics"},
                               {"frozen", "frozen"}};

/// What one point of the figure was trained with.
struct Cell {
    std::string norm;                                       ///< none, bn, brn, ln, in, gn, wn
    std::int64_t batch = 0, normalisation = 0, groups = 0;  ///< as in the settings of a run
    auto operator<=>(const Cell&) const = default;
};

class Results {
public:
    explicit Results(const std::vector<Record>& records);

    std::int64_t fixed_batch() const { return fixed_batch_; }
    std::int64_t curve_groups() const { return curve_groups_; }
    /// of batch norm and batch renorm at the fixed optimiser's batch
    std::vector<std::int64_t> normalisation_batches() const;
    std::vector<std::int64_t> batches() const;  ///< with which some net was trained
    std::vector<std::int64_t> groups() const;   ///< at the fixed optimiser's batch

    /// `what`: error, training_loss, or a way to evaluate. Empty where there is no such run.
    BySeed of(const Cell& cell, const std::string& what = "error") const;
    /// A variant with both batches equal: its normalisation batch, where it has one, is the optimiser's; group norm
    /// with curve_groups.
    BySeed equal(const std::string& norm, std::int64_t batch, const std::string& what = "error") const;
    /// The fixed optimiser's batch, normalised in `normalisation`s.
    BySeed in(const std::string& norm, std::int64_t normalisation, const std::string& what = "error") const;
    BySeed grouped(std::int64_t groups) const;
    /// Group norm's error with the best number of groups above 1, chosen for each seed by the mean of the other seeds:
    /// choosing by the values that are then compared would favour the chosen.
    BySeed best_groups() const;

    const std::map<Cell, std::map<std::int64_t, json>>& all() const { return cells_; }

private:
    std::map<Cell, std::map<std::int64_t, json>> cells_;  // by seed
    std::int64_t fixed_batch_ = 0, curve_groups_ = 0;
};

Figure figure(const Results& results);

}  // namespace normlab::studies::small_batches
