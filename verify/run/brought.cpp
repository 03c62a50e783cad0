#include "verify/run/brought.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "io/error.hpp"
#include "io/npy.hpp"
#include "io/npz.hpp"
#include "norms/half.hpp"
#include "norms/variants.hpp"
#include "system/memory_budget.hpp"
#include "verify/run/memory_need.hpp"

namespace normlab::verify {
namespace {

// 16 bits are of the type that the file names, or, where it has but whole numbers for them, of `bits`.
template <class Half>
void take_half(Loaded& out, const io::Array& array) {
    for (const std::uint16_t bits : array.as<std::uint16_t>()) {
        Half half;
        half.bits = bits;
        out.values.push_back(static_cast<double>(static_cast<float>(half)));
    }
    out.dtype = DTypeOf<Half>::value;
}

Loaded checked(const io::Array& array, const std::filesystem::path& path, std::optional<DType> bits) {
    Loaded out{path, array.shape, {}, DType::f64};
    const bool untyped = out.untyped = array.type == io::ElementType::u16 && bits;
    if (array.type == io::ElementType::f32) {
        const auto v = array.as<float>();
        out.values.assign(v.begin(), v.end());
        out.dtype = DType::f32;
    } else if (array.type == io::ElementType::f64) {
        const auto v = array.as<double>();
        out.values.assign(v.begin(), v.end());
    } else if (array.type == io::ElementType::f16 || (untyped && *bits == DType::f16)) {
        take_half<f16>(out, array);
    } else if (array.type == io::ElementType::bf16 || untyped) {
        take_half<bf16>(out, array);
    } else {
        io::refuse(path,
                   fmt::format("its elements are {}; f64, f32, bf16 and f16 are accepted, and u16 with --bits bf16 "
                               "or --bits f16",
                               io::element_name(array.type)));
    }
    if (out.values.empty())
        io::refuse(path,
                   fmt::format("shape {} is empty; at least one element is accepted", io::shape_text(array.shape)));
    for (std::size_t i = 0; i < out.values.size(); ++i)
        if (!std::isfinite(out.values[i]))
            io::refuse(path, fmt::format("element {} is {}; finite numbers are accepted", i, out.values[i]));
    return out;
}

// Of an array whose cases can fit into memory.
double most_elements() {
    Case c;
    c.shape = {1 << 20, 1, 1};
    c.variant = "instance_norm";  // of the smallest blocks
    return system::memory_budget() * static_cast<double>(c.shape.size()) / bytes_needed(c);
}

// Where a variant has the dimensions of its gamma in the file's.
struct Place {
    std::vector<std::int64_t> dims;  // of gamma itself
    std::vector<std::int64_t> kept;  // with a 1 for each of the others; empty: not accepted
};

Place place_of_gamma(const Spec& spec, const InputOptions& options, const std::vector<std::int64_t>& dims) {
    if (options.normalized && is_by_sample(spec)) return {{dims.end() - *options.normalized, dims.end()}, {}};
    std::vector<std::int64_t> kept(dims.size(), 1);
    if (is_weights(spec) && options.weight_dim == "none") return {{1}, kept};
    const std::size_t at =
        is_weights(spec)
            ? static_cast<std::size_t>(options.weight_dim ? parse_integer("--dim", *options.weight_dim) : 0)
        : options.layout == Layout::channels_first ? 1
                                                   : dims.size() - 1;
    kept[at] = dims[at];
    return {{dims[at]}, kept};
}

}  // namespace

Brought load(const InputOptions& options) {
    const double most = most_elements();
    const auto from_file = [&](const std::filesystem::path& path) {
        return checked(io::read_npy(path, most), path, options.bits);
    };
    const auto parameter = [&](const std::filesystem::path& path) {
        return path.empty() ? std::optional<Loaded>() : from_file(path);
    };
    if (!io::is_npz(options.x)) return {from_file(options.x), parameter(options.gamma), parameter(options.beta)};
    io::NpzFile file(options.x);
    const std::vector<std::string> names = file.names();
    const auto has = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
    const auto member = [&](std::string_view name) {
        return checked(file.read(name, most), fmt::format("{}: member {}", options.x.string(), io::in_quotes(name)),
                       options.bits);
    };
    if (!has("x") && names.size() != 1)
        io::refuse(options.x, fmt::format("its arrays are {}; one named x, or a single one, is accepted",
                                          io::in_quotes(fmt::format("{}", fmt::join(names, ", ")))));
    Brought all{member(has("x") ? "x" : names[0]), parameter(options.gamma), parameter(options.beta)};
    if (has("x") && has("gamma") && !all.gamma) all.gamma = member("gamma");
    if (has("x") && has("beta") && !all.beta) all.beta = member("beta");
    return all;
}

std::vector<double> parameter_of(const std::optional<Loaded>& p, const Spec& spec, const InputOptions& options,
                                 const std::vector<std::int64_t>& dims) {
    if (!p) return {};
    const Place place = place_of_gamma(spec, options, dims);
    std::vector<std::int64_t> kept = place.kept;
    if (p->dims == place.dims) return p->values;
    for (; !kept.empty(); kept.erase(kept.begin())) {
        if (p->dims == kept) return p->values;
        if (kept.front() != 1) break;  // [1, C, 1, 1] is [C, 1, 1] too
    }
    if (p->dims.empty() && place.dims == std::vector<std::int64_t>{1}) return p->values;
    const std::string also =
        place.kept.empty() || place.kept == place.dims
            ? ""
            : fmt::format(", or {} with a 1 for each other dimension,", io::shape_text(place.kept));
    throw Error(fmt::format("{}: shape {}, but {} has {} of shape {} here; that shape{} is accepted", p->name.string(),
                            io::shape_text(p->dims), spec.variant, is_weights(spec) ? "a g" : "a gamma or beta",
                            io::shape_text(place.dims), also));
}

}  // namespace normlab::verify
