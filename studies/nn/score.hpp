#pragma once
// What is done with a net and a whole data set.

#include "norms/norm.hpp"
#include "studies/data/batches.hpp"
#include "studies/nn/loss.hpp"
#include "studies/nn/sequential.hpp"

namespace normlab::nn {

struct Score {
    double loss = 0;  ///< mean
    /// share of samples whose first largest output is not at the label, or with an output that is NaN
    double error = 0;
};

/// In Task::evaluate, in batches of `batch` in the set's order. A last batch may be smaller, unless some Norm
/// normalises by its batch: then the samples beyond the last whole batch are left out. Throws Error for an empty set,
/// or outputs that are not as many as classes.
Score evaluate(Sequential& net, const data::Dataset& set, std::int64_t batch = 250, LossKind loss = LossKind::softmax);

/// "Precise" statistics: StatisticsFrom::population of every Norm from the first `batches` batches of `sampler`, all
/// layers in one pass over them.
void measure_population(Sequential& net, const data::Dataset& set, data::Sampler& sampler, std::int64_t batches,
                        Average average = Average::paper);

/// Data-dependent initialisation of every weight-normalised layer, from one batch.
void initialise_weight_norm(Sequential& net, const Array& x);

/// Copies a batch to the device.
void load(const data::Batch& batch, Array& x, Array& targets);

}  // namespace normlab::nn
