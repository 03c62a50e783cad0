#pragma once
// The nets under study, in f64. Inputs are normal and labels random, both drawn afresh at every step: the squared
// gradient has the same law at any time.

#include "norms/variants/batch_norm.hpp"
#include "studies/nn/layers.hpp"
#include "studies/nn/linear.hpp"
#include "studies/nn/loss.hpp"
#include "studies/nn/norm.hpp"
#include "studies/nn/optimiser.hpp"
#include "studies/nn/rounding.hpp"
#include "studies/nn/sequential.hpp"
#include "studies/runs/study.hpp"

namespace normlab::studies::scale_laws {

enum class Kind {
    /// dense (no bias), batch norm with eps = 0, sigmoid, a head that is not trained; softmax. Each unit is
    /// scale-invariant
    classifier,
    /// dense, batch norm; the loss is sum_i t_i y_i with random t: its gradient by y does not depend on the weights
    linear,
    weight_norm  ///< dense with weight norm, sigmoid, head
};

struct Net {
    Net(const json& settings, Kind kind);

    /// Fills x and targets (of `linear`: t) from the step's own random numbers; `purpose` keeps sequences apart.
    void draw(std::uint64_t purpose, std::int64_t step);
    /// Forward and backward of what was drawn.
    void pass(std::int64_t step);

    Kind kind;
    std::int64_t inputs, units, batch, classes = 10;
    std::uint64_t seed;
    Spec spec;
    const Implementation& implementation;
    nn::Backend& backend;
    nn::Sequential net;
    nn::Dense* dense;
    nn::Loss loss;
    nn::Array x, targets;

    std::vector<double> weights() const { return dense->weight().value.values(); }
    std::vector<double> gradient() const { return dense->weight().gradient.values(); }
    /// After a pass: bounds of |<w, dL/dw>| of each unit, and of each entry of dL/dw.
    struct Rounding {
        std::vector<double> product, entry;
    };
    Rounding rounding() const;
};

/// Sum of squares of a unit's row.
double squared(const std::vector<double>& matrix, std::int64_t row, std::int64_t columns);

}  // namespace normlab::studies::scale_laws
