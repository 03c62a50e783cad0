#include "verify/exchange/vector_file.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "io/error.hpp"
#include "io/json.hpp"
#include "io/npy.hpp"
#include "norms/names.hpp"
#include "norms/variants.hpp"

namespace normlab::verify {
namespace {

using nlohmann::json;

[[noreturn]] void wrong(std::string_view key, const json& value, std::string_view accepted) {
    throw Error(fmt::format("{} = {}; {} is accepted", key,
                            io::in_quotes(value.dump(-1, ' ', true, json::error_handler_t::replace)), accepted));
}

const json& member(const json& object, const char* key) {
    if (!object.contains(key)) throw Error(fmt::format("has no \"{}\"", key));
    return object[key];
}

std::string text(std::string_view key, const json& value) {
    if (!value.is_string()) wrong(key, value, "a text");
    return value.get<std::string>();
}

double number(std::string_view key, const json& value) {
    if (!value.is_number()) wrong(key, value, "a number");
    return value.get<double>();
}

bool truth_value(std::string_view key, const json& value) {
    if (!value.is_boolean()) wrong(key, value, "true or false");
    return value.get<bool>();
}

std::int64_t whole(std::string_view key, const json& value) {
    if (!value.is_number_integer() ||
        (value.is_number_unsigned() &&
         value.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()}))
        wrong(key, value, "a whole number");
    return value.get<std::int64_t>();
}

template <class Read>
auto list(std::string_view key, const json& value, Read read) {
    if (!value.is_array()) wrong(key, value, "a list");
    std::vector<decltype(read(key, value))> all;
    for (const json& element : value) all.push_back(read(key, element));
    return all;
}

std::vector<double> numbers(std::string_view key, const json& value) {
    return value.is_array() ? list(key, value, number) : std::vector{number(key, value)};
}

DType kernel_dtype(std::string_view key, const json& value) {
    const auto found = std::ranges::find(kernel_dtypes, text(key, value), name_in_files);
    if (found == kernel_dtypes.end()) wrong(key, value, "\"float32\", \"float64\", \"bfloat16\" or \"float16\"");
    return *found;
}

// Of y, which may have 8 bits.
DType output_dtype(std::string_view key, const json& value) {
    for (const DType d : {DType::e4m3, DType::e5m2})
        if (text(key, value) == name_in_files(d)) return d;
    return kernel_dtype(key, value);
}

AffineUse affine(std::string_view key, const json& value) {
    if (value.is_boolean()) return value.get<bool>() ? AffineUse::both : AffineUse::none;
    if (value == "gamma") return AffineUse::gamma;
    if (value == "beta") return AffineUse::beta;
    wrong(key, value, "true, false, \"gamma\" or \"beta\"");
}

Running running_stat(std::string_view key, const json& value) {
    if (value == "sigma") return Running::sigma;
    if (value == "var_biased") return Running::biased_variance;
    if (value == "var_unbiased") return Running::unbiased_variance;
    wrong(key, value, "\"sigma\", \"var_biased\" or \"var_unbiased\"");
}

Standardization standardization(std::string_view key, const json& value) {
    if (value == "qiao") return Standardization::added;
    if (value == "biased_inside") return Standardization::inside;
    if (value == "scaled") return Standardization::scaled;
    wrong(key, value, "\"qiao\", \"biased_inside\" or \"scaled\"");
}

VectorAttributes attributes_of(const json& object) {
    constexpr std::string_view known[] = {"training",
                                          "use_input_stats",
                                          "momentum",
                                          "momentum_weighs",
                                          "eps",
                                          "affine",
                                          "track_running_stats",
                                          "num_groups",
                                          "normalized_dims",
                                          "normalized_shape",
                                          "dim",
                                          "layer",
                                          "g_shape",
                                          "torch_dim_argument",
                                          "r_max",
                                          "d_max",
                                          "running_stat",
                                          "denominator",
                                          "divisor",
                                          "gamma_offset",
                                          "activation",
                                          "param_dtype",
                                          "affine_set",
                                          "cast",
                                          "output",
                                          "scale",
                                          "scale_power_of_two",
                                          "scale_inverse",
                                          "part",
                                          "variant",
                                          "gain",
                                          "out_dim",
                                          "steps",
                                          "layout",
                                          "running_mean_initial",
                                          "running_var_initial",
                                          "running_sigma_initial",
                                          "num_batches_tracked_initial"};
    if (!object.is_object()) wrong("attributes", object, "an object");
    VectorAttributes a;
    bool weighs_old = false;
    for (const auto& [key, value] : object.items()) {
        if (key == "training" || key == "use_input_stats") a.training = truth_value(key, value);
        else if (key == "track_running_stats") a.track_running_stats = truth_value(key, value);
        else if (key == "momentum")
            a.has_momentum = true, a.momentum = value.is_null() ? std::nullopt : std::optional(number(key, value));
        else if (key == "momentum_weighs") {
            if (value != "old" && value != "new") wrong(key, value, "\"old\" or \"new\"");
            weighs_old = value == "old";
        } else if (key == "eps") a.eps = number(key, value);
        else if (key == "affine") a.affine = affine(key, value);
        else if (key == "num_groups") a.groups = whole(key, value);
        else if (key == "normalized_dims") a.normalized = whole(key, value);
        else if (key == "normalized_shape") a.normalized_shape = list(key, value, whole);
        else if (key == "dim" || key == "out_dim")
            a.dim = value.is_null() ? std::nullopt : std::optional(whole(key, value));
        else if (key == "r_max") a.r_max = numbers(key, value);
        else if (key == "d_max") a.d_max = numbers(key, value);
        else if (key == "running_stat") a.running_stat = running_stat(key, value);
        else if (key == "denominator") a.denominator = parse_denominator(text(key, value));
        else if (key == "divisor") a.divisor = parse_divisor(text(key, value));
        else if (key == "param_dtype") a.param_dtype = kernel_dtype(key, value);
        else if (key == "residual") a.residual = parse_residual(text(key, value));
        else if (key == "residual_dtype") a.residual_dtype = kernel_dtype(key, value);
        else if (key == "affine_set") a.affine_set = parse_affine_set(text(key, value));
        else if (key == "cast") a.cast = parse_cast(text(key, value));
        else if (key == "output") a.output = output_dtype(key, value);
        else if (key == "scale") a.scale = parse_scale(text(key, value));
        else if (key == "scale_power_of_two") a.scale_power_of_two = truth_value(key, value);
        else if (key == "scale_inverse") a.scale_inverse = truth_value(key, value);
        else if (key == "part") a.part = number(key, value);
        else if (key == "gamma_offset") a.gamma_offset = static_cast<std::int32_t>(whole(key, value));
        else if (key == "activation") a.activation = parse_activation(text(key, value));
        else if (key == "variant") {
            const Spec form = weight_standardization(standardization(key, value));
            a.denominator = form.denominator, a.divisor = form.divisor;
        } else if (key == "layout") a.layout = parse_layout(text(key, value));
        else if (key == "steps") a.steps = whole(key, value);
        else if (key == "running_mean_initial") a.mean_initial = number(key, value);
        else if (key == "running_var_initial" || key == "running_sigma_initial") a.spread_initial = number(key, value);
        else if (key == "num_batches_tracked_initial") a.batches_initial = whole(key, value);
        else if (std::ranges::find(known, key) == std::end(known))
            throw Error(unknown("attribute", key, known));  // the others say nothing that the arrays do not
    }
    if (weighs_old && a.momentum) a.momentum = 1 - *a.momentum;
    return a;
}

VectorArray array_of(const json& entry, const std::filesystem::path& folder) {
    constexpr std::string_view dtypes[] = {"float32",
                                           "float64",
                                           "int64",
                                           "bfloat16",
                                           "float16",
                                           "uint8",
                                           name_in_files(DType::e4m3),
                                           name_in_files(DType::e5m2)};
    using enum io::ElementType;
    constexpr io::ElementType types[] = {f32, f64, i64, bf16, f16, u8, u8, u8};
    const std::string file = text("file", member(entry, "file")), dtype = text("dtype", member(entry, "dtype"));
    if (file.empty() || file.find('/') != std::string::npos || file == "." || file == "..")
        throw Error(fmt::format("file = {}; a file in the case's own folder is accepted", io::in_quotes(file)));
    const auto* found = std::ranges::find(dtypes, dtype);
    if (found == std::end(dtypes)) throw Error(unknown("dtype", dtype, dtypes));
    VectorArray array{folder / file, types[found - std::begin(dtypes)], list("shape", member(entry, "shape"), whole)};
    if (const std::string_view bits = array.type == u8 ? "uint8" : "uint16";
        entry.contains("stored_as") && entry["stored_as"] != bits)
        wrong("stored_as", entry["stored_as"], io::in_quotes(std::string(bits)));
    for (const DType d : {DType::e4m3, DType::e5m2})
        if (dtype == name_in_files(d)) array.bits = d;
    if (entry.contains("strides")) {
        array.strides = list("strides", entry["strides"], whole);
        if (array.strides.size() != array.shape.size() || array.shape.size() < 2 || array.shape.size() > 3 ||
            std::ranges::any_of(array.strides, [](std::int64_t s) { return s < 0; }))
            wrong("strides", entry["strides"], "one of 0 or more for each axis of an array of two or three");
    }
    return array;
}

// Calls take(name, array, whether it has NaN or infinities) for every entry of a list.
template <class Take>
void read_arrays(const json& document, const char* key, const std::filesystem::path& folder, Take take) {
    const json& entries = document[key];
    if (!entries.is_array()) wrong(key, entries, "a list");
    std::set<std::string> seen;
    for (const json& entry : entries) {
        if (!entry.is_object()) wrong(key, entry, "{name, file, dtype, shape}");
        const std::string name = text("name", member(entry, "name"));
        if (!seen.insert(name).second)
            throw Error(fmt::format("{} names {} twice; once is accepted", key, io::in_quotes(name)));
        take(name, array_of(entry, folder), entry.contains("nonfinite"));
    }
}

VectorFile vector_of(const json& document, const std::filesystem::path& folder) {
    if (!document.is_object()) wrong("the document", document, "an object");
    if (document.contains("schema") && document["schema"] != 1) wrong("schema", document["schema"], "1");
    VectorFile v;
    v.folder = folder;
    v.op = text("op", member(document, "op"));
    v.dtype = kernel_dtype("dtype", member(document, "dtype"));
    if (std::ranges::find(absent_ops, v.op) != std::end(absent_ops)) return v;
    v.attributes = attributes_of(member(document, "attributes"));
    if (document.contains("tags"))
        for (const std::string& tag : list("tags", document["tags"], text)) v.tags.insert(tag);
    if (document.contains("expect_error") && !document["expect_error"].is_null())
        v.expect_error = text("expect_error", document["expect_error"]);
    member(document, "inputs"), member(document, "outputs");
    read_arrays(document, "inputs", folder,
                [&](const std::string& name, VectorArray array, bool) { v.inputs[name] = std::move(array); });
    for (const auto& [key, source] :
         {std::pair{"outputs", v.dtype == DType::f64 ? Source::f64 : Source::f32}, std::pair{"outputs64", Source::f64},
          // a better one replaces what is there
          std::pair{"outputs_ref80", Source::ref80}})
        if (document.contains(key))
            read_arrays(document, key, folder,
                        [&v, source = source](const std::string& name, VectorArray array, bool nonfinite) {
                            v.outputs[name] = {std::move(array), source};
                            v.nonfinite |= nonfinite;
                        });
    if (document.contains("optional_outputs"))
        read_arrays(document, "optional_outputs", folder, [&](const std::string& name, VectorArray array, bool) {
            array.or_f32 = name.starts_with("running_") && array.type == io::ElementType::f64;
            v.optional_outputs[name] = std::move(array);
        });
    return v;
}

}  // namespace

