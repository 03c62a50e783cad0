#include "verify/checks/sizes.hpp"

#include <cmath>
#include <functional>
#include <string_view>

#include "norms/registry.hpp"
#include "norms/variants.hpp"
#include "verify/check/check.hpp"

namespace normlab::verify {
namespace {

// Lengths of blocks and numbers of rows and channels that are prime, and one less and one more than powers of two, up
// to 8192: tails, and paths that are chosen by size. What all of a sum hangs on stands at its end (patterns.hpp).
void add_lengths(std::vector<Case>& cases, const Case& base) {
    const bool f32 = base.dtype == DType::f32;
    const auto add = [&](const Case& c) {
        cases.push_back(c);
        cases.back().dy.pattern = cases.back().x.pattern == "tail" ? "normal" : "tail";
    };
    for (const std::int64_t m : {511, 513, 1021, 1023, 1025, 2039, 2047, 2049, 4093, 4095, 4097, 8191, 8193}) {
        if (!f32 && m != 1021 && m != 4097) continue;
        cases.push_back(with_block(base, m));
    }
    if (base.spec().eps > 0)  // eps as large as the variance: another path may be chosen where blocks are long
        for (const std::int64_t m : {1025, 8193})
            if (f32 || m == 1025) cases.push_back(with_block(base, m)), cases.back().sigma = 0.003;
    std::vector<std::int64_t> tails{1023, 4097, 8191};
    if (f32 && base.layout == Layout::channels_first) tails.push_back(65539);
    for (const std::int64_t m : tails) {
        Case c = with_block(base, m);
        c.x.pattern = "tail";
        add(c);
        if (m < 65536 || base.spec().plain()) continue;
        for (const Divisor q : {Divisor::own, Divisor::less_one, Divisor::one})  // counted otherwise
            if (q != base.spec().divisor) c.divisor = q, add(c);
    }
    for (const std::int64_t n : {127, 513, 1021, 2049, 4095, 8191})
        if (f32 || n == 1021 || n == 4095) {
            Case c = base;
            c.shape = {n, 3, 2};
            if (c.spec().groups > 1) c.groups = 1;
            add(c);
        }
    for (const std::int64_t channels : {1025, 4095})
        if (f32 || channels == 1025) {
            Case c = base;
            c.shape = {2, channels, 3};
            if (c.spec().groups > 1) c.groups = 5;
            cases.push_back(c);
        }
}

// A case with that shape, and with groups that divide its channels.
Case of_shape(Case c, const Shape& shape) {
    c.shape = shape;
    const std::int64_t C = shape.C, S = shape.S;
    if (c.spec().groups > 1)  // of one channel, of all of them, or of a third or a half
        c.groups = S > 1 && S % 3 == 0 ? C : S % 3 == 1 && C % 2 == 0 ? 2 : C % 3 == 0 ? 3 : 1;
    return c;
}

// One full piece of 64 and every remainder, of rows, channels and positions: vectors, unrolled loops and tiles of rows.
void add_remainders(std::vector<Case>& cases, const Case& base) {
    for (std::int64_t r = 0; r < 64; ++r) {
        for (const Shape& shape :
             {Shape{64 + r, 3, 1}, Shape{3, 64 + r, 1}, Shape{3, 4, 64 + r}, Shape{2, 2 * r + 2, 4}})
            cases.push_back(of_shape(base, shape));
    }
    for (const Shape& shape : {Shape{1030, 37, 1}, Shape{1030, 5, 1}, Shape{20, 1, 3}})
        cases.push_back(of_shape(base, shape));
    for (AffineUse use : {AffineUse::gamma, AffineUse::beta, AffineUse::none}) {  // absent parameters beside a tail
        for (const std::int64_t m : {257, 514, 1027}) cases.push_back(with_block(base, m)), cases.back().affine = use;
        cases.push_back(of_shape(base, {5, 37, 4})), cases.back().affine = use;
    }
    for (std::int64_t m = 1; m <= 16; ++m)
        if (const Case c = with_block(base, m); is_valid(c)) cases.push_back(c);
}

// The same beyond a thousand, where another path may be taken.
void add_long_remainders(std::vector<Case>& cases, const Case& base) {
    for (std::int64_t r = 0; r < 16; ++r)
        for (const Shape& shape : {Shape{1024 + r, 3, 1}, Shape{2, 1024 + r, 1}, Shape{2, 3, 1024 + r}})
            cases.push_back(of_shape(base, shape));
}

// A single channel, with and without each parameter.
void add_single_channels(std::vector<Case>& cases, const Case& base) {
    for (const Shape& shape : {Shape{8, 1, 5}, Shape{70, 1, 1}, Shape{3, 1, 1030}})
        for (const AffineUse use : {AffineUse::both, AffineUse::gamma, AffineUse::beta, AffineUse::none}) {
            Case c = of_shape(base, shape);
            c.affine = use;
            if (has_gamma(use)) c.gamma.given = {-1.5};
            if (is_valid(c)) cases.push_back(c);
        }
}

// Widths of transformers, which are common enough for a path of their own. Between them widths, and numbers of rows, in
// steps of an eighth: a path may be chosen for a range.
void add_widths(std::vector<Case>& cases, const Case& base) {
    if (base.layout != Layout::channels_first || base.mode != Mode::train || base.dtype == DType::f64) return;
    for (const std::int64_t width :
         {128,  192,  256,  320,  384,  448,  512,  576,  640,  768,  896,   960,   1024,  1152,  1280,
          1408, 1536, 1600, 1664, 1792, 1920, 2048, 2304, 2560, 2688, 2880,  3072,  3200,  3584,  4096,
          4544, 4608, 5120, 5376, 5632, 6144, 6656, 7168, 8192, 9216, 10240, 11008, 12288, 14336, 16384})
        cases.push_back(of_shape(base, {2, width, 1}));
    for (std::int64_t size = 67; size < 16384; size += size / 8 | 1) {
        cases.push_back(of_shape(base, {2, size, 1}));
        if (size < 4096) cases.push_back(of_shape(base, {size, 3, 1}));
    }
}

// Maps of convolutional nets and their channels, and sizes that are equal.
void add_maps(std::vector<Case>& cases, const Case& base) {
    for (const std::int64_t map :
         {9,   16,  25,  36,  49,  50,  64,  81,  100,  121,  144,  169,  196,  197,  225,  256,  257,  289, 324,
          361, 400, 576, 577, 676, 729, 784, 961, 1024, 1025, 1225, 1444, 1600, 2304, 2704, 3025, 3136, 4096})
        cases.push_back(of_shape(base, {map % 3 + 1 + (map < 500), 2, map}));
    for (const std::int64_t channels : {3, 16, 24, 32, 48, 64, 96, 128, 160, 256, 320, 512, 1024, 2048})
        cases.push_back(of_shape(base, {5, channels, 4}));
    for (const Shape& equal :
         {Shape{12, 12, 1}, Shape{12, 12, 5}, Shape{12, 5, 12}, Shape{5, 12, 12}, Shape{12, 12, 12}})
        cases.push_back(of_shape(base, equal));
}

// What a layer may have, as far as this dtype can have it. Those of one kind do not go together.
struct Option {
    std::string_view kind;
    std::function<void(Case&)> set;
};
std::vector<Option> options_of(DType dtype) {
    std::vector<Option> all{
        {"offset", [](Case& c) { c.gamma_offset = 1; }},
        {"activation",
         [](Case& c) { c.activation = c.dtype == DType::f16 ? Activation::gelu_tanh : Activation::silu; }},
        {"activation", [](Case& c) { c.activation = Activation::threshold; }},
        {"residual", [](Case& c) { c.residual = Residual::stored; }}};
    for (const AffineUse use : {AffineUse::gamma, AffineUse::beta, AffineUse::none})
        all.push_back({"affine", [use](Case& c) { c.affine = use; }});
    for (const AffineSet set : other_sets) all.push_back({"set", [set](Case& c) { c.affine_set = set; }});
    if (dtype != DType::f64)
        for (const DType params : {DType::bf16, DType::f16})
            all.push_back({"type", [params](Case& c) { c.param_dtype = params; }});
    if (is_narrow(dtype))
        for (const Residual residual : {Residual::stored, Residual::wide})
            all.push_back({"residual", [residual](Case& c) { c.residual = residual, c.residual_dtype = DType::f32; }});
    if (is_narrow(dtype)) all.push_back({"cast", [](Case& c) { c.cast = Cast::before; }});
    return all;
}

// Each option beside long rows, many channels and rows, maps, and tails of each: it may stand in one of several paths
// alone.
void add_options(std::vector<Case>& cases, const Case& base) {
    const auto add = [&](const Shape& shape, const Option& option) {
        cases.push_back(of_shape(base, shape));
        option.set(cases.back());
    };
    for (const Option& option : options_of(base.dtype)) {
        add({70, 6, 3}, option);
        if (base.mode == Mode::eval) continue;
        for (const Shape& shape :
             {Shape{2, 12288, 1}, Shape{2, 2050, 1}, Shape{1, 8, 5329}, Shape{3, 18, 5}, Shape{2053, 6, 1}})
            add(shape, option);
    }
    if (base.mode == Mode::eval) return;
    if (base.dtype == DType::f32 || base.dtype == DType::bf16)  // beyond 2^15 and 2^16 rows
        add({70001, 3, 1}, {"residual", [](Case& c) {
                                c.residual = Residual::stored, c.activation = Activation::silu, c.gamma_offset = 1;
                            }});
    add({3, 18, 5}, {"activation", [](Case& c) { c.activation = Activation::relu; }});
    for (const Shape& shape : {Shape{5, 64, 100}, Shape{130, 66, 4}})
        add(shape, {"set", [](Case& c) { c.affine_set = AffineSet::element; }});
}

// Every two options together: each may be right alone.
void add_pairs_of_options(std::vector<Case>& cases, const Case& base) {
    std::vector<Option> options = options_of(base.dtype);
    options.push_back({"activation", [](Case& c) { c.activation = Activation::relu; }});
    for (const Strides strides : {Strides::sliced, Strides::expanded_samples})
        options.push_back({"strides", [strides](Case& c) { c.strides = strides; }});
    if (is_narrow(base.dtype)) options.push_back({"output", [](Case& c) { c.output = DType::f32; }});
    if (arithmetic_dtype(base.dtype) == DType::f32)
        options.push_back({"output", [](Case& c) { c.output = DType::e4m3, c.scale = Scale::block; }});
    if (!is_weights(base.spec())) options.push_back({"mask", [](Case& c) { c.mask = MaskPattern::scattered; }});
    std::size_t number = 0;
    for (std::size_t a = 0; a < options.size(); ++a)
        for (std::size_t b = a + 1; b < options.size(); ++b) {
            if (options[a].kind == options[b].kind) continue;
            if (const bool some = ++number % 3 == 0; base.mode == Mode::eval && !some) continue;
            Case c = of_shape(base, number % 2 ? Shape{4, 18, 3} : Shape{5, 6, 7});
            options[a].set(c), options[b].set(c);
            if (is_valid(c)) cases.push_back(c);
        }
}

// Numbers that cancel, and one far from the others, in blocks of sizes for which another way may be taken.
void add_hostile_lengths(std::vector<Case>& cases, const Case& base) {
    if (base.mode == Mode::eval) return;
    const Accumulation sums = find_implementation(base.implementation).accumulation(base.dtype);
    const bool exact = sums == Accumulation::f64 || sums == Accumulation::kappa_free;
    for (const std::int64_t m : {255, 768, 1024, 2048, 4096, 20000, 40000}) {
        const Case c = with_block(base, m);
        cases.push_back(c), cases.back().x.pattern = "outlier";
        cases.push_back(c), cases.back().kappa = is_narrow(base.dtype) ? 30 : 1e3;
        if (exact && !is_narrow(base.dtype)) cases.push_back(c), cases.back().kappa = 1e6;
    }
    for (const double kappa : {1e3, 1e6}) {  // of many positions, in few rows
        if (is_narrow(base.dtype) || (kappa > 1e3 && !exact)) continue;
        cases.push_back(of_shape(base, {2, 3, 5003})), cases.back().kappa = kappa;
    }
}

// Gradients beyond the largest number of their type, which are infinite there.
void add_overflows(std::vector<Case>& cases, const Case& base) {
    if (base.mode == Mode::eval || base.dtype == DType::f64 || base.dtype == DType::f16) return;
    cases.push_back(of_shape(base, {5, 6, 7}));
    cases.back().param_dtype = DType::f16, cases.back().dy.pattern = "large";
}

// Sizes that meet by chance, each of any magnitude; channels are odd, or a multiple of 8, which vectors divide. Every
// second time with an option.
void add_drawn(std::vector<Case>& cases, const Case& base) {
    constexpr int count = 32;
    constexpr double most = 17;  // bits of the tensor's size
    const std::vector<Option> options = options_of(base.dtype);
    std::size_t option = 0;
    Random random(9001);
    for (int k = 0; k < count; ++k) {
        double bits[3], sum = 0;
        for (double& b : bits) sum += b = random.uniform();
        const double all = most * std::sqrt(random.uniform());
        const auto size = [&](int axis) {
            return std::max<std::int64_t>(1, std::llround(std::exp2(all * bits[axis] / sum)));
        };
        const std::int64_t C = size(1);
        cases.push_back(of_shape(base, {size(0), C < 8 ? C : k % 2 ? C | 1 : C / 8 * 8, size(2)}));
        cases.back().seed = static_cast<std::uint64_t>(k) + 1;
        if (k % 4 > 1) options[option++ % options.size()].set(cases.back());
    }
}

// Sums over many rows of many channels, and over maps that the usual pieces of rows and positions do not divide.
void add_long_sums(std::vector<Case>& cases, const Case& base) {
    if (base.mode == Mode::eval || (base.dtype != DType::f32 && base.dtype != DType::bf16)) return;
    for (const Shape& shape : {Shape{50, 4, 901}, Shape{1, 8, 5329}, Shape{67, 9216, 1}})
        cases.push_back(of_shape(base, shape));
}

}  // namespace

bool is_others(const Case& base) { return !find_implementation(base.implementation).origin().empty(); }

std::vector<Case> size_cases(const Case& base) {
    std::vector<Case> cases;
    if (repeats_training(base)) {  // evaluation may have a path of its own all the same
        if (is_others(base)) add_options(cases, with_state(base));
        return cases;
    }
    add_lengths(cases, base);
    if (base.implementation == "reference") return cases;  // it chooses no path by size
    // ours are the same code for all dtypes and widths
    if (is_others(base) || base.dtype == DType::f32 || base.dtype == DType::bf16) add_remainders(cases, base);
    if (is_others(base) || base.dtype == DType::f32) add_maps(cases, base);
    if (!is_others(base)) return cases;
    add_widths(cases, base), add_options(cases, base), add_pairs_of_options(cases, base);
    add_long_remainders(cases, base), add_single_channels(cases, base);
    add_hostile_lengths(cases, base), add_overflows(cases, base);
    add_long_sums(cases, base), add_drawn(cases, base);
    return cases;
}

}  // namespace normlab::verify
