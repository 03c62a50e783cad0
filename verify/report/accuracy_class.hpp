#pragma once
// How good an implementation is, beside whether it holds what it promises: measured from the findings of accuracy and
// kappa_slope.

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "verify/run/outcome.hpp"

namespace normlab::verify {

struct AccuracyClass {
    std::string implementation, variant;
    DType dtype = DType::f64;
    std::map<double, double> errors;  ///< the largest error of y, by the data's kappa; of accuracy's default data
    std::map<double, double> growth;  ///< the same of blocks of up to 64 elements: how it grows with kappa alone
    std::size_t judged = 0, not_judged = 0;  ///< accuracy's findings
    std::set<std::string> quantities;        ///< of those that are not judged

    /// "flat" (no error grows with kappa), "slope 1" (the mean is rounded), "slope 2" (a one-pass variance); "-" where
    /// too few kappas ran.
    std::string_view name() const;
    /// How many decimals of y, which is about 1, are right for all data up to this kappa; none where none so large ran.
    std::optional<int> decimals(double kappa) const;
};

/// One for each implementation, variant and dtype whose accuracy or kappa_slope ran with more than one kappa, or that
/// has findings which are not judged.
std::vector<AccuracyClass> accuracy_classes(const std::vector<Outcome>& outcomes);

/// Variants of one implementation, dtype and class as one, with the largest errors; `variant` then names them all.
std::vector<AccuracyClass> joined(const std::vector<AccuracyClass>& classes);

std::string accuracy_text(const std::vector<Outcome>& outcomes);
nlohmann::json accuracy_json(const std::vector<Outcome>& outcomes);

/// What they mean to those who have data, in a sentence or two.
extern const std::string_view accuracy_meaning;

}  // namespace normlab::verify
