#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/workloads.hpp"
#include "io/error.hpp"
#include "io/json.hpp"
#include "norms/names.hpp"

namespace normlab::bench {
namespace {

using nlohmann::json;

constexpr std::string_view prims[] = {"bnorm", "lnorm", "gnorm"},
                           variants[] = {"batch_norm", "layer_norm", "group_norm"}, sums[] = {"none", "stored"};
// What a layer may have and no problem of a file can ask for.
constexpr std::string_view not_read[] = {"affine_set",  "denominator",    "divisor",     "dtype",  "gamma_offset",
                                         "param_dtype", "residual_dtype", "scale_value", "strides"};

std::int64_t whole_number(std::string_view what, const json& value) {
    if (!value.is_number_integer() ||
        (value.is_number_unsigned() && value.get<std::uint64_t>() > std::uint64_t{INT64_MAX}))
        throw Error(fmt::format("{} = {}; a whole number below 2^63 is accepted", what, io::in_quotes(value.dump())));
    return value.get<std::int64_t>();
}

const json& member(const json& problem, const char* key) {
    if (!problem.contains(key))
        throw Error(fmt::format("has no \"{}\"; prim, shape and, for gnorm, G are needed", key));
    return problem[key];
}

// What is written there; null where nothing is.
std::optional<std::string> word_of(const json& problem, const char* key) {
    if (!problem.contains(key)) return std::nullopt;
    const json& value = problem[key];
    return value.is_string() ? value.get<std::string>() : value.dump();
}

bool is_true(const json& problem, const char* key) {
    const auto word = word_of(problem, key);
    if (word && *word != "true" && *word != "false")
        throw Error(fmt::format("{} = {}; true or false is accepted", key, io::in_quotes(*word)));
    return word == "true";
}

Workload workload_of(const json& problem) {
    if (!problem.is_object()) throw Error("is no object; {\"prim\": ..., \"shape\": [...], ...} is accepted");
    for (const std::string_view key : not_read)
        if (problem.contains(key))
            throw Error(
                fmt::format("{} = {}; of options, eps, activation, cast, residual, output, scale, "
                            "scale_power_of_two and scale_inverse are accepted in a file",
                            key, io::in_quotes(problem[std::string(key)].dump())));
    member(problem, "prim");
    const std::string name = *word_of(problem, "prim");
    const auto* found = std::ranges::find(prims, name);
    if (found == std::end(prims)) throw Error(unknown("prim", name, prims));
    const json& shape = member(problem, "shape");
    if (!shape.is_array())
        throw Error(fmt::format("shape = {}; a list of whole numbers is accepted", io::in_quotes(shape.dump())));
    std::vector<std::int64_t> dims;
    for (const json& d : shape) dims.push_back(whole_number("a dimension", d));
    const bool grouped = name == "gnorm";
    Workload w =
        make_workload(variants[found - std::begin(prims)], dims, grouped ? whole_number("G", member(problem, "G")) : 1);
    if (problem.contains("eps")) {
        const json& eps = problem["eps"];
        if (!eps.is_number() || !(eps.get<double>() >= 0))
            throw Error(fmt::format("eps = {}; a number, 0 or more, is accepted", io::in_quotes(eps.dump())));
        w.eps = eps.get<double>();
    }
    if (const auto word = word_of(problem, "activation")) w.activation = parse_activation(*word);
    if (w.activation == Activation::threshold)
        throw Error("activation = threshold: no call of a benchmark has a tau; another is accepted");
    if (const auto word = word_of(problem, "cast")) w.cast = parse_cast(*word);
    if (const auto word = word_of(problem, "residual")) {
        if (std::ranges::find(sums, *word) == std::end(sums)) throw Error(unknown("residual", *word, sums));
        w.residual = parse_residual(*word);
    }
    if (const auto word = word_of(problem, "output")) w.output = parse_output(*word);
    if (const auto word = word_of(problem, "scale")) w.scale = parse_scale(*word);
    w.scale_power_of_two = is_true(problem, "scale_power_of_two"), w.scale_inverse = is_true(problem, "scale_inverse");
    validate({w.spec(), w.shape, DType::f32, Layout::channels_first, Mode::eval});  // what has a variance, runs say
    if (w.scale == Scale::channels && !w.spec().block.groups)
        throw Error(
            fmt::format("scale = channels of {}; of lnorm, whose blocks have all channels, it is accepted", name));
    return w;
}

}  // namespace

std::vector<Workload> read_workloads(const std::filesystem::path& path) {
    const json document = io::read_json(path);
    if (!document.is_object() || !document.contains("problems") || !document["problems"].is_array())
        io::refuse(path,
                   "has no list of problems; {\"problems\": [{\"prim\": \"bnorm\", \"shape\": [32, 64, 56, 56]}, ...]} "
                   "is accepted");
    std::vector<Workload> workloads;
    std::set<std::string> seen;
    std::size_t number = 0;
    for (const json& problem : document["problems"]) {
        ++number;
        try {
            Workload w = workload_of(problem);
            Workload same_shape = w;
            same_shape.dims = fmt::format("{}x{}x{}", w.shape.N, w.shape.C, w.shape.S);
            if (seen.insert(same_shape.text()).second) workloads.push_back(std::move(w));
        } catch (const Error& e) {
            io::refuse(path, fmt::format("problem {}: {}", number, e.what()));
        }
    }
    if (workloads.empty()) io::refuse(path, "holds no problem; one or more is accepted");
    return workloads;
}

}  // namespace normlab::bench
