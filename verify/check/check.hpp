#pragma once
// What is checked, as data: a table of checks, each a statement, the cases it wants and a function that measures.

#include <cmath>
#include <limits>

#include "verify/case/draw.hpp"
#include "verify/truth/bounds.hpp"

namespace normlab::verify {

enum class Verdict { pass, fail, unresolved, skipped, accepted };  ///< accepted: known to fail (report/accept.hpp)
enum class Tier { smoke, ci, full };

/// Of tier full, beside 1, which every tier has.
inline constexpr std::uint64_t full_tier_seeds[] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

/// One measured quantity of one case.
struct Finding {
    std::string quantity;
    double error = 0, bound = 0;  ///< at the element where error / bound is worst
    bool warning = false;         ///< within the hard limit, beyond the one with sqrt(l)
    Verdict verdict = Verdict::pass;
    std::string where = "";  ///< that element, and what was found and expected there
    std::string label = "";  ///< the table row it belongs to, where there is a table
    std::string note = "";
    /// of the right value there to the result's dtype; 0 where nothing was rounded to one
    double rounding = 0;

    /// What one oracle says, where a check asks several.
    struct Oracle {
        std::string_view name;
        double error, bound;
    };
    std::vector<Oracle> oracles = {};
    std::vector<std::pair<double, double>> curve = {};  ///< error by kappa, where a check looks at how it grows
    /// it held, but so would anything of the size of the right result: the bound is larger
    bool not_judged = false;
    /// the planted fault, or those, that give the wrong values here, or the output that a judged script did not give;
    /// empty: none is known
    std::string cause = "";

    double ratio() const { return ratio(error, bound); }
    /// infinity for an error that is NaN
    static double ratio(double error, double bound) {
        return error == 0                        ? 0
               : bound > 0 && !std::isnan(error) ? error / bound
                                                 : std::numeric_limits<double>::infinity();
    }
};

struct Check {
    std::string_view name, statement;
    bool real_data;  ///< makes sense on a user's activations
    /// why it has nothing to say about a case, whatever stands behind the norm; empty: it has
    std::string (*refuses_norm)(const Case&);
    /// base: variant, implementation, dtype, layout, mode; refused ones are dropped
    std::vector<Case> (*cases)(const Case& base, Tier tier);
    std::vector<Finding> (*run)(const Case&, const Implementation&);
    bool activations = false;  ///< its statement is one of activations behind a norm, too
    bool residuals = false;    ///< and of a residual before it
    bool casts = false;        ///< and of an x_hat that is rounded before gamma
    bool outputs = false;      ///< and of a y of another type than the data

    /// Why it has nothing to say about a case.
    std::string refuses(const Case&) const;
};

/// Check::refuses of a check that has something to say about every case.
inline std::string always(const Case&) { return {}; }

std::span<const Check> checks();

/// By name; y, dx, dgamma and dbeta name the accuracy check. Throws Error naming the nearest.
const Check& find_check(std::string_view name);

/// One number against its bound: PASS or FAIL (NaN fails).
Finding measured(std::string_view quantity, double error, double bound, std::string where = {});

/// The worst of several findings of one quantity, at least one: FAIL before UNRESOLVED before PASS, then by error /
/// bound.
Finding worst(const std::vector<Finding>& findings);
std::size_t worst_index(const std::vector<Finding>& findings);

/// The slope of the least squares line through points (x, y).
double fitted_slope(const std::vector<std::pair<double, double>>& points);

/// A case of the variant whose blocks have m elements, with a few other blocks beside the first.
Case with_block(Case c, std::int64_t m);

/// Small shapes that show index faults: several samples, channels, positions, unequal and odd.
Case with_small_shape(Case c);

/// Instance norm with the running statistics that it keeps only on request; other variants as they are.
Case with_state(Case c);

/// What gamma and beta may have one entry of, beside a channel.
inline constexpr AffineSet other_sets[] = {AffineSet::element, AffineSet::sample_channel, AffineSet::group};

/// With gamma and beta of 16 bits: the data's own, or bf16; f64 as it is.
Case with_narrow_params(Case c);

/// Of this shape, with running statistics where the variant may keep them.
Case with_shape(const Case& c, const Shape& shape);

/// Adds the case in the other forms of denominator that its variant has, above its floor and below.
void add_forms(std::vector<Case>& cases, const Case& base);

/// Blocks on both sides of a floor in one call, and not far from it, where the slope of a floor that is not taken
/// shows; for those variants that have a floor, or may be asked for one.
void add_near_floor(std::vector<Case>& cases, const Case& base);

/// Whether the library accepts the problem.
bool is_valid(const Case& c);

/// Reasons that several checks share; empty where there is none.
std::string needs_own_statistics(const Case& c);
std::string needs_one_a_channel(const Case& c);  // of gamma and beta
std::string needs_mean_removed(const Case& c);
std::string needs_training(const Case& c);

/// Evaluation without running statistics is the same computation as training.
bool repeats_training(const Case& c);

/// Each bound doubled: for two results that may both be off.
std::vector<double> twice(std::vector<double> bound);

}  // namespace normlab::verify