const ArrayNames& array_names(const Spec& spec) {
    static constexpr ArrayNames of_activations{"x", "y", "gamma"}, of_lengths{"v", "w", "g"},
        of_weights{"w", "w_hat", "gain"};
    return !is_weights(spec) ? of_activations : spec.centred() ? of_weights : of_lengths;
}

std::vector<std::int64_t> entry_shape(const Problem& p) {
    switch (p.spec.affine_set) {
        case AffineSet::element: return {p.shape.C, p.shape.S};
        case AffineSet::sample_channel: return {p.shape.N, p.shape.C};
        case AffineSet::group: return {p.spec.groups};
        default: return {p.shape.C};
    }
}

io::Array array_in_files(DType dtype, const std::vector<std::int64_t>& shape, const std::vector<double>& values) {
    return with_output_type(dtype, [&](auto tag) {
        using Stored = std::conditional_t<sizeof tag == 1, std::uint8_t,
                                          std::conditional_t<sizeof tag == 2, std::uint16_t, decltype(tag)>>;
        std::vector<Stored> stored(values.size());
        for (std::size_t i = 0; i < values.size(); ++i)
            write_element(stored.data(), dtype, static_cast<std::int64_t>(i), values[i]);
        return io::make_array(shape, std::span<const Stored>(stored));
    });
}

