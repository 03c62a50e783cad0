#pragma once
// A run's outcomes sorted into what tables and figures show. All point into the outcomes.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "verify/run/outcome.hpp"

namespace normlab::verify {

/// The outcomes of one check on one implementation.
struct CheckRow {
    std::string check, implementation;
    std::vector<const Outcome*> outcomes;
};

/// In the order in which they ran; y, dx, dgamma and dbeta count as accuracy.
std::vector<CheckRow> rows_by_check(const std::vector<Outcome>& outcomes);

/// One measured quantity and the case it belongs to.
struct Measured {
    const Outcome* outcome = nullptr;
    const Finding* finding = nullptr;
};

/// Whether b is worse than a: FAIL beats UNRESOLVED beats PASS, then the larger error / bound. Nothing is better than
/// anything.
bool worse(const Measured& a, const Measured& b);

/// The largest error of y by the data's kappa: accuracy's cases of one block size m, in training, of variants that
/// remove the mean, with eps and the spread at their defaults.
struct KappaCurve {
    std::string implementation;
    DType dtype = DType::f64;
    std::int64_t m = 0;
    std::map<double, Measured> points;  ///< by kappa; two or more
};
std::vector<KappaCurve> kappa_curves(const std::vector<Outcome>& outcomes);

/// The invariance table as measured.
struct InvarianceMatrix {
    struct Cell {
        bool yes = false, no = false;  ///< both: it holds without positions only
        bool wrong = false;            ///< not what was expected
        Measured worst;
        std::string_view word() const { return yes && no ? "dense" : yes ? "yes" : "no"; }
    };
    std::vector<std::string> labels, columns;
    std::map<std::pair<std::string, std::string>, Cell> cells;  ///< by label and column; none: not applicable
};
InvarianceMatrix invariance_matrix(const std::vector<Outcome>& outcomes);

}  // namespace normlab::verify
