#pragma once
// What the studies of a small convolutional net share: their flags, and one training run of nn/conv_net.hpp.

#include "studies/nn/conv_net.hpp"
#include "studies/nn/score.hpp"
#include "studies/nn/trainer.hpp"
#include "studies/runs/by_seed.hpp"
#include "studies/runs/values.hpp"

namespace normlab::studies {

/// Flags of data, net and training after a study's own; --seeds by default and from --standard on.
std::vector<Setting> with_conv_settings(std::vector<Setting> own, const std::string& seeds,
                                        const std::string& standard_seeds);

/// Their values but the seeds, as a run's settings have them. To be added by the study: "seed", "norm" (none, bn, brn,
/// ln, in, gn, wn), "batch" (the optimiser's), "normalisation_batch" (bn, brn; otherwise 0), "groups" (gn; otherwise
/// 0).
json conv_values(const Settings& settings);

/// About, on one core.
double conv_seconds(const json& settings);

/// A set as the net sees it: halved where the settings say so.
data::Dataset scaled(const json& settings, const data::Dataset& set);

class ConvTrial {
public:
    ConvTrial(const json& settings, const data::Split& data);

    std::int64_t batch, normalisation_batch, steps;
    std::uint64_t seed;
    data::Dataset test_source;          ///< as they came, a multiple of 256 samples
    data::Dataset train_set, test_set;  ///< as the net sees them
    nn::Sequential net;

    /// Steps first ... last - 1 of `steps`; momentum goes on from where the last call was, from 0 after
    /// `forget_momentum`.
    void train(data::Sampler& sampler, std::int64_t first, std::int64_t last,
               const std::function<void(double part)>& progress);
    void forget_momentum();
    nn::Score score(const data::Dataset& set, nn::StatisticsFrom which = nn::StatisticsFrom::moving);
    /// Precise statistics of `set`, from about `samples` samples in the optimiser's batches.
    void measure_population(const data::Dataset& set, std::int64_t samples);

private:
    nn::Backend& backend_;
    double rate_, rate_end_, momentum_;
    std::optional<nn::Sgd> optimiser_;
};

/// "12.3 +- 0.4", in percent; the half width is left out where there is one seed alone, "-" where there is none.
std::string percent(const BySeed& share);

}  // namespace normlab::studies
