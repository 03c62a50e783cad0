// Accuracy against truth, per element, over shapes, settings and the kappa ladder; and how the error grows with kappa.

#include <algorithm>

#include <fmt/format.h>

#include "norms/variants.hpp"
#include "verify/check/compare.hpp"
#include "verify/check/quantized.hpp"
#include "verify/checks/output_cases.hpp"
#include "verify/checks/sizes.hpp"
#include "verify/faults/naming.hpp"
#include "verify/truth/quantities.hpp"
#include "verify/truth/range.hpp"
#include "verify/truth/scale.hpp"

namespace normlab::verify {
namespace {

constexpr double ladder[] = {1, 10, 1e2, 1e3, 1e4, 1e5, 1e6};

// Every activation in f32, and one in each other dtype, since dtypes differ only in their roundings.
void add_activations(std::vector<Case>& cases, const Case& base) {
    if (base.layout == Layout::channels_last) return;
    const auto add = [&](Activation a) {
        cases.push_back(base);
        cases.back().activation = a;
    };
    if (base.dtype == DType::f32)
        for (const Activation a : {Activation::relu, Activation::silu, Activation::gelu, Activation::gelu_tanh}) add(a);
    if (base.dtype == DType::f32) {  // relu at its kink: z is 0 to the last bit
        add(Activation::relu);
        cases.back().gamma.pattern = cases.back().beta.pattern = "zero";
    }
    // z where exponentials overflow or vanish, and where z itself does
    if (base.dtype == DType::f32)
        for (const Activation a : {Activation::relu, Activation::silu, Activation::gelu, Activation::gelu_tanh})
            for (const bool beyond : {false, true}) {
                add(a);
                Case& c = cases.back();
                const auto fill = [&](Values& values, std::initializer_list<double> some) {
                    values.pattern.clear();
                    for (std::int64_t k = 0; k < c.shape.C; ++k) values.given.push_back(some.begin()[k % 6]);
                };
                if (!beyond) fill(c.gamma, {12, -30, 90, 45, -120, 300});
                else
                    fill(c.gamma, {3e36, -3e36, 1, 3e36, -3e36, 3e36}),
                        fill(c.beta, {3.4e38, 3.4e38, -3.4e38, -3.4e38, -3.4e38, 0});
            }
    if (base.dtype == DType::f64) add(Activation::gelu);
    if (base.dtype == DType::bf16) add(Activation::silu);
    if (base.dtype == DType::f16) add(Activation::gelu_tanh);
}

// A threshold: with tau among z, at the kink, above z and below; and what z, dz and the sums of dtau depend on.
void add_thresholds(std::vector<Case>& cases, const Case& base) {
    const auto add = [&](auto change) {
        Case c = base;
        c.activation = Activation::threshold;
        change(c);
        if (is_valid(c)) cases.push_back(c);
    };
    add([](Case&) {});
    if (base.dtype != DType::f32) return;
    for (const std::string_view tau : {"between", "beta", "low", "high"}) add([tau](Case& c) { c.tau.pattern = tau; });
    add([](Case& c) { c.gamma.pattern = "zero", c.tau.pattern = "beta"; });
    // z is 0, and tau, to the last bit
    add([](Case& c) { c.gamma.pattern = c.beta.pattern = "zero", c.tau.pattern = "beta"; });
    for (const AffineUse use : {AffineUse::gamma, AffineUse::none}) add([use](Case& c) { c.affine = use; });
    for (const AffineSet set : other_sets) add([set](Case& c) { c.affine_set = set; });
    for (const Shape& shape : {Shape{1, 6, 3}, Shape{67, 66, 2}, Shape{3, 6, 1}, Shape{131, 3, 7}})
        add([&shape](Case& c) {
            c.shape = shape;
            if (c.groups && shape.C % 3 == 0) c.groups = 3;
        });
    add([](Case& c) { c = with_narrow_params(c), c.gamma_offset = 1; });
    add([](Case& c) { c.residual = Residual::wide, c.strides = Strides::sliced; });
    add([](Case& c) { c.dy.pattern = "tail", c.shape.S = 31; });
    add([](Case& c) { c.strides = Strides::expanded; });
    add([](Case& c) { c.output = DType::e4m3, c.scale = Scale::block; });
    if (is_weights(base.spec())) return;
    add([](Case& c) { c.shape.S = 7, c.mask = MaskPattern::poisoned; });
}

// If the mean is several deviations from 0, rounding the sum x + residual to 16 bits moves the statistics.
void add_residuals(std::vector<Case>& cases, const Case& base) {
    const double kappa = is_narrow(base.dtype) ? 10 : 1;
    const auto add = [&](Residual residual) {
        cases.push_back(base);
        cases.back().residual = residual, cases.back().kappa = kappa;
    };
    add(Residual::stored);
    if (!is_narrow(base.dtype)) return;
    add(Residual::wide);
    if (base.layout == Layout::channels_last) return;
    cases.back().ds.pattern = "none";
    add(Residual::stored), cases.back().residual_dtype = DType::f32;
    add(Residual::wide), cases.back().activation = Activation::silu;
}

// x_hat rounded before gamma: alone, with what changes gamma, beta or x_hat, with what follows, in long blocks and in
// short ones.
void add_casts(std::vector<Case>& cases, const Case& base) {
    const auto add = [&](auto change) {
        Case c = base;
        c.cast = Cast::before;
        change(c);
        cases.push_back(c);
    };
    add([](Case&) {});
    if (!is_narrow(base.dtype)) return;
    add([](Case& c) { c.affine = AffineUse::gamma, c.kappa = 10; });
    add([](Case& c) { c.gamma_offset = 1; });
    add([](Case& c) { c = with_block(with_narrow_params(c), 65); });
    if (base.layout == Layout::channels_last) return;
    add([](Case& c) { c = with_block(c, 1040); });
    add([](Case& c) { c.activation = Activation::silu; });
    add([](Case& c) { c.residual = Residual::wide, c.kappa = 10; });
    add([](Case& c) { c.affine_set = AffineSet::element; });
    add([](Case& c) { c.strides = Strides::samples; });
    if (base.spec().correction == Correction::renorm) add([](Case& c) { c.state = StateKind::far; });
}

// Positions left out: each pattern, in blocks of few elements and of many; beside what else decides y, dx and State.
void add_masks(std::vector<Case>& cases, const Case& base) {
    if (is_weights(base.spec())) return;
    const auto add = [&](MaskPattern mask, auto change) {
        Case c = base;
        c.shape.S = 7, c.mask = mask;
        change(c);
        if (is_valid(c)) cases.push_back(c);
    };
    using enum MaskPattern;
    for (const MaskPattern mask : {tail, scattered, all, one, poisoned}) add(mask, [](Case&) {});
    if (base.dtype != DType::f32) return;
    add(scattered, [](Case& c) { c.shape = {9, 6, 70}; });
    add(poisoned, [](Case& c) { c.residual = Residual::wide; });
    add(poisoned, [](Case& c) { c.residual = Residual::stored, c.activation = Activation::silu; });
    add(poisoned, [](Case& c) { c.strides = Strides::sliced; });
    add(tail, [](Case& c) { c.strides = Strides::expanded; });
    add(poisoned, [](Case& c) { c.affine_set = AffineSet::element; });
    add(tail, [](Case& c) { c.affine_set = AffineSet::sample_channel, c.gamma_offset = 1; });
    add(tail, [](Case& c) { c.shape = {1, 6, 7}; });
    add(one, [](Case& c) { c.shape = {2, 6, 2}; });
    add(scattered, [](Case& c) { c.shape = {12, 6, 1}; });
    if (!base.spec().plain())  // m - 1 of blocks of which one element is left
        for (const MaskPattern mask : {tail, one})
            add(mask, [](Case& c) { c.shape.C = 1, c.divisor = Divisor::less_one; });
    if (base.spec().block.samples && may_keep_state(base.spec()))
        for (const MaskPattern mask : {tail, scattered, one})
            for (const std::int64_t samples : {1, 2})
                add(mask, [=](Case& c) { c.shape.N = 6, c.stat_batch = samples, c.state = StateKind::far; });
}

// Statistics of a part: of few elements and of nearly all, where ceil(part * m) is neither floor nor nearest; of parts
// that are unlike the rest; beside what decides which elements count, and what x_hat and dy are.
void add_parts(std::vector<Case>& cases, const Case& base) {
    if (base.spec().moments != Moments::mean_square) return;
    const auto add = [&](double part, auto change) {
        Case c = base;
        c.part = part;
        change(c);
        if (is_valid(c)) cases.push_back(c);
    };
    const auto plain = [](Case&) {};
    for (const double part : {0.001, 0.4, 0.95}) add(part, plain);
    add(0.4, [](Case& c) { c.shape.S = 7, c.mask = MaskPattern::scattered; });
    if (base.dtype != DType::f32) return;
    add(0.5, plain), add(1, plain);
    for (const char* x : {"sorted", "outlier", "spike", "tail"}) add(0.4, [x](Case& c) { c.x.pattern = x; });
    add(0.4, [](Case& c) { c.sigma = 0.003; });
    for (const std::int64_t m : {2, 65, 1040, 4099}) add(0.3, [m](Case& c) { c = with_block(c, m); });
    add(0.3, [](Case& c) { c.shape.S = 7, c.mask = MaskPattern::poisoned; });
    add(0.3, [](Case& c) { c.shape.S = 7, c.mask = MaskPattern::all; });
    add(0.3, [](Case& c) { c.residual = Residual::wide, c.activation = Activation::relu; });
    add(0.3, [](Case& c) { c.gamma_offset = 1, c.activation = Activation::gelu; });
    add(0.3, [](Case& c) { c.affine_set = AffineSet::element, c.dy.pattern = "x_hat"; });
    add(0.3, [](Case& c) { c.strides = Strides::stepped; });
    add(0.3, [](Case& c) { c.output = DType::e4m3, c.scale = Scale::block; });
}

std::vector<Case> settings(const Case& base) {
    std::vector<Case> cases;
    const auto add = [&](auto change) {
        Case c = with_small_shape(base);
        change(c);
        cases.push_back(c);
    };
    const Spec spec = base.spec();
    add([](Case&) {});
    for (AffineUse use : {AffineUse::gamma, AffineUse::beta, AffineUse::none}) add([use](Case& c) { c.affine = use; });
    add([](Case& c) { c.gamma.pattern = "ones", c.beta.pattern = "zero"; });        // as a layer begins
    if (base.dtype == DType::f16) add([](Case& c) { c.gamma.pattern = "large"; });  // some y are infinite
    // one sample, channel, position
    for (const Shape& one : {Shape{1, 6, 3}, Shape{5, 1, 3}, Shape{5, 6, 1}, Shape{1, 6, 1}, Shape{1, 1, 7}})
        add([&one](Case& c) {
            c.shape = one;
            if (c.groups && one.C == 1) c.groups = 1;
        });
    if (spec.eps > 0) {  // eps as large as the variance, and far above it: where eps faults show
        add([](Case& c) { c.sigma = 0.01; });
        add([](Case& c) { c.sigma = 0.003; });
        add([](Case& c) { c.eps = 0.5; });
        add([](Case& c) {  // the same to the last bit, of the data and of State: whatever compares the two
            c.shape = {4, 8, 2}, c.x.pattern = "alternating", c.sigma = 0.5, c.eps = 0.25, c.state = StateKind::eps;
            if (c.groups) c.groups = 2;
        });
    }
    add_activations(cases, Case(cases[0]));
    add_thresholds(cases, Case(cases[0]));
    add_residuals(cases, Case(cases[0]));
    for (const AffineUse use : {AffineUse::both, AffineUse::beta})  // an offset, and no gamma to add it to
        add([use](Case& c) { c.gamma_offset = 1, c.affine = use; });
    for (const Shape& shape : {Shape{1, 6, 3}, Shape{3, 1026, 1}, Shape{67, 66, 2}})
        add([&shape](Case& c) {
            c.shape = shape, c.gamma_offset = 1;
            if (c.groups && shape.C % 3 == 0) c.groups = 3;
        });
    add([](Case& c) {  // factors of 0, and those that 16 bits take for 1 or 0
        c.gamma_offset = 1;
        c.gamma.pattern.clear();
        constexpr double stored[] = {-1, 1e-4, -1e-3, 0, 3e-8, -0.9999};
        for (std::int64_t k = 0; k < c.shape.C; ++k) c.gamma.given.push_back(stored[k % std::ssize(stored)]);
    });
    for (const AffineSet set : other_sets) {  // other entries of gamma and beta than one a channel
        add([set](Case& c) { c.affine_set = set; });
        if (base.dtype == DType::f32) add([set](Case& c) { c.affine_set = set, c.gamma_offset = 1, c.shape.N = 1; });
    }
    if (base.dtype == DType::f32)
        for (const Shape& shape : {Shape{70, 2, 67}, Shape{3, 66, 5}, Shape{5, 6, 1}})
            add([&shape](Case& c) {
                c.affine_set = AffineSet::element, c.shape = shape;
                if (c.groups && shape.C % 3 != 0) c.groups = 2;
            });
    // slices of larger tensors, and dy of sums
    for (int k = 1; k <= last_strides; ++k) {
        add([k](Case& c) { c.strides = static_cast<Strides>(k); });
        if (base.dtype == DType::f32)
            add([k](Case& c) { c.strides = static_cast<Strides>(k), c.shape = {3, 66, k % 2 == 0 ? 1 : 19}; });
    }
    add([](Case& c) { c.strides = Strides::sliced, c.residual = Residual::stored, c.activation = Activation::silu; });
    add([](Case& c) { c.strides = Strides::samples, c.residual = Residual::wide; });
    add([](Case& c) { c.strides = Strides::expanded, c.residual = Residual::stored; });
    if (is_narrow(base.dtype))
        add([](Case& c) {
            c.strides = Strides::samples, c.residual = Residual::stored, c.residual_dtype = DType::f32;
        });
    if (spec.block.samples)
        add([](Case& c) { c.strides = Strides::expanded_samples, c.shape.N = 6, c.stat_batch = 2; });
    if (base.dtype == DType::f32)  // long rows, and offsets beyond 16 bits
        for (const Shape& shape : {Shape{2, 4096, 1}, Shape{20, 4096, 1}})
            add([&shape](Case& c) {
                c.strides = Strides::samples, c.shape = shape;
                if (c.groups) c.groups = 4;
            });
    add([](Case& c) { c.shape.N = 9, c.x.pattern = "assorted"; });
    if (arithmetic_dtype(base.dtype) == DType::f32) {  // gamma, beta and their gradients in 16 bits
        for (const DType params : {DType::bf16, DType::f16}) add([params](Case& c) { c.param_dtype = params; });
        add([](Case& c) { c = with_narrow_params(c), c.gamma_offset = 1; });
        if (base.dtype == DType::f16)  // sums beyond the largest f16
            add([](Case& c) { c = with_narrow_params(c), c.dy.pattern = "large", c.sigma = 100; });
        if (base.dtype == DType::bf16)  // sums that stand still where they are kept in 16 bits
            add([](Case& c) {
                c = with_narrow_params(c), c.shape = {1021, 66, 1}, c.groups = c.groups ? 3 : c.groups;
            });
    }
    add_casts(cases, Case(cases[0]));
    add_masks(cases, Case(cases[0]));
    add_parts(cases, Case(cases[0]));
    std::ranges::move(output_cases(Case(cases[0])), std::back_inserter(cases));
    add_forms(cases, Case(cases[0]));
    if (!spec.plain())
        for (const Denominator d : {Denominator::root, Denominator::added, Denominator::floor, Denominator::floor_root})
            for (const Divisor q : {Divisor::own, Divisor::less_one, Divisor::one})
                for (const std::int64_t m : {6, 65})
                    add([&](Case& c) {
                        c = with_block(c, m);
                        if (d != spec.denominator) c.denominator = d;
                        if (q != spec.divisor) c.divisor = q;
                        c.eps = 0.25;
                    });
    add_near_floor(cases, Case(cases[0]));
    // A floor below the variance and its square above: dx tells which of them the variance is compared with.
    const auto add_floor = [&](Denominator denominator, Divisor divisor) {
        add([&](Case& c) {
            c.eps = 6;
            if (denominator != spec.denominator) c.denominator = denominator;
            if (divisor != spec.divisor) c.divisor = divisor;
        });
    };
    if (spec.has_floor())
        for (const Denominator d : {Denominator::floor, Denominator::floor_root}) add_floor(d, spec.divisor);
    else if (!spec.plain()) add_floor(Denominator::floor_root, Divisor::one);
    if (spec.denominator == Denominator::floor && spec.moments == Moments::norm)  // at its floor, to the last bit
        add([](Case& c) { c.shape = {4, 8, 2}, c.x.pattern = "alternating", c.sigma = 0.5, c.eps = 2; });
    add([](Case& c) { c.shape.S = 31, c.dy.pattern = "tail"; });  // dy of a masked loss: 0 in most places
    // floors of a variance or a norm: 1e-10, 1e-12, 1e-20 are in use. rstd^3, which some form, stays a float.
    if (base.dtype != DType::f16)
        add([&](Case& c) {
            c.sigma = spec.moments == Moments::norm ? 1e-13 : 1e-11;
            if (spec.moments != Moments::norm) c.eps = 0;
        });
    add([](Case& c) { c.dy.pattern = "large", c.sigma = 100; });
    // what short blocks show, in one that a kernel may take another way: no variance, squares beyond float or below it
    if (base.dtype == DType::f32 || base.dtype == DType::bf16) {
        add([](Case& c) { c = with_block(c, 1040), c.x.pattern = "constant", c.eps = 0; });
        for (const double sigma : {1e21, 1e-25}) add([&](Case& c) { c = with_block(c, 1040), c.sigma = sigma; });
    }
    if (base.mode == Mode::eval && spec.running != Running::none) {
        add([](Case& c) { c.state = StateKind::far; });
        if (spec.eps > 0)
            for (const std::int64_t count : {3, 0})
                add([count](Case& c) { c.state = StateKind::zero, c.count = count; });
        if (spec.correction == Correction::none) add([](Case& c) { c.running = Running::none; });
    }
    if (may_keep_state(spec) && spec.block.samples) {
        for (const std::int64_t samples : {2, 1, 6}) add([samples](Case& c) { c.shape.N = 6, c.stat_batch = samples; });
        add([](Case& c) { c.momentum = "none"; });
        add([](Case& c) { c.running = Running::biased_variance; });
    }
    if (spec.correction == Correction::renorm) {
        add([](Case& c) { c.state = StateKind::far; });
        add([](Case& c) { c.running = Running::unbiased_variance; });
        add([](Case& c) { c.shape.N = 6, c.stat_batch = 2, c.state = StateKind::far; });
        add([](Case& c) { c.r_max = 1, c.d_max = 0; });
        add([](Case& c) { c.r_max = 1, c.state = StateKind::far; });
        add([](Case& c) { c.d_max = 0, c.state = StateKind::far; });
        add([](Case& c) { c.d_max = 1, c.state = StateKind::far; });  // d of 1 and -1 is no special number
        for (const char* momentum : {"0", "1"})  // r and d are of the State before the step, whatever that does
            add([momentum](Case& c) { c.momentum = momentum, c.state = StateKind::far; });
    } else if (spec.running == Running::none && may_keep_state(spec)) {
        add([](Case& c) { c.running = Running::unbiased_variance; });
    }
    if (spec.block.channels && !spec.block.groups) {
        add([](Case& c) { c.groups = 1; });
        add([](Case& c) { c.groups = c.shape.C; });
        add([](Case& c) { c.groups = c.shape.C / 3; });
    }
    return cases;
}

std::vector<Case> accuracy_cases(const Case& base, Tier tier) {
    std::vector<Case> cases = settings(base);
    if (tier == Tier::smoke) {
        cases.resize(1);
        if (base.dtype == DType::f32 && base.layout == Layout::channels_first)
            cases.push_back(cases[0]), cases.back().activation = Activation::silu, cases.push_back(cases[0]),
                                       cases.back().residual = Residual::stored;
    }
    if (repeats_training(base)) {
        cases.resize(1);
        if (tier == Tier::smoke) return cases;
        add_masks(cases, Case(cases[0]));
        std::ranges::copy(size_cases(base), std::back_inserter(cases));
        return cases;
    }
    const auto add = [&](std::int64_t m, double kappa, std::uint64_t seed = 1) {
        Case c = with_block(base, m);
        c.kappa = kappa, c.seed = seed;
        if (kappa <= row_of(base.dtype).largest_kappa) cases.push_back(c);
    };
    if (tier == Tier::smoke) {
        for (double kappa : {1e3, 1e4}) add(8, kappa), add(64, kappa);
        return cases;
    }
    for (double kappa : ladder) add(8, kappa), add(64, kappa);
    const std::int64_t length = tier == Tier::ci ? 8192 : 65536;
    for (double kappa : {1.0, 1e3, 1e6}) add(length, kappa);
    add(251, 1);
    std::ranges::copy(size_cases(base), std::back_inserter(cases));
    if (tier == Tier::full)
        for (const std::uint64_t seed : full_tier_seeds)
            for (double kappa : ladder)
                add(8, kappa, seed), add(64, kappa, seed), add(257, kappa, seed), add(4096, kappa, seed);
    return cases;
}

std::vector<Finding> accuracy(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    const truth::Result t = truth::evaluate(in);
    const Accumulation a = implementation.accumulation(c.dtype);
    Bounds hard = error_bounds(in, t, a);
    const Bounds soft = error_bounds(in, t, a, Limit::warning);
    Outputs<double> out = run(implementation, in);
    const std::size_t saturated = accept_saturation(in, a, out, t, hard);
    const Problem& p = in.problem;
    std::vector<Finding> all;
    const auto judge = [&](const QuantityRow& q, const Problem& sizes) {
        Finding f = compare(q.name, q.stored(sizes), q.in(out), q.in(t), hard.*q.bound, soft.*q.bound);
        f.not_judged = f.verdict == Verdict::pass && f.error > 0 && promises_nothing(hard.*q.bound, scale_of(q, in, t));
        all.push_back(std::move(f));
    };
    for (const QuantityRow& q : quantities::outputs(p)) {
        if (c.check != "accuracy" && c.check != q.name) continue;
        if (q.quantity == Quantity::y && p.spec.quantizes()) {
            if (!saturated) std::ranges::move(judge_quantized(in, t, hard.y, soft.y, out), std::back_inserter(all));
            continue;
        }
        judge(q, p);
        if (saturated)
            all.back().note =
                fmt::format("{} of {} blocks saturated, as their saved var says", saturated, t.blocks.size());
    }
    Problem by_block = p;  // Saved has an entry a block
    by_block.dtype = DType::f64;
    by_block.shape = {1, static_cast<std::int64_t>(t.blocks.size()), 1};
    for (const QuantityRow& q : c.check == "accuracy" ? quantities::saved() : std::span<const QuantityRow>()) {
        // empty: not saved
        if (!q.in(out).empty()) judge(q, by_block);
        if (q.quantity != Quantity::rstd || !p.own_statistics()) continue;
        const auto negative = std::ranges::count_if(out.saved.var, [](double v) { return v < 0; });
        all.push_back(measured("negative saved var", static_cast<double>(negative), 0));
    }
    faults::name_faults(all, in, t, hard, out, implementation);
    return all;
}

std::string slope_refuses(const Case& c) {
    return is_narrow(c.dtype) ? "rounding to 16 bits hides how the error grows" : needs_mean_removed(c);
}

std::vector<Case> slope_cases(const Case& base, Tier tier) {
    std::vector<Case> cases;
    for (std::int64_t m : {8, 64}) cases.push_back(with_block(base, m));
    if (tier == Tier::smoke) cases.resize(1);
    return cases;
}

// Least squares of log error on log kappa: about 0 (mean kept wider), 1 (mean rounded) or 2 (one-pass variance). Points
// count from where the error has left its floor to where it stops meaning anything. An error below that of a mean
// rounded once to the type of the arithmetic counts as that: who may round the mean may lose less in another way.
std::vector<Finding> kappa_slope(const Case& c, const Implementation& implementation) {
    constexpr int repeats = 8;
    const bool flat = implementation.accumulation(c.dtype) == Accumulation::kappa_free && c.dtype == DType::f32;
    double floor = 0;
    std::vector<std::pair<double, double>> points;  // log10 of kappa and of the error
    std::vector<std::pair<double, double>> curve;
    bool lost = false, nan = false;
    double decade = 1;
    for (int half_decade = 0; half_decade <= 12; ++half_decade) {
        if (half_decade > 0 && half_decade % 2 == 0) decade *= 10;
        const double kappa = half_decade % 2 ? std::sqrt(10.0) * decade : decade;
        double error = 0;
        for (int k = 0; k < repeats; ++k) {
            Case one = c;
            one.kappa = kappa;
            one.seed = c.seed + static_cast<std::uint64_t>(k);
            Inputs<double> in = draw(one);
            in.gamma.clear(), in.beta.clear(), in.dy.clear();
            const truth::Result t = truth::evaluate(in);
            const Outputs<double> out = run_forward(implementation, in);
            for (std::size_t i = 0; i < out.y.size(); ++i) {
                const double e = truth::distance(out.y[i], t.y[i]);
                error = e > error || std::isnan(e) ? e : error;
            }
        }
        curve.emplace_back(kappa, error);
        if (!flat) error = std::max(error, kappa * unit_roundoff(c.dtype));
        if (half_decade == 0) floor = error;
        lost |= !(error < 0.1);
        nan |= std::isnan(error);
        if (!(error > 3 * floor) || !(error < 0.1)) continue;
        points.emplace_back(std::log10(kappa), std::log10(error));
    }
    // Fewer points are too noisy to tell 1 from 1.5.
    Finding f = measured("slope", points.size() >= 3 ? fitted_slope(points) : 0, flat ? 0.5 : 1.5);
    if (nan) f.verdict = Verdict::fail;
    else if (points.size() < 3 && lost)
        f.verdict = Verdict::unresolved;  // no digits left before a slope could be seen; accuracy says FAIL
    f.note = "y error by kappa";
    for (const auto& [kappa, error] : curve) f.note += fmt::format(" {:.0e}:{:.1e}", kappa, error);
    f.curve = std::move(curve);
    return {f};
}

}  // namespace

extern const Check accuracy_check{
    "accuracy",     "y, dx, dgamma and dbeta are within their derived bounds of truth, element by element",
    true,           always,
    accuracy_cases, accuracy,
    true,           true,
    true,           true};
extern const Check kappa_slope_check{
    "kappa_slope",
    "the error of y grows no faster than kappa^1.5 (slope 2: a one-pass variance), declared kappa-free: not at all",
    false,
    slope_refuses,
    slope_cases,
    kappa_slope};

}  // namespace normlab::verify
