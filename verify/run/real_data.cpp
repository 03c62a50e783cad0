#include "verify/run/real_data.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/error.hpp"
#include "io/idx.hpp"
#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "system/memory_budget.hpp"
#include "system/shell.hpp"

namespace normlab::verify {
namespace {

// [N, ..., C] to logical order [n][c][s].
std::vector<double> channels_first(const std::vector<double>& v, const Shape& shape) {
    std::vector<double> out;
    out.reserve(v.size());
    for (std::int64_t n = 0; n < shape.N; ++n)
        for (std::int64_t c = 0; c < shape.C; ++c)
            for (std::int64_t s = 0; s < shape.S; ++s)
                out.push_back(v[static_cast<std::size_t>((n * shape.S + s) * shape.C + c)]);
    return out;
}

Shape shape_for(const Spec& spec, const InputOptions& options, const std::vector<std::int64_t>& dims) {
    if (is_weights(spec)) {
        if (options.weight_dim == "none") return weight_shape(dims, std::nullopt);
        return weight_shape(dims, options.weight_dim ? parse_integer("--dim", *options.weight_dim) : 0);
    }
    if (options.normalized && is_by_sample(spec)) return trailing_shape(dims, *options.normalized);
    return activation_shape(dims, options.layout);
}

std::int64_t default_groups(std::int64_t C) {
    for (std::int64_t g = std::min<std::int64_t>(C, 32); g > 1; --g)
        if (C % g == 0) return g;
    return 1;
}

// Settings that no chosen variant has are a mistake too.
void require_a_use(const InputOptions& options, const Selection& selection) {
    const auto chosen_has = [&](auto has) {
        return std::ranges::any_of(all_variants(), [&](const Variant* v) {
            const bool chosen = selection.variants.empty() ||
                                std::ranges::find(selection.variants, v->name) != selection.variants.end();
            return chosen && has(v->make());
        });
    };
    const auto require = [&](bool given, auto has, std::string_view flag, std::string_view who) {
        if (given && !chosen_has(has))
            throw Error(fmt::format("{} is for {}, of which --variant {} chooses none; without {} it is accepted", flag,
                                    who, fmt::join(selection.variants, ","), flag));
    };
    require(
        options.groups.has_value(), [](const Spec& s) { return s.groups != 1; }, "--groups", "group_norm");
    require(
        options.normalized.has_value(), [](const Spec& s) { return is_by_sample(s); }, "--normalized",
        "layer_norm and rms_norm");
    require(
        options.weight_dim.has_value(), [](const Spec& s) { return is_weights(s); }, "--dim", "weight_norm");
}

// What the user said, against the file, whatever variants it is for: an error here is nobody's reason to be left out.
void check_options(const InputOptions& options, const Selection& selection, const std::vector<std::int64_t>& dims) {
    if (options.eps && !(*options.eps >= 0 && std::isfinite(*options.eps)))
        throw Error(fmt::format("--eps {}; a finite number, 0 or more, is accepted", *options.eps));
    for (const Variant* v : all_variants()) {
        if (!selection.variants.empty() && std::ranges::find(selection.variants, v->name) == selection.variants.end())
            continue;
        Spec spec = v->make();
        const bool grouped = spec.groups != 1 && options.groups;
        spec.groups = grouped ? *options.groups : 1;
        spec.running = Running::none, spec.correction = Correction::none;
        std::string flag = is_weights(spec) ? "--dim" : "--normalized";
        try {
            const Shape shape = shape_for(spec, options, dims);
            flag = "--groups";
            if (grouped) validate({spec, {2, shape.C, 2}});  // two of each: only the settings can be wrong
        } catch (const Error& e) {
            const std::string text = e.what();
            throw Error(text.starts_with("--") ? text : fmt::format("{}: {}", flag, text));
        }
    }
}

// One tensor through the checks for real data.
void add_cases(const Case& base, const Selection& selection, std::vector<Case>& cases) {
    const std::vector<Mode> modes = !selection.modes.empty()               ? selection.modes
                                    : base.spec().running == Running::none ? std::vector{Mode::train}
                                                                           : std::vector{Mode::train, Mode::eval};
    std::vector<std::string> names = selection.checks;
    if (names.empty())
        for (const Check& check : checks())
            if (check.real_data) names.emplace_back(check.name);
    for (Mode mode : modes) {
        Case c = base;
        c.mode = mode;
        validate(c.problem());
        for (const std::string& name : names) {
            c.check = name;
            if (find_check(name).refuses(c).empty()) cases.push_back(c);
        }
    }
}

// `lenient`: a variant that was named may be left out as well.
template <class Build>
void for_selected(const Selection& selection, bool lenient, std::vector<std::string>& left_out, Build build) {
    for (const std::string& n : selection.checks)
        if (!find_check(n).real_data)
            throw Error(fmt::format("check {} draws its own data; it does not run on --input or --data", n));
    for (const Variant* v : all_variants()) {
        const bool named = std::ranges::find(selection.variants, v->name) != selection.variants.end();
        if (!selection.variants.empty() && !named) continue;
        try {
            build(*v);
        } catch (const Error& e) {
            if (named && !lenient) throw;
            left_out.push_back(e.what());
        }
    }
}

void check_names(const Selection& selection) {
    for (const std::string& n : selection.variants) find_variant(n);
    chosen_implementations(selection);
}

}  // namespace

std::vector<Case> plan_input(const InputOptions& options, const Selection& selection,
                             std::vector<std::string>& left_out) {
    check_names(selection);
    const Brought brought = load(options);
    const Loaded& x = brought.x;
    if (x.dims.size() < 2)
        io::refuse(x.name, fmt::format("shape {} has rank {}; rank 2 or more is accepted", io::shape_text(x.dims),
                                       x.dims.size()));
    const auto is_untyped = [](const std::optional<Loaded>& p) { return p && p->untyped; };
    if (options.bits && !x.untyped && !is_untyped(brought.gamma) && !is_untyped(brought.beta))
        throw Error(
            fmt::format("--bits {}: no array has u16 elements, {} says its dtype itself; without --bits it is accepted",
                        name_of(*options.bits), x.name.string()));
    require_a_use(options, selection);
    check_options(options, selection, x.dims);
    std::string flags = "--input " + system::shell_word(options.x);
    if (!options.gamma.empty()) flags += " --gamma " + system::shell_word(options.gamma);
    if (!options.beta.empty()) flags += " --beta " + system::shell_word(options.beta);
    if (options.bits) flags += fmt::format(" --bits {}", name_of(*options.bits));
    if (options.normalized) flags += fmt::format(" --normalized {}", *options.normalized);
    if (options.weight_dim) flags += fmt::format(" --dim {}", *options.weight_dim);
    std::vector<Case> cases;
    for_selected(selection, false, left_out, [&](const Variant& v) {
        Case c;
        c.variant = v.name;
        c.seed = options.seed;
        c.eps = options.eps;
        Spec spec = v.make();
        c.shape = shape_for(spec, options, x.dims);
        if (spec.groups != 1) c.groups = options.groups ? *options.groups : default_groups(c.shape.C);
        const bool by_memory = is_weights(spec) || (options.normalized && is_by_sample(spec));
        c.layout = by_memory ? Layout::channels_first : options.layout;
        RealData data{c.layout == Layout::channels_first ? x.values : channels_first(x.values, c.shape),
                      parameter_of(brought.gamma, spec, options, x.dims),
                      parameter_of(brought.beta, spec, options, x.dims),
                      c.shape,
                      x.dtype,
                      options.layout,
                      flags};
        c.data = std::make_shared<const RealData>(std::move(data));
        std::vector<Case> mine;
        for (DType dtype : selection.dtypes.empty() ? std::vector{x.dtype} : selection.dtypes)
            for (const std::string& implementation : chosen_implementations(selection)) {
                c.dtype = dtype, c.implementation = implementation;
                add_cases(c, selection, mine);
            }
        cases.insert(cases.end(), mine.begin(), mine.end());
    });
    if (cases.empty() && !left_out.empty()) throw Error(fmt::format("{}", fmt::join(left_out, "\n")));
    return cases;
}

std::vector<Case> plan_mnist(const std::filesystem::path& folder, const std::string& only, const Selection& selection,
                             std::uint64_t seed, std::vector<std::string>& left_out) {
    check_names(selection);
    constexpr std::string_view layer_names[] = {"conv", "dense"};
    if (!only.empty() && std::ranges::find(layer_names, only) == std::end(layer_names))
        throw Error(unknown("layer", only, layer_names));
    const io::MnistFiles files = io::find_mnist(folder);
    const std::filesystem::path path = files.t10k_images ? *files.t10k_images : *files.train_images;
    const io::Array images = io::read_idx(path, system::memory_budget() / 16);
    constexpr std::int64_t dense_samples = 200, conv_samples = 16, dense_channels = 32, conv_channels = 8;
    if (images.shape.size() != 3 || images.type != io::ElementType::u8 || images.shape[0] < dense_samples ||
        images.shape[1] < 3 || images.shape[2] < 3)
        io::refuse(path, fmt::format("{} of shape {}; at least {} images of u8, 3x3 or larger, are accepted",
                                     io::element_name(images.type), io::shape_text(images.shape), dense_samples));
    const auto pixels = images.as<std::uint8_t>();
    const std::int64_t H = images.shape[1], W = images.shape[2];
    const auto pixel = [&](std::int64_t n, std::int64_t r, std::int64_t c) {
        return pixels[static_cast<std::size_t>((n * H + r) * W + c)] / 255.0;
    };
    Random random(seed);
    const auto weights = [&](std::int64_t outputs, std::int64_t fan_in) {
        std::vector<double> w(static_cast<std::size_t>(outputs * fan_in));
        for (double& v : w) v = random.normal() * std::sqrt(2.0 / static_cast<double>(fan_in));
        return w;
    };
    struct Layer {
        Shape shape;
        std::vector<double> x;
        std::string name;
    };
    Layer conv{{conv_samples, conv_channels, (H - 2) * (W - 2)}, {}, "conv"},
        dense{{dense_samples, dense_channels, 1}, {}, "dense"};
    const std::vector<double> kernel = weights(conv_channels, 9), matrix = weights(dense_channels, H * W);
    for (std::int64_t n = 0; n < conv_samples; ++n)
        for (std::int64_t c = 0; c < conv_channels; ++c)
            for (std::int64_t s = 0; s < conv.shape.S; ++s) {
                double sum = 0;
                for (std::int64_t k = 0; k < 9; ++k)
                    sum += kernel[static_cast<std::size_t>(c * 9 + k)] *
                           pixel(n, s / (W - 2) + k / 3, s % (W - 2) + k % 3);
                conv.x.push_back(sum);
            }
    for (std::int64_t n = 0; n < dense_samples; ++n)
        for (std::int64_t c = 0; c < dense_channels; ++c) {
            double sum = 0;
            for (std::int64_t k = 0; k < H * W; ++k)
                sum += matrix[static_cast<std::size_t>(c * H * W + k)] * pixel(n, k / W, k % W);
            dense.x.push_back(sum);
        }
    std::vector<Case> cases;
    for (Layer* layer : {&conv, &dense}) {
        if (!only.empty() && layer->name != only) continue;
        const auto data = std::make_shared<const RealData>(
            RealData{std::move(layer->x),
                     {},
                     {},
                     layer->shape,
                     DType::f32,
                     {},
                     fmt::format("--data {} --layer {}", system::shell_word(folder), layer->name)});
        for_selected(selection, true, left_out, [&](const Variant& v) {  // one layer may suit a variant, the other not
            for (DType dtype : selection.dtypes.empty() ? std::vector{DType::f64, DType::f32} : selection.dtypes)
                for (Layout layout : selection.layouts.empty()
                                         ? std::vector{Layout::channels_first, Layout::channels_last}
                                         : selection.layouts)
                    for (const std::string& implementation : chosen_implementations(selection)) {
                        Case c;
                        c.variant = v.name, c.implementation = implementation, c.dtype = dtype, c.layout = layout,
                        c.seed = seed;
                        c.shape = layer->shape;
                        c.data = data;
                        if (v.make().groups != 1) c.groups = default_groups(c.shape.C);
                        add_cases(c, selection, cases);
                    }
        });
    }
    if (cases.empty() && !left_out.empty()) throw Error(fmt::format("{}", fmt::join(left_out, "\n")));
    return cases;
}

}  // namespace normlab::verify
