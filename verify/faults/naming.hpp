#pragma once
// Naming a fault: wrong outputs are compared with what each planted fault gives on the same inputs.

#include <cmath>

#include "verify/check/check.hpp"
#include "verify/faults/fault.hpp"

namespace normlab::verify::faults {

/// The layer with this fault, without one for null, as an implementation of this process.
const Implementation& implementation(const Fault* fault);

/// A fault that gives a quantity as it was got.
struct Match {
    const Fault* fault;
    double times = 1;  ///< how much stronger than in the table: 1, or fitted for factors
    double error = 0;  ///< the largest distance, over the largest value, of the fault's or right
    /// how far off `times` may be: the element that is furthest from truth is known to one bound, and one with
    /// roundings
    double slack = 0;
    bool explains_all = false;  ///< it gives everything else that was got, too
    std::size_t elements = 0;   ///< that it visibly moves

    /// the factor: 0, and the term is missing, where it is known no better
    double number() const {
        const double by = fault->wrong - 1, factor = 1 + times * by;
        return std::abs(factor) <= slack * std::abs(by) ? 0 : factor;
    }
};

/// How a quantity that was got goes with a fault.
struct Agreement {
    bool fits = false;          ///< every element is as near to the fault's as right ones are to truth
    bool shows = false;         ///< the fault moves it by ten tolerances or more
    bool contradicted = false;  ///< a quantity is right that it moves, or what this is computed from is wrong
    bool explains_all = false;  ///< all quantities fit
    double from_fault = 0, from_truth = 0;  ///< in tolerances
    double largest = 0, off = 0;            ///< value, of the fault's or right; distance from the fault's
    std::size_t elements = 0;               ///< that the fault visibly moves
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
    /// than truth, in the same unit; and no quantity is right that the fault would visibly move. None where it is
    /// right.
    std::vector<Match> candidates(const std::string& quantity, const Outputs<double>& got) const;
    /// The best of them.
    std::vector<Match> matches(const std::string& quantity, const Outputs<double>& got) const;

    /// Of one that fits elsewhere. Fits nothing where the fault cannot show in this problem.
    Agreement agreement(const Match& match, std::string_view quantity, const Outputs<double>& got) const;

private:
    struct Quantity;
    const Quantity* find(std::string_view name) const;
    static bool is_input_of(const Quantity& saved, const Quantity& asked);
    Agreement agreement(const Outputs<double>& out, const Quantity& asked, const Outputs<double>& got) const;
    std::vector<double> tolerance(const Quantity& quantity, const std::vector<double>& wrong) const;
    Outputs<double> given(const Fault& fault, double times) const;
    double strength(const Fault& fault, const Quantity& quantity, const std::vector<double>& wrong,
                    const std::vector<double>& got) const;

    Inputs<double> wide_;  // in f64
    Problem from_;
    std::vector<Quantity> quantities_;
    std::vector<std::pair<const Fault*, Outputs<double>>> given_;
};

/// Those at their own strength, then those that also give everything else that was got, where there are any.
std::vector<Match> best(std::vector<Match> matches);

/// The whole table.
std::vector<const Fault*> all_faults();

/// Writes into the note and the cause of each finding that FAILs which faults fit: "equals" at the table's strength,
/// "like ..., factor ..." at a fitted one. `again`, the implementation that gave `got`, runs on further inputs, of the
/// same shape and of others: a fault that does not fit on each, or that visibly shows on none, is not named. So two
/// faults at once come apart, which a factor would take in here, and one wrong element is no wrong channel. Where it
/// does not run on any (a script), only faults that give everything that was got are named, without a factor; where it
/// does not run on other shapes, none with a factor. More than four say nothing: then none is named. Large tensors
/// (over 2048 elements) are left alone.
void name_faults(std::vector<Finding>& findings, const Inputs<double>& in, const truth::Result& truth,
                 const Bounds& bounds, const Outputs<double>& got, const Implementation& again);

}  // namespace normlab::verify::faults
