#include "verify/run/generate.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "norms/variants.hpp"
#include "system/memory_budget.hpp"
#include "verify/case/settings.hpp"
#include "verify/run/memory_need.hpp"

namespace normlab::verify {
namespace {

// The checks that look at whatever numbers a case draws, the first ones more often.
constexpr std::string_view for_any_numbers[] = {"accuracy",     "accuracy",           "accuracy",     "accuracy",
                                                "accuracy",     "zero_sum",           "xhat_dx",      "symmetry",
                                                "identity",     "running_stats",      "fold",         "gradient_masks",
                                                "power_of_two", "contracts",          "isolation",    "repeat",
                                                "permutation",  "batch_independence", "combinations", "sequence"};

// Small, or at the edges of vector lanes.
std::int64_t size(std::int64_t most, Random& random) {
    static constexpr std::int64_t edges[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65};
    return std::min(most, random.chance(0.3) ? random.one_of(edges) : random.integer(1, 12));
}

// Evenly in its logarithm.
std::int64_t log_uniform(double least, double most, Random& random) {
    return std::llround(least * std::exp2(random.uniform() * std::log2(most / least)));
}

void draw_part(Case& c, Part part, Random& random) {
    for (const Setting* s : settings_of(part)) s->reset(c);
    for (const Setting* s : settings_of(part)) s->draw(c, random);
}

void draw_shape(Case& c, Random& random) {
    c.shape = {size(65, random), size(33, random), size(33, random)};
    while (c.shape.size() > 1500) (c.shape.N > c.shape.S ? c.shape.N : c.shape.S) /= 2;
    // a long axis: what it costs grows with the shape
    if (c.check == "accuracy" && random.chance(0.01)) {
        c.shape = {random.integer(1, 3), random.integer(1, 3), random.integer(1, 3)};
        *random.one_of({&c.shape.N, &c.shape.C, &c.shape.S}) = log_uniform(64, 0x1p15, random);
    }
    draw_part(c, Part::size, random);
}

// A tensor of up to 2^26 elements that repeats a tile, if memory has room for it.
bool draw_tiled(Case& c, Random& random) {
    c.check = "tiled";
    const auto size = static_cast<double>(log_uniform(0x1p11, 0x1p26, random));
    c.tile = {random.integer(1, 5), random.integer(1, 9), random.integer(1, 9)};
    const double repeats = std::max(1.0, size / static_cast<double>(c.tile->size()));
    const std::int64_t rows = log_uniform(1, repeats, random);
    const double left = repeats / static_cast<double>(rows);
    const std::int64_t channels = log_uniform(1, std::max(1.0, left), random);
    const std::int64_t positions = std::max<std::int64_t>(1, std::llround(left / static_cast<double>(channels)));
    c.shape = {c.tile->N * rows, c.tile->C * channels, c.tile->S * positions};
    draw_part(c, Part::layer, random);
    draw_part(c, Part::numbers, random);
    c.x.pattern = c.dy.pattern = "normal";
    c.stat_batch = 0, c.groups.reset();
    if (c.spec().groups > 1) c.groups = random.chance(0.3) ? 1 : c.shape.C / c.tile->C;
    return bytes_needed(c) <= system::memory_budget() / 4;
}

// Those that a hunt changes alone.
std::vector<const Setting*> changeable() {
    std::vector<const Setting*> chosen;
    for (const Part part : {Part::size, Part::layer, Part::numbers})
        for (const Setting* s : settings_of(part))
            if (s->change) chosen.push_back(s);
    return chosen;
}

bool accepted(const Case& c) { return is_valid(c) && c.shape.size() > 0 && find_check(c.check).refuses(c).empty(); }

}  // namespace

Case random_case(Random& random, const Selection& selection) {
    std::vector<std::string> names = selection.variants, checks = selection.checks;
    if (names.empty())
        for (const Variant* v : all_variants()) names.emplace_back(v->name);
    const bool checks_any = checks.empty();
    if (checks_any) checks.assign(std::begin(for_any_numbers), std::end(for_any_numbers));
    const std::vector<std::string> implementations = chosen_implementations(selection);
    const auto pick = [&]<class T>(const std::vector<T>& asked, const std::vector<T>& all) {
        return random.one_of(asked.empty() ? all : asked);
    };
    for (int tries = 0; tries < 10000; ++tries) {
        Case c;
        c.variant = find_variant(random.one_of(names)).name;
        c.implementation = random.one_of(implementations);
        c.check = random.one_of(checks);
        c.dtype = pick(selection.dtypes, {kernel_dtypes.begin(), kernel_dtypes.end()});
        c.layout = pick(selection.layouts, {Layout::channels_first, Layout::channels_last});
        c.mode = pick(selection.modes, {Mode::train, Mode::eval});
        if (checks_any && random.chance(0.002)) {
            if (draw_tiled(c, random) && accepted(c)) return c;
            continue;
        }
        draw_shape(c, random);
        draw_part(c, Part::layer, random);
        draw_part(c, Part::numbers, random);
        // several threads
        if ((c.check == "contracts" || c.check == "repeat") && random.chance(0.03))
            c.shape.N = 1 + 33000 / (c.shape.C * c.shape.S), c.stat_batch = 0;
        if (accepted(c)) return c;
    }
    throw Error("no case of this selection can be drawn; `normlab list` shows variants and checks");
}

Case mutated(const Case& c, Random& random) {
    static const std::vector<const Setting*> alone = changeable();
    for (int tries = 0; tries < 100; ++tries) {
        Case m = c;
        const std::int64_t what = random.integer(0, std::ssize(alone) + 2) - std::ssize(alone);
        if (what < 0) alone[static_cast<std::size_t>(what + std::ssize(alone))]->change(m, random);
        else if (what == 0) draw_part(m, Part::layer, random);
        else if (what == 1) draw_part(m, Part::numbers, random);
        else (random.integer(0, 1) ? m.shape.N : m.shape.S) += random.integer(-2, 4);
        if (m.shape.N > 0 && m.shape.S > 0 && m.shape.size() <= 3000 && accepted(m)) return m;
    }
    return c;
}

}  // namespace normlab::verify
