#pragma once
// Which samples a step sees. Every sampler's batch depends on its settings and the step alone, so that a run can stop
// and go on.

#include <span>

#include "studies/data/dataset.hpp"

namespace normlab::data {

/// What a step works on: copies of samples, for the net's arrays.
struct Batch {
    std::int64_t N = 0, H = 0, W = 0;
    int classes = 0;
    std::vector<float> x;        ///< [N, H, W]
    std::vector<float> targets;  ///< [N, classes], 1 at the label
    std::vector<std::int32_t> labels;
};
/// Fills `batch`, whose memory is used again. Throws Error for an index that the set does not have.
void gather(const Dataset& set, std::span<const std::int64_t> indices, Batch& batch);

class Sampler {
public:
    virtual ~Sampler() = default;
    virtual std::int64_t batch_size() const = 0;
    /// Indices of the samples of one step (0, 1, ...); good until the next call.
    virtual std::span<const std::int64_t> batch(std::int64_t step) = 0;
};

/// Every epoch a new order of all samples, cut into batches; what is left over at an epoch's end is not used. Throws
/// Error unless 1 <= batch <= samples.
class Epochs : public Sampler {
public:
    Epochs(std::int64_t samples, std::int64_t batch, std::uint64_t seed);
    std::int64_t batch_size() const override { return batch_; }
    std::int64_t steps_per_epoch() const { return samples_ / batch_; }
    std::span<const std::int64_t> batch(std::int64_t step) override;

private:
    std::int64_t samples_, batch_, epoch_ = -1;
    std::uint64_t seed_;
    std::vector<std::int64_t> order_;
};

/// Batches that are not independent draws: every `group` consecutive samples have `classes` classes, drawn anew for
/// each group, group / classes samples of each, drawn with replacement (Ioffe 2017, section 4.3: 16 labels x 2). With
/// spec.stat_batch = group each normalisation batch has few classes. Throws Error unless classes divides group, group
/// divides batch, and the set has that many classes, none of them empty.
class ClassGroups : public Sampler {
public:
    ClassGroups(const Dataset& set, std::int64_t batch, std::int64_t group, int classes, std::uint64_t seed);
    std::int64_t batch_size() const override { return static_cast<std::int64_t>(indices_.size()); }
    std::span<const std::int64_t> batch(std::int64_t step) override;

private:
    std::vector<std::vector<std::int64_t>> of_class_;
    std::int64_t group_;
    int classes_;
    std::uint64_t seed_;
    std::vector<std::int64_t> indices_;
};

}  // namespace normlab::data