VectorFile read_vector(const std::filesystem::path& case_json) {
    const json document =
        io::read_json(case_json, "the description of a call, as normlab export writes it, is accepted");
    try {
        return vector_of(document, case_json.parent_path());
    } catch (const Error& e) {
        io::refuse(case_json, e.what());
    }
}

void load(VectorArray& a) {
    const io::Array array = io::read_npy(a.file);
    const bool is_narrow = a.type == io::ElementType::bf16 || a.type == io::ElementType::f16,
               accepted = array.type == a.type || (is_narrow && array.type == io::ElementType::u16) ||
                          (a.or_f32 && array.type == io::ElementType::f32);
    if (!accepted || array.shape != a.shape)
        io::refuse(a.file, fmt::format("{} of shape {}; case.json says {} of shape {}", io::element_name(array.type),
                                       io::shape_text(array.shape), io::element_name(a.type), io::shape_text(a.shape)));
    const auto take = [&](const auto& values) { a.values.assign(values.begin(), values.end()); };
    if (array.type == io::ElementType::f32) take(array.as<float>());
    else if (array.type == io::ElementType::f64) take(array.as<double>());
    else if (is_narrow)
        for (const std::uint16_t& bits : array.as<std::uint16_t>())
            a.values.push_back(
                read_element<double>(&bits, a.type == io::ElementType::bf16 ? DType::bf16 : DType::f16, 0));
    else if (array.type == io::ElementType::u8)
        for (const std::uint8_t& v : array.as<std::uint8_t>())
            a.values.push_back(a.bits ? read_element<double>(&v, *a.bits, 0) : v);
    else
        for (std::int64_t v : array.as<std::int64_t>()) {
            if (constexpr std::int64_t most = std::int64_t{1} << 53; v < -most || v > most)
                io::refuse(a.file,
                           fmt::format("{} is no whole number that a double holds; -2^53 to 2^53 is accepted", v));
            a.values.push_back(static_cast<double>(v));
        }
}

void load(VectorFile& vector) {
    for (auto& [name, array] : vector.inputs) load(array);
    for (auto& [name, output] : vector.outputs) load(output.array);
}

}  // namespace normlab::verify
