#include "verify/run/catalogue_cases.hpp"

#include <array>

namespace normlab::verify::hostile {
namespace {

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
        for (std::string_view check : checks) add([&](Case& c) { c.check = check, change(c); });
    }
};

bool has_eps(const Case& c) { return c.spec().eps > 0; }
bool stateful(const Case& c) { return c.spec().running != Running::none; }
bool half(const Case& c) { return is_narrow(c.dtype); }
bool in_f32(const Case& c) { return arithmetic_dtype(c.dtype) == DType::f32; }

// Ordinary numbers reach the ends of the dtype's range.
bool short_range(const Case& c) { return row_of(c.dtype).largest < 1e10; }

// Beyond this the dtype cannot hold whole numbers next to each other.
double largest_whole(DType d) { return std::min(1e7, 1 / row_of(d).roundoff); }

// A large value that the dtype holds.
double large(const Case& c) { return short_range(c) ? 1e4 : 1e10; }

// The same pattern of x on blocks of 8 and 63, or the sizes given.
Cases pattern(const Case& base, std::string_view name, double sigma = 1, double offset = 0,
              std::initializer_list<std::int64_t> sizes = {8, 63}) {
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

// Their squares leave the range of f32 or f64: verify/truth/range.hpp says what is expected then.
Cases of_size(const Case& base, std::initializer_list<double> single_range, std::initializer_list<double> double_range,
              bool tiny) {
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

}  // namespace

Cases kappa_ladder(const Case& base) {
    Cases all;
    for (double c = 1; c <= largest_whole(base.dtype); c *= 10)
        for (const Cases& more : {pattern(base, "grid", 1, c, {8, 64})})
            all.insert(all.end(), more.begin(), more.end());
    return all;
}

Cases eps_matched(const Case& base) {
    if (!has_eps(base)) return {};
    List l{with_small_shape(base), {}};
    for (double share : {.01, 1.0, 100.0})
        l.add({"accuracy", "xhat_dx", "running_stats"}, [&](Case& c) { c.sigma = std::sqrt(share * c.spec().eps); });
    for (double eps : {1e-8, 1e-3})  // a clamp at 1e-5 shows below it, a second eps above
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
    for (double value : {0.0, 1.0, 0.1, 3.25, large(base), short_range(base) ? 0x1p13 : 0x1p33})
        for (const Cases& more : {pattern(base, "constant", 1, value)}) all.insert(all.end(), more.begin(), more.end());
    for (double value : {0.0, 1.0, 3.25})  // sums are exact: no variance, eps = 0 leaves y = beta
        for (Case& c : pattern(base, "constant", 1, value, {8}))
            if (c.check == "accuracy") c.eps = 0, all.push_back(c);
    return all;
}

Cases constant_ulp(const Case& base) {
    return together({pattern(base, "ulp", 1, 1), pattern(base, "ulp", 1, .1), pattern(base, "ulp", 1, large(base))});
}

Cases pair(const Case& base) {
    Cases all = pattern(base, "normal", 1, 0, {2});
    if (has_eps(base))
        for (const Cases& more : {pattern(base, "normal", .01, 0, {2}), pattern(base, "alternating", .5, 100, {2})})
            all.insert(all.end(), more.begin(), more.end());
    return all;
}

Cases single(const Case& base) { return together({pattern(base, "normal", 1, 0, {1}), of_check(base, "refusal")}); }
Cases empty(const Case& base) { return of_check(base, "empty"); }
Cases spike(const Case& base) { return pattern(base, "spike"); }
Cases outlier_first(const Case& base) { return pattern(base, "outlier"); }
Cases sorted(const Case& base) {
    return together({pattern(base, "sorted", 1, 0, {257}), pattern(base, "sorted", 1, 100)});
}
Cases alternating(const Case& base) { return pattern(base, "alternating", 1e4, 0, {8, 257}); }

Cases huge(const Case& base) {
    return short_range(base) ? Cases{}
                             : of_size(base, {1e19, 1e20, 1e25, 1e29, 1e30, 1e38}, {1e155, 1e200, 1e300}, false);
}
Cases tiny(const Case& base) {
    return short_range(base) ? of_size(base, {1e-5, 1e-7}, {}, true)
                             : of_size(base, {1e-25, 1e-30, 1e-40}, {1e-170, 1e-200, 1e-300}, true);
}

Cases half_range(const Case& base) {
    if (!half(base)) return {};
    Cases all =
        together({pattern(base, "normal", 500), pattern(base, "normal", 1, 300), pattern(base, "uniform", 1e3, 257)});
    if (short_range(base))  // a variance of 1.6e9
        for (Case& c : pattern(base, "alternating", 4e4)) all.push_back(c);
    all.push_back(tiled(base, {2, 3, 4}, {512, 3, 256}));  // 131072 values a channel: no count in 16 bits
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
    Cases all = pattern(base, "normal", 1, 0, {3, 5, 65, 127, 257});
    List l{base, {}};
    l.add({"accuracy"}, [](Case& c) {
        c.shape = {2, 65, 3}, c.groups = c.spec().groups > 1 ? std::optional<std::int64_t>(5) : std::nullopt;
    });
    l.add({"accuracy"}, [](Case& c) { c.shape = {3, 6, 37}; });
    all.insert(all.end(), l.cases.begin(), l.cases.end());
    return all;
}

Cases many_rows(const Case& base) {
    if (short_range(base)) return {};
    Cases all;
    // periods that do not divide what wraps: a row taken for another is seen
    for (const auto& [n, period] : {std::pair(65535, 5), {65536, 4}, {131070, 3}})
        all.push_back(tiled(base, {period, 2, 3}, {n, 2, 3}));
    if (base.spec().moments == Moments::norm) all.push_back(tiled(base, {3, 2, 3}, {3 * 65536, 2, 3}));
    all.push_back(tiled(base, {3, 3, 2}, {3, 65538, 2}));
    if (base.spec().groups > 1) all.back().groups = 65538 / 3;
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
    // (y - beta) / gamma has lost u |beta / gamma|: all of x_hat, or six digits less
    const double beta = short_range(base) ? 3e4 : 1e6;
    l.add({"accuracy"}, [&](Case& c) {
        c.gamma = {"", {1e-6, -1e-6, 1e-3, -.01, .1, 1}};
        c.beta = {"", {beta, beta, -beta, beta, -beta, beta}};
    });
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
    Cases all = pattern(base, "constant");  // v = 0
    for (double size : short_range(base) ? std::array{1e-6, 1e4} : std::array{1e-30, 1e30})
        for (Cases more : {pattern(base, "normal", size)})
            for (Case& c : more) c.eps = 0, all.push_back(c);
    return all;
}

// What libraries failed on, as users met it.
Cases shifted(const Case& base) {
    return together({pattern(base, "normal", 1, 2000, {4, 64}),
                     half(base) ? Cases{} : pattern(base, "grid", 1, 40000, {4}),
                     pattern(base, "alternating", .5, row_of(base.dtype).largest_kappa < 1e3 ? 144.5 : 1449, {8})});
}

Cases near_constant(const Case& base) {
    Cases all;
    for (double offset : {1e2, 1e3, 1e4}) {  // a step of 1e-3 around them
        for (const Cases& more : {pattern(base, "grid", 1e-3, offset)}) all.insert(all.end(), more.begin(), more.end());
    }
    all.push_back(tiled(base, {4, 4, 32}, {64, 4, 512}));  // N(100, 0.01^2), 32768 values a channel
    all.back().sigma = .01, all.back().offset = 100;
    return all;
}

// Large ones, in the dtypes and the layout that matter.
Cases large_group(const Case& base) {
    if (base.layout == Layout::channels_last || short_range(base) || !in_f32(base)) return {};
    Case c = tiled(base, {1, 4, 1024}, {1, 4, 1024 * 9280});
    c.x.pattern = "uniform";
    if (c.spec().groups > 1) c.groups = 1;
    if (c.spec().moments == Moments::norm) c.shape.S = 1024 * 4096;
    return {c};
}

Cases channels_last_large(const Case& base) {
    if (base.layout == Layout::channels_first || short_range(base) || !in_f32(base)) return {};
    Cases all{tiled(base, {2, 64, 5}, {16, 64, 2500}), tiled(base, {4, 3, 7}, {16, 3, 50176}),
              tiled(base, {4, 64, 4}, {256, 64, 4096})};
    if (base.spec().groups > 1) all[0].groups = all[2].groups = 16, all[1].groups = 3;
    return all;
}

Cases index_32bit(const Case& base) {
    // the smallest tensor beyond 2^31 elements
    if (!half(base) || short_range(base) || base.layout == Layout::channels_last || base.mode == Mode::eval) return {};
    // 8193 = 3 * 2731: what wraps lands in another row of the tile
    Case c = tiled(base, {3, 16, 16}, {(1 << 13) + 1, 512, 512});
    if (c.spec().groups > 1) c.groups = 64;
    return {c};
}

Cases second_order(const Case& base) {
    List l{with_small_shape(base), {}};
    l.add({"double_backward", "double_derivatives", "double_identities"}, [](Case& c) { c.sigma = 0.5, c.eps = 0.25; });
    return l.cases;
}

Cases nothing(const Case&) { return {}; }

}  // namespace normlab::verify::hostile
