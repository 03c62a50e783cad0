#include "verify/exchange/vector_file.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "io/error.hpp"
#include "io/json.hpp"
#include "io/npy.hpp"
#include "norms/names.hpp"

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

VectorAttributes attributes_of(const json& object) {
    constexpr std::string_view known[] = {"training",
                                          "use_input_stats",
                                          "momentum",
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
                                          "steps",
                                          "layout",
                                          "running_mean_initial",
                                          "running_var_initial",
                                          "running_sigma_initial",
                                          "num_batches_tracked_initial"};
    if (!object.is_object()) wrong("attributes", object, "an object");
    VectorAttributes a;
    for (const auto& [key, value] : object.items()) {
        if (key == "training" || key == "use_input_stats") a.training = truth_value(key, value);
        else if (key == "track_running_stats") a.track_running_stats = truth_value(key, value);
        else if (key == "momentum")
            a.has_momentum = true, a.momentum = value.is_null() ? std::nullopt : std::optional(number(key, value));
        else if (key == "eps") a.eps = number(key, value);
        else if (key == "affine") a.affine = affine(key, value);
        else if (key == "num_groups") a.groups = whole(key, value);
        else if (key == "normalized_dims") a.normalized = whole(key, value);
        else if (key == "normalized_shape") a.normalized_shape = list(key, value, whole);
        else if (key == "dim") a.dim = value.is_null() ? std::nullopt : std::optional(whole(key, value));
        else if (key == "r_max") a.r_max = numbers(key, value);
        else if (key == "d_max") a.d_max = numbers(key, value);
        else if (key == "running_stat") a.running_stat = running_stat(key, value);
        else if (key == "layout") a.layout = parse_layout(text(key, value));
        else if (key == "steps") a.steps = whole(key, value);
        else if (key == "running_mean_initial") a.mean_initial = number(key, value);
        else if (key == "running_var_initial" || key == "running_sigma_initial") a.spread_initial = number(key, value);
        else if (key == "num_batches_tracked_initial") a.batches_initial = whole(key, value);
        else if (std::ranges::find(known, key) == std::end(known))
            throw Error(unknown("attribute", key, known));  // the others say nothing that the arrays do not
    }
    return a;
}

VectorArray array_of(const json& entry, const std::filesystem::path& folder) {
    constexpr std::string_view dtypes[] = {"float32", "float64", "int64"};
    constexpr io::ElementType types[] = {io::ElementType::f32, io::ElementType::f64, io::ElementType::i64};
    const std::string file = text("file", member(entry, "file")), dtype = text("dtype", member(entry, "dtype"));
    if (file.empty() || file.find('/') != std::string::npos || file == "." || file == "..")
        throw Error(fmt::format("file = {}; a file in the case's own folder is accepted", io::in_quotes(file)));
    const auto* found = std::ranges::find(dtypes, dtype);
    if (found == std::end(dtypes)) throw Error(unknown("dtype", dtype, dtypes));
    return {folder / file, types[found - std::begin(dtypes)], list("shape", member(entry, "shape"), whole), {}};
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
    const std::string dtype = text("dtype", member(document, "dtype"));
    const auto* row = std::ranges::find(dtype_table, dtype, &DTypeRow::numpy);
    if (dtype.empty() || row == std::end(dtype_table)) wrong("dtype", document["dtype"], "\"float32\" or \"float64\"");
    v.dtype = row->type;
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
         {std::pair{"outputs", v.dtype == DType::f32 ? Source::f32 : Source::f64}, std::pair{"outputs64", Source::f64},
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
            v.optional_outputs[name] = std::move(array);
        });
    return v;
}

}  // namespace

VectorFile read_vector(const std::filesystem::path& case_json) {
    const json document = io::read_json(case_json);
    try {
        return vector_of(document, case_json.parent_path());
    } catch (const Error& e) {
        io::refuse(case_json, e.what());
    }
}

void load(VectorArray& a) {
    const io::Array array = io::read_npy(a.file);
    if (array.type != a.type || array.shape != a.shape)
        io::refuse(a.file, fmt::format("{} of shape {}; case.json says {} of shape {}", io::element_name(array.type),
                                       io::shape_text(array.shape), io::element_name(a.type), io::shape_text(a.shape)));
    const auto take = [&](const auto& values) { a.values.assign(values.begin(), values.end()); };
    if (a.type == io::ElementType::f32) take(array.as<float>());
    else if (a.type == io::ElementType::f64) take(array.as<double>());
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
