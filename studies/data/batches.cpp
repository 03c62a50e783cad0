#include "studies/data/batches.hpp"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "norms/tensor.hpp"
#include "system/random.hpp"

namespace normlab::data {
namespace {

// Uses of random numbers, kept apart from the others of data/ (purposes below 2^32; layers' are above).
constexpr std::uint64_t epoch_orders = std::uint64_t{1} << 24, group_draws = std::uint64_t{2} << 24;

}  // namespace

void gather(const Dataset& set, std::span<const std::int64_t> indices, Batch& batch) {
    const auto classes = static_cast<std::size_t>(set.classes);
    batch.N = static_cast<std::int64_t>(indices.size()), batch.H = set.H, batch.W = set.W, batch.classes = set.classes;
    copy_samples(set, indices, batch.x, batch.labels);
    batch.targets.assign(indices.size() * classes, 0.0f);
    for (std::size_t i = 0; i < indices.size(); ++i)
        batch.targets[i * classes + static_cast<std::size_t>(batch.labels[i])] = 1;
}

Epochs::Epochs(std::int64_t samples, std::int64_t batch, std::uint64_t seed)
    : samples_(samples), batch_(batch), seed_(seed) {
    if (batch < 1 || batch > samples)
        throw Error(fmt::format("batches of {} of {} samples; 1 to {} is accepted", batch, samples, samples));
}

std::span<const std::int64_t> Epochs::batch(std::int64_t step) {
    const std::int64_t epoch = step / steps_per_epoch();
    if (epoch != epoch_) order_ = permutation(samples_, seed_, epoch_orders + static_cast<std::uint64_t>(epoch));
    epoch_ = epoch;
    return std::span(order_).subspan(static_cast<std::size_t>(step % steps_per_epoch() * batch_),
                                     static_cast<std::size_t>(batch_));
}

ClassGroups::ClassGroups(const Dataset& set, std::int64_t batch, std::int64_t group, int classes, std::uint64_t seed)
    : of_class_(static_cast<std::size_t>(set.classes)), group_(group), classes_(classes), seed_(seed) {
    if (classes < 1 || classes > set.classes)
        throw Error(fmt::format("groups of {} classes of {}; 1 to {} are accepted", classes, set.name, set.classes));
    if (group < 1 || group % classes)
        throw Error(
            fmt::format("groups of {} samples of {} classes; a multiple of {} is accepted", group, classes, classes));
    if (batch < 1 || batch % group)
        throw Error(fmt::format("batches of {} in groups of {}; a multiple of {} is accepted", batch, group, group));
    for (std::int64_t i = 0; i < set.size(); ++i)
        of_class_[static_cast<std::size_t>(set.labels[static_cast<std::size_t>(i)])].push_back(i);
    for (std::size_t c = 0; c < of_class_.size(); ++c)
        if (of_class_[c].empty())
            throw Error(fmt::format("{} has no sample of class {}; at least one of each is needed", set.name, c));
    indices_.resize(static_cast<std::size_t>(batch));
}

std::span<const std::int64_t> ClassGroups::batch(std::int64_t step) {
    const random::Stream stream{seed_, group_draws};
    const auto classes = static_cast<std::int64_t>(of_class_.size()), size = static_cast<std::int64_t>(indices_.size());
    auto draw = static_cast<std::uint64_t>(step * 2 * size);  // a batch uses at most 2 draws a sample
    std::vector<std::int64_t> order(of_class_.size());
    auto to = indices_.begin();
    while (to != indices_.end()) {
        std::iota(order.begin(), order.end(), 0);
        for (int k = 0; k < classes_; ++k) {  // the first of a shuffled order
            std::swap(order[static_cast<std::size_t>(k)],
                      order[static_cast<std::size_t>(k + stream.below(classes - k, draw++))]);
            const auto& members = of_class_[static_cast<std::size_t>(order[static_cast<std::size_t>(k)])];
            for (std::int64_t i = 0; i < group_ / classes_; ++i)
                *to++ =
                    members[static_cast<std::size_t>(stream.below(static_cast<std::int64_t>(members.size()), draw++))];
        }
    }
    return indices_;
}

}  // namespace normlab::data
