#pragma once
// What one cell of the study is, and when it holds: simultaneous intervals over all cells of a run.

#include <functional>
#include <string>
#include <vector>

#include "norms/tensor.hpp"
#include "system/random.hpp"

namespace normlab::noise {

using namespace random;

/// The rows of the table of theory, in its order (see `title_of`).
enum class Row {
    moments,
    variance_of_variance,
    covariance,
    sigma,
    inverse_sigma,
    inverse_variance,
    gap,
    gap_biased,
    x_hat,
    relu,
    clusters,
    averages,
    clipping,
    gradient,
    growth,
    scale_invariance
};
inline constexpr int row_count = 16;
std::string_view title_of(Row row);

enum class Method {
    /// mean of n independent values: |measured - theory| <= tolerance + t se, by the central limit theorem (Student's
    /// t)
    interval,
    proportion,  ///< `measured` of n: theory lies in the exact binomial interval (Clopper & Pearson 1934)
    /// largest distance of n values' distribution function from theory's, Kolmogorov-Smirnov: <= sqrt(ln(2/alpha) /
    /// (2n)) (Massart 1990)
    law,
    identity  ///< worst error over its rounding bound: <= 1
};
std::string_view name_of(Method method);
std::string_view name_of(Distribution distribution);

struct Cell {
    Row row;
    std::string quantity, implementation;
    DType dtype = DType::f64;
    std::int64_t m = 0;
    Distribution distribution = Distribution::normal;
    Method method = Method::interval;
    std::int64_t n = 0;
    double theory = 0, tolerance = 0, measured = 0, standard_error = 0;
    /// what is compared with `limit`: |measured - theory|, the distance of the laws, or the worst error over its bound
    double statistic = 0;
    // from here on: by judge()
    double low = 0, high = 0;  ///< the simultaneous interval around `measured`; NaN for laws and identities
    double limit = 0;
    bool held = false;
    double score() const { return limit > 0 ? statistic / limit : statistic == 0 ? 0 : HUGE_VAL; }
};

/// Mean and standard error of independent values, by Welford's recurrence.
class Tally {
public:
    void add(double value);
    std::int64_t count() const { return n_; }
    double mean() const { return mean_; }
    double standard_error() const;

private:
    std::int64_t n_ = 0;
    double mean_ = 0, squares_ = 0;
};

/// Largest distance between the empirical distribution function of `values` and `law`.
double distance_from_law(std::vector<double> values, const std::function<double(double)>& law);

/// alpha / number of cells that can err by chance (Bonferroni), two-sided; fills in the verdicts. Returns the level of
/// one cell.
double judge(std::vector<Cell>& cells, double alpha);

}  // namespace normlab::noise
