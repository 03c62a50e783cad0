#include "norms/names.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace normlab {
namespace {

constexpr std::array<std::string_view, 2> layouts{"nchw", "nhwc"}, modes{"train", "eval"}, devices{"host", "cuda"};
constexpr std::array<std::string_view, 4> runnings{"none", "unbiased", "biased", "sigma"};
constexpr std::array<std::string_view, 4> denominators{"root", "added", "floor", "floor_root"};
constexpr std::array<std::string_view, 3> divisors{"own", "less_one", "one"};
constexpr std::array<std::string_view, 6> activations{"none", "relu", "silu", "gelu", "gelu_tanh", "threshold"};
constexpr std::array<std::string_view, 3> residuals{"none", "stored", "wide"};
constexpr std::array<std::string_view, 4> affine_sets{"channel", "element", "sample_channel", "group"};
constexpr std::array<std::string_view, 2> casts{"after", "before"};
constexpr std::array<std::string_view, 3> scales{"given", "block", "channels"}, outputs{"f32", "e4m3", "e5m2"};
constexpr std::array<std::string_view, 5> accumulations{"sequential", "tree", "f64", "kappa-free", "pivot"};

constexpr auto dtypes = [] {
    std::array<std::string_view, kernel_dtypes.size()> names;
    std::ranges::transform(kernel_dtypes, names.begin(), [](DType d) { return row_of(d).name; });
    return names;
}();

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t above = row[j + 1];
            row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] != b[j])});
            diagonal = above;
        }
    }
    return row.back();
}

}  // namespace

std::string_view name_of(DType v) { return row_of(v).name; }
std::string_view name_of(Layout v) { return layouts[static_cast<std::size_t>(v)]; }
std::string_view name_of(Mode v) { return modes[static_cast<std::size_t>(v)]; }
std::string_view name_of(Device v) { return devices[static_cast<std::size_t>(v)]; }
std::string_view name_of(Running v) { return runnings[static_cast<std::size_t>(v)]; }
std::string_view name_of(Denominator v) { return denominators[static_cast<std::size_t>(v)]; }
std::string_view name_of(Divisor v) { return divisors[static_cast<std::size_t>(v)]; }
std::string_view name_of(Activation v) { return activations[static_cast<std::size_t>(v)]; }
std::string_view name_of(Residual v) { return residuals[static_cast<std::size_t>(v)]; }
std::string_view name_of(AffineSet v) { return affine_sets[static_cast<std::size_t>(v)]; }
std::string_view name_of(Cast v) { return casts[static_cast<std::size_t>(v)]; }
std::string_view name_of(Scale v) { return scales[static_cast<std::size_t>(v)]; }
std::string_view name_of(Accumulation v) { return accumulations[static_cast<std::size_t>(v)]; }

DType parse_dtype(std::string_view word) { return kernel_dtypes[place_of("dtype", word, dtypes)]; }
Layout parse_layout(std::string_view word) { return static_cast<Layout>(place_of("layout", word, layouts)); }
Mode parse_mode(std::string_view word) { return static_cast<Mode>(place_of("mode", word, modes)); }
Running parse_running(std::string_view word) {
    return static_cast<Running>(place_of("running statistic", word, runnings));
}
Denominator parse_denominator(std::string_view word) {
    return static_cast<Denominator>(place_of("denominator", word, denominators));
}
Divisor parse_divisor(std::string_view word) { return static_cast<Divisor>(place_of("divisor", word, divisors)); }
Activation parse_activation(std::string_view word) {
    return static_cast<Activation>(place_of("activation", word, activations));
}
Residual parse_residual(std::string_view word) { return static_cast<Residual>(place_of("residual", word, residuals)); }
AffineSet parse_affine_set(std::string_view word) {
    return static_cast<AffineSet>(place_of("affine set", word, affine_sets));
}
Cast parse_cast(std::string_view word) { return static_cast<Cast>(place_of("cast", word, casts)); }
Scale parse_scale(std::string_view word) { return static_cast<Scale>(place_of("scale", word, scales)); }
DType parse_output(std::string_view word) {
    constexpr DType types[] = {DType::f32, DType::e4m3, DType::e5m2};
    return types[place_of("output", word, outputs)];
}
Accumulation parse_accumulation(std::string_view word) {
    return static_cast<Accumulation>(place_of("accumulation", word, accumulations));
}

std::string kernel_dtype_names() { return fmt::format("{}", fmt::join(dtypes, ", ")); }

std::size_t place_of(std::string_view what, std::string_view word, std::span<const std::string_view> accepted) {
    const auto found = std::ranges::find(accepted, word);
    if (found == accepted.end()) throw Error(unknown(what, word, accepted));
    return static_cast<std::size_t>(found - accepted.begin());
}

std::string in_words(const std::vector<std::string>& words, std::string_view last) {
    if (words.size() < 2) return fmt::format("{}", fmt::join(words, ""));
    return fmt::format("{} {} {}", fmt::join(words.begin(), words.end() - 1, ", "), last, words.back());
}

std::string unknown(std::string_view what, std::string_view word, std::span<const std::string_view> accepted) {
    std::string_view nearest;
    std::size_t best = std::max<std::size_t>(2, word.size() / 2) + 1;
    for (std::string_view a : accepted)
        if (const std::size_t d = edit_distance(word, a); d < best) best = d, nearest = a;
    return fmt::format("unknown {} '{}'{}; accepted: {}", what, word,
                       nearest.empty() ? "" : fmt::format(" (did you mean {}?)", nearest), fmt::join(accepted, ", "));
}

}  // namespace normlab
