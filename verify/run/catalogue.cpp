#include "verify/run/catalogue.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "verify/run/catalogue_cases.hpp"

namespace normlab::verify {
namespace {

using namespace hostile;

constexpr HostileInput table[] = {
    {"kappa-ladder", "grid data + c, c = 1 ... 1e7, exact", "cancellation",
     "the bound of bounds.hpp; variance 0 or more", kappa_ladder},
    {"eps-matched", "var = eps {.01, 1, 100}; eps 1e-8 and 1e-3", "eps outside the root, clamped, dropped, doubled",
     "truth", eps_matched},
    {"big-eps", "eps = 0.5, 1", "eps leaking into the running variance", "running statistics to the formula", big_eps},
    {"constant", "all 0, 1, 0.1, 3.25, 1e10, 2^33 (f16: 1e4, 2^13); eps = 0", "a nonzero output, NaN",
     "y = beta; dx = (g - mean g) / sqrt(eps)", constant},
    {"constant-1-ulp", "constant, one element the next value above", "negative variance",
     "finite, within the bound; variance 0 or more", constant_ulp},
    {"pair", "two elements a block", "cancellation in backward", "|dx| on the scale of eps / (var + eps)", pair},
    {"single", "one element a block", "n / (n - 1)",
     "an error in training where a channel has one value, State untouched; otherwise y = beta, dx = 0", single},
    {"empty", "a dimension 0", "division by 0, an empty launch", "empty y, zero dgamma and dbeta, State untouched",
     empty},
    {"spike", "one 1e4, the rest 1", "eps rescaled by the maximum", "truth", spike},
    {"outlier-first", "the first element 1e4 away", "a bad choice of shift", "the bound", outlier_first},
    {"sorted", "ascending values", "errors of the order of summation", "the same bound", sorted},
    {"alternating", "+M, -M, +M, ...", "errors of the order of summation", "the same bound", alternating},
    {"huge", "1e19 ... 1e38 (f64: 1e155 ... 1e300)", "overflow of squares",
     "within the bound, or saturated as saved var says (range.hpp)", huge},
    {"tiny", "1e-25, 1e-30, subnormals (f64: 1e-300); eps = 0", "flush to zero",
     "within the bound, or saturated as saved var says (range.hpp)", tiny},
    {"half-range", "std 500, mean 300, 131072 values a channel; f16, bf16", "16-bit sums or counts",
     "f32 statistics or better", half_range},
    {"nan-or-inf", "one NaN or Inf", "leakage between blocks", "other blocks bitwise unchanged; the policy for State",
     nan_or_inf},
    {"exact-statistics", "pairs about the mean; whole numbers", "an index fault told apart from rounding",
     "within the derived bound, the error in ulps beside it", exact_statistics},
    {"unique-tag", "the value is the element's index", "swapped layouts", "truth, in both layouts", unique_tag},
    {"layouts", "channels-last, sliced, offset pointers", "stride faults", "equal to contiguous, or refused", layouts},
    {"odd-sizes", "blocks of 3, 5, 65, 127, 257; 65 channels; 37 positions", "masks, tails", "truth", odd_sizes},
    {"many-rows", "65535, 65536, 131070 samples; 65538 channels", "grid limits, batch limits, 16-bit sums of dgamma",
     "truth of the tile that repeats", many_rows, true},
    {"null-cotangent", "dy = 1, x_hat, y, 0", "a vacuous loss", "the structure's identities", null_cotangent},
    {"gradient-masks", "all subsets of the gradients; gamma or beta absent", "skipped outputs", "the same bits",
     gradient_masks},
    {"gamma-signs", "gamma = 0, < 0, mixed; 1e-6 to 1 beside beta = 1e6 (f16: 3e4)",
     "x_hat recovered as (y - beta) / gamma", "truth", gamma_signs},
    {"batch-split", "the same rows in batches of 1, 255, 256", "results that depend on the batch", "the same bits",
     batch_split},
    {"repeat", "twice, with a dirty workspace", "hidden state", "the same bits", repeat},
    {"two-step-statistics", "momentum 0, 0.1, 1, cumulative; n = 2, 3, 5", "conventions of running statistics",
     "the formula", two_steps},
    {"renorm-clip", "r, d inside, at, outside the limits", "r, d not frozen, wrong order, updated before use",
     "the formula, r and d constant", renorm_clip},
    {"zero-vector", "v = 0, 1e-30, 1e30", "weight norm NaN, overflow", "w = 0 and dv = 0 for v = 0; v.dv = 0",
     zero_vector},
    {"shifted", "N(2000, 1), 40000 ... 40003, 1449 +- 0.5", "one-pass variance", "the bound", shifted},
    {"near-constant", "1e2 ... 1e4 with steps of 1e-3; N(100, 0.01^2), 32768 values a channel",
     "one-pass variance, one path of several", "the bound", near_constant},
    {"large-group", "U(0, 1), 3.8e7 elements a block", "errors growing with the block",
     "truth of the tile that repeats", large_group, true},
    {"channels-last-large", "(16, 64, 50 x 50), (16, 3, 224 x 224), (256, 64, 64 x 64)",
     "layout paths of large tensors", "truth of the tile that repeats", channels_last_large, true},
    {"index-32bit", "more than 2^31 elements, bf16", "32-bit offsets", "truth of the tile that repeats", index_32bit,
     true},
    {"shards", "a batch in unequal shards 1:3, 0:2", "the merge of synchronised batch norm",
     "the whole batch's statistics", nothing, false, "normlab has no synchronised batch norm"},
    {"second-order", "derivatives of derivatives, eps = 0.25", "wrong higher derivatives", "truth", second_order},
};

}  // namespace

std::span<const HostileInput> hostile_inputs() { return table; }

const HostileInput& find_hostile_input(std::string_view name) {
    std::string wanted(name);
    std::ranges::replace(wanted, ' ', '-');
    std::ranges::replace(wanted, '_', '-');
    std::vector<std::string_view> names;
    for (const HostileInput& h : table) {
        if (h.name == wanted) return h;
        names.push_back(h.name);
    }
    if (name.find(' ') != std::string_view::npos)  // the beginning of a case
        throw Error(
            fmt::format("'{}' is no case; a hostile input (normlab list) is accepted, or a case with variant, "
                        "implementation, dtype, layout and shape: \"layer_norm cpu f32 nchw 2x3x4\"",
                        name));
    throw Error(unknown("hostile input", name, names) +
                "; or a case string such as \"layer_norm cpu f32 nchw train 2x3x4\"");
}

}  // namespace normlab::verify
