#include "bench/workloads.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bench/shape_sets.hpp"
#include "norms/names.hpp"
#include "norms/variants.hpp"

namespace normlab::bench {
namespace {

struct Listed {
    std::string_view set, variant;
    std::array<std::int64_t, 4> dims;  // 0: absent
    std::int64_t groups = 1;
    bool both_layouts = false;
    Activation activation = Activation::none;
    bool in_e4m3 = false;  // again with a y of 8 bits, and each kind of scale
};

constexpr Activation silu = Activation::silu, none = Activation::none;
constexpr Listed rows[] = {
    {"peers", "batch_norm", {128, 64, 56, 56}, 1, true},
    {"peers", "batch_norm", {32, 64, 56, 56}, 1, true},
    {"peers", "batch_norm", {32, 256, 14, 14}},
    {"peers", "batch_norm", {2, 64, 56, 56}},
    {"peers", "batch_norm", {128, 128}},
    {"peers", "layer_norm", {8192, 1024}},
    {"peers", "layer_norm", {4096, 4096}},
    {"peers", "layer_norm", {64, 768}},
    {"peers", "group_norm", {32, 64, 56, 56}, 32},
    {"peers", "group_norm", {32, 256, 14, 14}, 32},
    {"peers", "instance_norm", {32, 64, 56, 56}},
    {"peers", "weight_norm", {4096, 4096}},
    {"peers", "weight_norm", {128, 128}},
    // He et al. 2016, table 1, the 3x3 convolutions taking the strides; each distinct input of a batch norm
    {"resnet50", "batch_norm", {32, 64, 112, 112}},
    {"resnet50", "batch_norm", {32, 64, 56, 56}},
    {"resnet50", "batch_norm", {32, 256, 56, 56}},
    {"resnet50", "batch_norm", {32, 128, 56, 56}},
    {"resnet50", "batch_norm", {32, 128, 28, 28}},
    {"resnet50", "batch_norm", {32, 512, 28, 28}},
    {"resnet50", "batch_norm", {32, 256, 28, 28}},
    {"resnet50", "batch_norm", {32, 256, 14, 14}},
    {"resnet50", "batch_norm", {32, 1024, 14, 14}},
    {"resnet50", "batch_norm", {32, 512, 14, 14}},
    {"resnet50", "batch_norm", {32, 512, 7, 7}},
    {"resnet50", "batch_norm", {32, 2048, 7, 7}},
    // sequences x tokens x width: BERT base and large, GPT-2 XL; then of 7B and 13B decoders, reading a prompt and
    // writing one token
    {"transformer", "layer_norm", {16, 512, 768}},
    {"transformer", "layer_norm", {16, 512, 1024}},
    {"transformer", "layer_norm", {4, 1024, 1600}},
    {"transformer", "rms_norm", {1, 2048, 4096}},
    {"transformer", "rms_norm", {1, 2048, 5120}},
    {"transformer", "rms_norm", {32, 1, 4096}},
    // latent diffusion at 64 x 64, two samples; the wide ones follow a skip connection
    {"unet", "group_norm", {2, 320, 64, 64}, 32},
    {"unet", "group_norm", {2, 960, 64, 64}, 32},
    {"unet", "group_norm", {2, 640, 32, 32}, 32},
    {"unet", "group_norm", {2, 1920, 32, 32}, 32},
    {"unet", "group_norm", {2, 1280, 16, 16}, 32},
    {"unet", "group_norm", {2, 2560, 16, 16}, 32},
    {"unet", "group_norm", {2, 1280, 8, 8}, 32},
    // decoders of 1B to 400B: rows of their width, from one token to a long prompt, at most 2^26 elements; before most
    // of these norms a residual is added, and behind them y may be quantized for a product in 8 bits
    {"llm", "rms_norm", {1, 2048}},
    {"llm", "rms_norm", {1, 4096}, 1, false, none, true},
    {"llm", "rms_norm", {1, 8192}},
    {"llm", "rms_norm", {1, 16384}},
    {"llm", "rms_norm", {64, 4096}, 1, false, none, true},
    {"llm", "rms_norm", {64, 8192}},
    {"llm", "rms_norm", {2048, 2048}},
    {"llm", "rms_norm", {2048, 4096}, 1, false, none, true},
    {"llm", "rms_norm", {2048, 8192}, 1, false, none, true},
    {"llm", "rms_norm", {2048, 16384}},
    {"llm", "rms_norm", {16384, 2048}},
    {"llm", "rms_norm", {16384, 4096}, 1, false, none, true},
    // the unet's shapes as they are run: channels last, with silu behind the norm
    {"diffusion", "group_norm", {2, 320, 64, 64}, 32, false, silu},
    {"diffusion", "group_norm", {2, 960, 64, 64}, 32, false, silu},
    {"diffusion", "group_norm", {2, 640, 32, 32}, 32, false, silu},
    {"diffusion", "group_norm", {2, 1920, 32, 32}, 32, false, silu},
    {"diffusion", "group_norm", {2, 1280, 16, 16}, 32, false, silu},
    {"diffusion", "group_norm", {2, 1280, 8, 8}, 32, false, silu},
    // ResNet-50 with filter response norm; embeddings of a contrastive loss, and of a search index
    {"vision", "filter_response_norm", {32, 64, 112, 112}},
    {"vision", "filter_response_norm", {32, 256, 56, 56}},
    {"vision", "filter_response_norm", {32, 1024, 14, 14}},
    {"vision", "filter_response_norm", {32, 2048, 7, 7}},
    {"vision", "l2_norm", {4096, 128}},
    {"vision", "l2_norm", {65536, 768}},
    {"weights", "weight_norm", {64, 3, 7, 7}},
    {"weights", "weight_norm", {256, 256, 3, 3}},
    {"weights", "weight_norm", {512, 512, 3, 3}},
    {"weights", "weight_norm", {2048, 1024, 1, 1}},
    {"weights", "weight_norm", {4096, 1024}},
    {"weights", "weight_norm", {4096, 4096}},
    {"weights", "weight_standardization", {64, 3, 7, 7}},
    {"weights", "weight_standardization", {256, 256, 3, 3}},
    {"weights", "weight_standardization", {512, 512, 3, 3}},
    {"weights", "weight_standardization", {2048, 1024, 1, 1}},
};

Shape shape_of(const Spec& spec, const std::vector<std::int64_t>& dims) {
    if (is_weights(spec)) return weight_shape(dims, 0);
    return spec.block.groups && spec.block.positions ? trailing_shape(dims, 1) : activation_shape(dims);
}

std::int64_t usual_groups(std::int64_t channels) {
    std::int64_t groups = std::min<std::int64_t>(channels, 32);
    while (channels % groups) --groups;
    return groups;
}

}  // namespace

std::vector<std::string_view> shape_sets() {
    std::vector<std::string_view> names;
    for (const ShapeSet& set : shape_set_rows) names.push_back(set.name);
    return names;
}

Spec Workload::spec() const {
    Spec s = find_variant(variant).make();
    s.groups = groups;
    if (eps) s.eps = *eps;
    s.activation = activation, s.residual = residual, s.cast = cast;
    s.output = output, s.scale = scale, s.scale_power_of_two = scale_power_of_two, s.scale_inverse = scale_inverse;
    return s;
}

std::string Workload::text(char between, char of) const {
    std::string text = fmt::format("{}{}{}", variant, between, dims);
    const auto add = [&](bool there, std::string_view word) {
        if (there) text += fmt::format("{}{}", between, word);
    };
    add(groups > 1, fmt::format("G{}{}", of, groups));
    add(activation != Activation::none, name_of(activation));
    add(cast != Cast::after, "cast"), add(residual != Residual::none, "residual");
    if (output) add(true, fmt::format("output{}{}", of, name_of(*output)));
    add(spec().quantizes(), fmt::format("scale{}{}", of, name_of(scale)));
    add(scale_power_of_two, "power_of_two"), add(scale_inverse, "inverse");
    return text;
}

Workload make_workload(std::string_view variant, const std::vector<std::int64_t>& dims, std::int64_t groups) {
    if (std::ranges::find(dims, 0) != dims.end())
        throw Error(fmt::format("{} has a dimension 0; 1 or more is accepted", fmt::join(dims, "x")));
    Workload w{std::string(variant),
               fmt::format("{}", fmt::join(dims, "x")),
               shape_of(find_variant(variant).make(), dims),
               groups,
               {}};
    if (groups < 1 || w.shape.C % groups)
        throw Error(fmt::format("groups = {}; a divisor of C = {} is accepted", groups, w.shape.C));
    return w;
}

std::vector<Workload> find_workloads(const std::string& name) {
    const auto* set = std::ranges::find(shape_set_rows, name, &ShapeSet::name);
    if (set == std::end(shape_set_rows)) {
        const bool path =
            name.find('/') != std::string::npos || name.find('.') != std::string::npos || std::filesystem::exists(name);
        if (path) return read_workloads(name);
        throw Error(unknown("shape set", name, shape_sets()) + ", or a file's path");
    }
    std::vector<Workload> workloads;
    for (const Listed& row : rows) {
        if (row.set != name) continue;
        Workload w = make_workload(row.variant, {row.dims.begin(), std::ranges::find(row.dims, 0)}, row.groups);
        w.both_layouts = row.both_layouts, w.activation = row.activation;
        w.dtype = set->dtype, w.layout = set->layout;
        const auto add = [&] {
            w.residual = Residual::none;
            workloads.push_back(w);
            w.residual = Residual::stored;
            if (set->and_residual) workloads.push_back(w);
        };
        add();
        if (!row.in_e4m3) continue;
        w.output = DType::e4m3;
        for (const Scale scale : {Scale::given, Scale::block, Scale::channels}) w.scale = scale, add();
    }
    return workloads;
}

std::vector<Workload> select_variants(const std::vector<Workload>& workloads,
                                      const std::vector<std::string>& variants) {
    if (variants.empty()) return workloads;
    std::vector<Workload> selected;
    for (const std::string& name : variants) {
        const Spec spec = find_variant(name).make();
        const std::size_t before = selected.size();
        std::ranges::copy_if(workloads, std::back_inserter(selected),
                             [&](const Workload& w) { return w.variant == name; });
        if (selected.size() > before) continue;
        std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t, Residual, std::optional<DType>, Scale>> seen;
        for (Workload w : workloads) {
            if (!seen.insert({w.shape.N, w.shape.C, w.shape.S, w.residual, w.output, w.scale}).second) continue;
            w.variant = name, w.eps.reset();
            w.groups = spec.groups > 1 ? usual_groups(w.shape.C) : 1;
            selected.push_back(w);
        }
    }
    return selected;
}

}  // namespace normlab::bench
