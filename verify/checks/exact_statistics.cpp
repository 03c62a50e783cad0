// Data of which the right statistics are known exactly: an index fault shows as many ulps, where rounding can be none
// or a few.

#include <fmt/format.h>

#include "verify/check/compare.hpp"

namespace normlab::verify {
namespace {

std::vector<Case> exact_cases(const Case& base, Tier tier) {
    std::vector<Case> cases;
    const auto add = [&](const char* x, std::int64_t m, double offset) {
        cases.push_back(with_block(base, m));
        cases.back().x.pattern = x;
        cases.back().offset = offset;
    };
    const double offset = is_narrow(base.dtype) ? 32 : 1000;  // plus 6 still exact in bf16
    add("pairs", 64, 0), add("tag", 16, 0);
    if (tier == Tier::smoke) return cases;
    add("pairs", 64, offset), add("pairs", 1024, 0), add("grid", 8, 0), add("grid", 64, offset), add("tag", 4, 0),
        add("tag", 64, 0);
    if (tier == Tier::full)
        for (std::uint64_t seed = 2; seed < 4; ++seed)
            for (const std::int64_t m : {2, 16, 32, 128, 256, 512, 2048})
                for (const char* x : {"pairs", "grid", "tag"})
                    add(x, m, seed % 2 ? offset : 0), cases.back().seed = seed;
    return cases;
}

// |got - exact| in ulps of the compute precision at exact (of 1 where exact is 0).
Finding in_ulps(std::string_view quantity, const Case& c, std::size_t block, double got, const Quad& exact,
                double bound) {
    const double value = static_cast<double>(exact);
    const double ulp =
        2 * unit_roundoff(c.dtype) * (value == 0 ? 1 : std::exp2(std::floor(std::log2(std::abs(value)))));
    const double error = static_cast<double>(abs(Quad(got) - exact)) / ulp;
    Finding f =
        measured(quantity, error, bound / ulp, fmt::format("block {}: {:.17g}, exactly {:.17g}", block, got, value));
    if (f.verdict == Verdict::fail)
        f.note =
            error > 4 * static_cast<double>(c.problem().block_size())
                ? "far above what rounding can do: an element is missing, counted twice or from another block, or the "
                  "divisor is another"
                : "of the size of rounding in the compute precision";
    return f;
}

std::vector<Finding> exact_statistics(const Case& c, const Implementation& implementation) {
    const Saves saves = implementation.saves();
    if (!saves.mean || !saves.var) throw Unsuitable(c.implementation + " does not save mean and variance");
    Inputs<double> in = draw(c);
    in.dy.clear();
    const truth::Result t = truth::evaluate(in);
    const Bounds bounds = error_bounds(in, t, implementation.accumulation(c.dtype));
    const Saved saved = run_forward(implementation, in).saved;
    std::vector<Finding> mean, var;
    for (std::size_t b = 0; b < t.blocks.size(); ++b) {
        mean.push_back(in_ulps("mean", c, b, saved.mean[b], t.blocks[b].mean, bounds.mean[b]));
        var.push_back(in_ulps("variance", c, b, saved.var[b], t.blocks[b].var, bounds.var[b]));
    }
    return {worst(mean), worst(var)};
}

}  // namespace

extern const Check exact_statistics_check{
    "exact_statistics",
    "saved mean and variance of pairs, whole numbers and tags, in ulps: an index fault told from rounding",
    false,
    needs_own_statistics,
    exact_cases,
    exact_statistics};

}  // namespace normlab::verify
