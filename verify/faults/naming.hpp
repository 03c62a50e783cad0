#pragma once
// Naming a fault: wrong outputs are compared with what each planted fault gives on the same inputs.

#include "verify/check/check.hpp"
#include "verify/faults/fault.hpp"

namespace normlab::verify::faults {

/// The layer with this fault, without one for null, as an implementation of this process.
const Implementation& implementation(const Fault* fault);

/// A fault that gives a quantity as it was got.
struct Match {
    const Fault* fault;
    double times = 1;  ///< how much stronger than in the table: 1, or fitted for factors
    double error = 0;  ///< the largest distance, over the largest value
    /// how far off `times` may be: the element that is furthest from truth is known to one bound, and one with
    /// roundings
    double slack = 0;

    double number() const { return 1 + times * (fault->wrong - 1); }  ///< the factor
};

/// What faults give on some inputs, computed in f64, to be compared with what was got.
class Suspects {
public:
    /// Of these faults: those that can show and whose outputs have one value that says it.
    Suspects(std::vector<const Fault*> faults, const Inputs<double>& in, const truth::Result& truth,
             const Bounds& bounds);
    ~Suspects();

    /// Those that give `quantity` (y, dx, dgamma, dbeta, saved mean, ..., running mean, running var, running sigma) as
    /// it was got: every element is within the bound of right ones and the roundings of its own, and ten times nearer
    /// than truth, measured in bounds. Where several do, those at their own strength, then those that also give
    /// everything else that was got, are taken and the others left out. None where it is right.
    std::vector<Match> matches(const std::string& quantity, const Outputs<double>& got) const;

    /// Whether every element of it is within its bound of truth; true of what is not known here.
    bool right(const std::string& quantity, const Outputs<double>& got) const;

private:
    struct Quantity;
    Outputs<double> given(const Fault& fault, double times) const;
    double strength(const Fault& fault, const Quantity& quantity, const std::vector<double>& wrong,
                    const std::vector<double>& got) const;

    Inputs<double> wide_;  // in f64
    double roundoff_ = 0;  // of a value in the dtype, after a few operations
    std::vector<Quantity> quantities_;
    std::vector<std::pair<const Fault*, Outputs<double>>> given_;
};

/// The whole table.
std::vector<const Fault*> all_faults();

/// Writes into the note of each finding that FAILs which faults fit: "equals" at the table's strength, "like ...,
/// factor ..." at a fitted one. `again`, the implementation that gave `got`, runs on further inputs: a fault that does
/// not fit there, with the same factor, is not named; two faults at once, one of which a factor would take in here,
/// come apart there. Where it does not run on them (a script), no factor is named. Large tensors (over 2048 elements)
/// are left alone.
void name_faults(std::vector<Finding>& findings, const Inputs<double>& in, const truth::Result& truth,
                 const Bounds& bounds, const Outputs<double>& got, const Implementation& again);

}  // namespace normlab::verify::faults
