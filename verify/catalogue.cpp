#include "verify/catalogue.hpp"

#include <algorithm>
#include <array>

#include "norms/names.hpp"

namespace normlab::verify {
namespace {

using Cases = std::vector<Case>;

// Collects changed copies of a case.
struct List {
    Case base;
    Cases cases;

    template <class Change>
    void add(Change change) {
        cases.push_back(base);
        change(cases.back());
    }
    // For each of these checks.
    template <class Change>
    void add(std::initializer_list<std::string_view> checks, Change change) {
        for (std::string_view check : checks)
            add([&](Case& c) { c.check = check, change(c); });
    }
};

bool has_eps(const Case& c) { return c.spec().eps > 0; }
bool stateful(const Case& c) { return c.spec().running != Running::none; }
bool half(const Case& c) { return size_of(c.dtype) == 2; }

// Beyond this the dtype cannot hold whole numbers next to each other.
double largest_whole(DType d) { return d == DType::bf16 ? 128 : d == DType::f16 ? 1024 : 1e7; }

// A large value that the dtype holds.
double large(DType d) { return d == DType::f16 ? 1e4 : 1e10; }

// The same pattern of x on blocks of 8 and 63, or the sizes given.
Cases pattern(const Case& base, std::string_view name, double sigma = 1, double offset = 0, std::initializer_list<std::int64_t> sizes = {8, 63}) {
    List l{base, {}};
    for (std::int64_t m : sizes)
        l.add({"accuracy", "xhat_dx"}, [&](Case& c) {
            c = with_block(c, m);
            c.x.pattern = name, c.sigma = sigma, c.offset = offset;
        });
    return l.cases;
}

Cases together(std::initializer_list<Cases> lists) {
    Cases all;
    for (const Cases& l : lists) all.insert(all.end(), l.begin(), l.end());
    return all;
}

Case tiled(Case c, const Shape& tile, const Shape& shape) {
    c.check = "tiled";
    c.tile = tile, c.shape = shape;
    return c;
}

// What a check itself looks at in tier ci.
Cases of_check(const Case& base, std::string_view check) {
    Case c = base;
    c.check = check;
    return find_check(check).cases(c, Tier::ci);
}

Cases kappa_ladder(const Case& base) {
    Cases all;
    for (double c = 1; c <= largest_whole(base.dtype); c *= 10)
        for (const Cases& more : {pattern(base, "grid", 1, c, {8, 64})}) all.insert(all.end(), more.begin(), more.end());
    return all;
}

Cases eps_matched(const Case& base) {
    if (!has_eps(base)) return {};
    List l{with_small_shape(base), {}};
    for (double share : {.01, 1.0, 100.0})
        l.add({"accuracy", "xhat_dx", "running_stats"}, [&](Case& c) { c.sigma = std::sqrt(share * c.spec().eps); });
    for (double eps : {1e-8, 1e-3})   // a clamp at 1e-5 shows below it, a second eps above
        l.add({"accuracy", "xhat_dx"}, [&](Case& c) { c.eps = eps, c.sigma = std::sqrt(eps); });
    return l.cases;
}

Cases big_eps(const Case& base) {
    if (!has_eps(base)) return {};
    List l{with_small_shape(base), {}};
    for (double eps : {.5, 1.0}) l.add({"accuracy", "running_stats", "xhat_dx"}, [&](Case& c) { c.eps = eps; });
    return l.cases;
}

Cases constant(const Case& base) {
    Cases all;
    for (double value : {0.0, 1.0, 0.1, large(base.dtype)})
        for (const Cases& more : {pattern(base, "constant", 1, value)}) all.insert(all.end(), more.begin(), more.end());
    return all;
}

Cases constant_ulp(const Case& base) {
    return together({pattern(base, "ulp", 1, 1), pattern(base, "ulp", 1, .1), pattern(base, "ulp", 1, large(base.dtype))});
}

Cases pair(const Case& base) {
    Cases all = pattern(base, "normal", 1, 0, {2});
    if (has_eps(base))
        for (const Cases& more : {pattern(base, "normal", .01, 0, {2}), pattern(base, "alternating", .5, 100, {2})}) all.insert(all.end(), more.begin(), more.end());
    return all;
}

Cases single(const Case& base) { return together({pattern(base, "normal", 1, 0, {1}), of_check(base, "refusal")}); }
Cases empty(const Case& base) { return of_check(base, "empty"); }
Cases spike(const Case& base) { return pattern(base, "spike"); }
Cases outlier_first(const Case& base) { return pattern(base, "outlier"); }
Cases sorted(const Case& base) { return together({pattern(base, "sorted", 1, 0, {257}), pattern(base, "sorted", 1, 100)}); }
Cases alternating(const Case& base) { return pattern(base, "alternating", 1e4, 0, {8, 257}); }

// Their squares leave the range of f32 or f64: verify/range.hpp says what is expected then.
Cases of_size(const Case& base, std::initializer_list<double> single_range, std::initializer_list<double> double_range, bool tiny) {
    List l{base, {}};
    for (double sigma : base.dtype == DType::f64 ? double_range : single_range)
        for (std::int64_t m : {8, 63})
            l.add({"accuracy"}, [&](Case& c) {
                c = with_block(c, m);
                c.sigma = sigma;
                if (tiny) c.eps = 0;
            });
    return l.cases;
}
Cases huge(const Case& base) { return base.dtype == DType::f16 ? Cases{} : of_size(base, {1e20, 1e25, 1e30}, {1e155, 1e200, 1e300}, false); }
Cases tiny(const Case& base) {
    return base.dtype == DType::f16 ? of_size(base, {1e-5, 1e-7}, {}, true) : of_size(base, {1e-25, 1e-30, 1e-40}, {1e-170, 1e-200, 1e-300}, true);
}

Cases half_range(const Case& base) {
    if (!half(base)) return {};
    Cases all = together({pattern(base, "normal", 500), pattern(base, "normal", 1, 300), pattern(base, "uniform", 1e3, 257)});
    all.push_back(tiled(base, {2, 3, 4}, {512, 3, 256}));   // 131072 values a channel: no count in 16 bits
    return all;
}

Cases nan_or_inf(const Case& base) { return of_check(base, "isolation"); }
Cases exact_statistics(const Case& base) { return of_check(base, "exact_statistics"); }

Cases unique_tag(const Case& base) {
    List l{with_small_shape(base), {}};
    l.add({"accuracy", "exact_statistics"}, [](Case& c) { c.x.pattern = "tag"; });
    return l.cases;
}

Cases layouts(const Case& base) {
    Cases all = of_check(base, "repeat");
    List l{with_small_shape(base), {}};
    l.add({"accuracy"}, [](Case& c) { c.x.pattern = "tag"; });
    l.add({"accuracy"}, [](Case& c) { c.shape = {2, 64, 9}, c.x.pattern = "tag", c.sigma = .01; });
    all.insert(all.end(), l.cases.begin(), l.cases.end());
    all.push_back(tiled(base, {2, 12, 5}, {2, 60, 50}));
    return all;
}

Cases odd_sizes(const Case& base) {
    Cases all = pattern(base, "normal", 1, 0, {3, 5, 65, 127});
    List l{base, {}};
    l.add({"accuracy"}, [](Case& c) { c.shape = {2, 65, 3}, c.groups = c.spec().groups > 1 ? std::optional<std::int64_t>(5) : std::nullopt; });
    l.add({"accuracy"}, [](Case& c) { c.shape = {3, 6, 37}; });
    all.insert(all.end(), l.cases.begin(), l.cases.end());
    return all;
}

Cases many_rows(const Case& base) {
    Cases all;
    for (std::int64_t n : {65535, 65536, 131071}) all.push_back(tiled(base, {n == 131071 ? 1 : n / (n % 2 ? 13107 : 16384), 2, 3}, {n, 2, 3}));
    all.push_back(tiled(base, {3, 2, 2}, {3, 65536, 2}));
    if (base.spec().groups > 1) all.back().groups = 32768;
    return all;
}

Cases null_cotangent(const Case& base) {
    List l{with_small_shape(base), {}};
    for (std::string_view dy : {"ones", "x_hat", "y", "zero"})
        l.add({"accuracy", "zero_sum", "xhat_dx"}, [&](Case& c) { c.dy.pattern = dy; });
    return l.cases;
}

Cases gradient_masks(const Case& base) { return of_check(base, "gradient_masks"); }

Cases gamma_signs(const Case& base) {
    List l{with_small_shape(base), {}};
    for (std::string_view gamma : {"zero", "negative", "mixed"})
        l.add({"accuracy", "xhat_dx", "gradient_masks"}, [&](Case& c) { c.gamma.pattern = gamma; });
    return l.cases;
}

Cases batch_split(const Case& base) { return of_check(base, "batch_independence"); }
Cases repeat(const Case& base) { return of_check(base, "repeat"); }

Cases two_steps(const Case& base) {
    if (!stateful(base)) return {};
    List l{with_small_shape(base), {}};
    for (const char* momentum : {"0", "0.1", "1", "none"})
        for (Running running : {Running::unbiased_variance, Running::biased_variance})
            for (std::int64_t n : {2, 3, 5})
                l.add({"running_stats"}, [&](Case& c) {
                    c.momentum = momentum, c.running = running;
                    c.shape = {n, 4, c.spec().block.samples ? 1 : 3};
                });
    return l.cases;
}

Cases renorm_clip(const Case& base) {
    if (base.spec().correction != Correction::renorm) return {};
    List l{with_small_shape(base), {}};
    for (StateKind state : {StateKind::near, StateKind::at, StateKind::far})
        l.add({"accuracy", "running_stats", "derivatives"}, [&](Case& c) {
            c.state = state;
            if (c.check == "derivatives") c.shape = {3, 4, 3};
        });
    return l.cases;
}

Cases zero_vector(const Case& base) {
    if (base.spec().centred()) return {};
    Cases all = pattern(base, "constant");   // v = 0
    for (double size : base.dtype == DType::f16 ? std::array{1e-6, 1e4} : std::array{1e-30, 1e30})
        for (Cases more : {pattern(base, "normal", size)})
            for (Case& c : more) c.eps = 0, all.push_back(c);
    return all;
}

// What libraries failed on, as users met it.
Cases shifted(const Case& base) {
    return together({pattern(base, "normal", 1, 2000, {4, 64}), half(base) ? Cases{} : pattern(base, "grid", 1, 40000, {4}),
                     pattern(base, "alternating", .5, base.dtype == DType::bf16 ? 144.5 : 1449, {8})});
}

Cases near_constant(const Case& base) {
    Cases all;
    for (double offset : {1e2, 1e3, 1e4}) {   // a step of 1e-3 around them
        for (const Cases& more : {pattern(base, "grid", 1e-3, offset)}) all.insert(all.end(), more.begin(), more.end());
    }
    all.push_back(tiled(base, {4, 4, 32}, {64, 4, 512}));   // N(100, 0.01^2), 32768 values a channel
    all.back().sigma = .01, all.back().offset = 100;
    return all;
}

Cases large_group(const Case& base) {
    Case c = tiled(base, {2, 4, 1024}, {2, 4, 1024 * 9216});
    c.x.pattern = "uniform";
    if (c.spec().groups > 1) c.groups = 1;
    if (c.spec().moments == Moments::norm) c.shape.S = 1024 * 4096, c.shape.N = 8;
    return {c};
}

Cases channels_last_large(const Case& base) {
    Cases all{tiled(base, {2, 64, 5}, {16, 64, 2500}), tiled(base, {4, 3, 7}, {16, 3, 50176}), tiled(base, {4, 64, 4}, {256, 64, 4096})};
    if (base.spec().groups > 1) all[0].groups = all[2].groups = 16, all[1].groups = 3;
    return all;
}

Cases index_32bit(const Case& base) {
    if (base.dtype != DType::bf16) return {};   // the smallest tensor beyond 2^31 elements
    Case c = tiled(base, {1, 16, 16}, {(1 << 13) + 1, 512, 512});
    if (c.spec().groups > 1) c.groups = 64;
    return {c};
}

Cases nothing(const Case&) { return {}; }

constexpr HostileInput table[] = {
    {"kappa-ladder", "grid data + c, c = 1 ... 1e7, exact", "cancellation", "the bound of bounds.hpp; variance 0 or more", kappa_ladder},
    {"eps-matched", "var = eps {.01, 1, 100}; eps 1e-8 and 1e-3", "eps outside the root, clamped, dropped, doubled", "truth", eps_matched},
    {"big-eps", "eps = 0.5, 1", "eps leaking into the running variance", "running statistics to the formula", big_eps},
    {"constant", "all 0, 1, 0.1, 1e10 (f16: 1e4)", "a nonzero output, NaN", "y = beta; dx = (g - mean g) / sqrt(eps)", constant},
    {"constant-1-ulp", "constant, one element the next value above", "negative variance", "finite, within the bound; variance 0 or more", constant_ulp},
    {"pair", "two elements a block", "cancellation in backward", "|dx| on the scale of eps / (var + eps)", pair},
    {"single", "one element a block", "n / (n - 1)", "an error in training where a channel has one value, State untouched; otherwise y = beta, dx = 0", single},
    {"empty", "a dimension 0", "division by 0, an empty launch", "empty y, zero dgamma and dbeta, State untouched", empty},
    {"spike", "one 1e4, the rest 1", "eps rescaled by the maximum", "truth", spike},
    {"outlier-first", "the first element 1e4 away", "a bad choice of shift", "the bound", outlier_first},
    {"sorted", "ascending values", "errors of the order of summation", "the same bound", sorted},
    {"alternating", "+M, -M, +M, ...", "errors of the order of summation", "the same bound", alternating},
    {"huge", "1e20 ... 1e30 (f64: 1e155 ... 1e300)", "overflow of squares", "within the bound, or saturated as saved var says (range.hpp)", huge},
    {"tiny", "1e-25, 1e-30, subnormals (f64: 1e-300); eps = 0", "flush to zero", "within the bound, or saturated as saved var says (range.hpp)", tiny},
    {"half-range", "std 500, mean 300, 131072 values a channel; f16, bf16", "16-bit sums or counts", "f32 statistics or better", half_range},
    {"nan-or-inf", "one NaN or Inf", "leakage between blocks", "other blocks bitwise unchanged; the policy for State", nan_or_inf},
    {"exact-statistics", "pairs about the mean; whole numbers", "an index fault told apart from rounding", "mean and variance 0 ulp off", exact_statistics},
    {"unique-tag", "the value is the element's index", "swapped layouts", "truth, in both layouts", unique_tag},
    {"layouts", "channels-last, sliced, offset pointers", "stride faults", "equal to contiguous, or refused", layouts},
    {"odd-sizes", "blocks of 3, 5, 65, 127; 65 channels; 37 positions", "masks, tails", "truth", odd_sizes},
    {"many-rows", "65535, 65536, 131071 samples; 65536 channels", "grid limits, batch limits, 16-bit sums of dgamma", "truth of the tile that repeats", many_rows, true},
    {"null-cotangent", "dy = 1, x_hat, y, 0", "a vacuous loss", "the structure's identities", null_cotangent},
    {"gradient-masks", "all subsets of the gradients; gamma or beta absent", "skipped outputs", "the same bits", gradient_masks},
    {"gamma-signs", "gamma = 0, < 0, mixed", "x_hat recovered as (y - beta) / gamma", "truth", gamma_signs},
    {"batch-split", "the same rows in batches of 1, 255, 256", "results that depend on the batch", "the same bits", batch_split},
    {"repeat", "twice, with a dirty workspace", "hidden state", "the same bits", repeat},
    {"two-step-statistics", "momentum 0, 0.1, 1, cumulative; n = 2, 3, 5", "conventions of running statistics", "the formula", two_steps},
    {"renorm-clip", "r, d inside, at, outside the limits", "r, d not frozen, wrong order, updated before use", "the formula, r and d constant", renorm_clip},
    {"zero-vector", "v = 0, 1e-30, 1e30", "weight norm NaN, overflow", "w = 0 and dv = 0 for v = 0; v.dv = 0", zero_vector},
    {"shifted", "N(2000, 1), 40000 ... 40003, 1449 +- 0.5", "one-pass variance", "the bound", shifted},
    {"near-constant", "1e2 ... 1e4 with steps of 1e-3; N(100, 0.01^2), 32768 values a channel", "one-pass variance, one path of several", "the bound", near_constant},
    {"large-group", "U(0, 1), 3.8e7 elements a block", "errors growing with the block", "truth of the tile that repeats", large_group, true},
    {"channels-last-large", "(16, 64, 50 x 50), (16, 3, 224 x 224), (256, 64, 64 x 64)", "layout paths of large tensors", "truth of the tile that repeats",
     channels_last_large, true},
    {"index-32bit", "more than 2^31 elements, bf16", "32-bit offsets", "truth of the tile that repeats", index_32bit, true},
    {"shards", "a batch in unequal shards 1:3, 0:2", "the merge of synchronised batch norm", "the whole batch's statistics", nothing, false,
     "normlab has no synchronised batch norm"},
    {"second-order", "derivatives of derivatives, eps = 0.25", "wrong higher derivatives", "truth", nothing, false, "normlab has no double backward"},
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
    throw Error(unknown("named case", name, names));
}

}  // namespace normlab::verify
