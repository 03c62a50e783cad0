#include "python/asked.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "norms/element.hpp"
#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "verify/exchange/vector_file.hpp"

namespace normlab::python {
namespace {

constexpr std::string_view option_names[] = {
    "eps",         "momentum", "groups",       "running",    "stat_batch",         "r_max",         "d_max",
    "denominator", "divisor",  "gamma_offset", "activation", "param_dtype",        "residual_as",   "residual_dtype",
    "affine_set",  "cast",     "output",       "scale",      "scale_power_of_two", "scale_inverse", "part"};

std::int64_t product_of(const Dims& dims) {
    std::int64_t n = 1;
    for (const std::int64_t d : dims) n *= d;
    return n;
}

// Index of element i of an array of this shape, as Python writes it.
std::string index_text(const Dims& dims, std::int64_t i) {
    Dims index(dims.size());
    for (std::size_t k = dims.size(); k-- > 0; i /= dims[k]) index[k] = i % dims[k];
    return fmt::format("[{}]", fmt::join(index, ", "));
}

Dims entries_of(const Problem& p, const Dims& dims, std::int64_t normalized, std::optional<std::int64_t> dim) {
    if (is_weights(p.spec) && p.spec.affine_set == AffineSet::channel) {
        Dims entries(dims.size(), 1);
        if (dim) entries[static_cast<std::size_t>(*dim)] = p.shape.C;
        return entries;
    }
    if (is_by_element(p.spec)) return {dims.end() - normalized, dims.end()};
    return verify::entry_shape(p);
}

std::string_view numpy_type(DType d) {
    switch (d) {
        case DType::f64: return "float64";
        case DType::f32: return "float32";
        case DType::f16: return "float16";
        case DType::bf16: return "uint16";
        default: return "uint8";
    }
}

}  // namespace

std::string shape_text(const Dims& dims) {
    return dims.size() == 1 ? fmt::format("({},)", dims[0]) : fmt::format("({})", fmt::join(dims, ", "));
}

GivenArray::GivenArray(std::string name, const py::tuple& array) : name_(std::move(name)) {
    const auto type = array[1].cast<std::string>();
    if (type != "u8") dtype_ = parse_dtype(type);
    dims_ = array[2].cast<Dims>();
    if (PyObject_GetBuffer(array[0].ptr(), &view_, PyBUF_C_CONTIGUOUS) != 0) throw py::error_already_set();
    const auto bytes = static_cast<std::int64_t>(view_.len);
    if (const std::int64_t wanted = count() * static_cast<std::int64_t>(dtype_ ? size_of(*dtype_) : 1);
        bytes != wanted) {
        PyBuffer_Release(&view_);
        throw Error(fmt::format("{} has {} bytes; {} are needed", name_, bytes, wanted));
    }
}
GivenArray::GivenArray(GivenArray&& other) noexcept
    : name_(std::move(other.name_)), view_(std::exchange(other.view_, Py_buffer{})), dtype_(other.dtype_),
      dims_(std::move(other.dims_)) {}
GivenArray::~GivenArray() {
    if (view_.obj) PyBuffer_Release(&view_);
}

std::int64_t GivenArray::count() const { return product_of(dims_); }

DType GivenArray::dtype() const {
    if (!dtype_) throw Error(fmt::format("{} is of bool; {} are accepted", name_, kernel_dtype_names()));
    return *dtype_;
}
void GivenArray::require(DType dtype) const {
    if (!dtype_ || *dtype_ != dtype)
        throw Error(
            fmt::format("{} is of {}; {} is accepted", name_, dtype_ ? name_of(*dtype_) : "bool", name_of(dtype)));
}
void GivenArray::require(std::int64_t wanted, std::string_view of) const {
    if (count() != wanted)
        throw Error(fmt::format("{} has the shape {}, {} elements; {} are accepted, {}", name_, shape_text(dims_),
                                count(), wanted, of));
}
void GivenArray::require(const Dims& wanted) const {
    if (dims_ != wanted)
        throw Error(fmt::format("{} has the shape {}; {} is accepted", name_, shape_text(dims_), shape_text(wanted)));
}
const std::uint8_t* GivenArray::bytes() const {
    if (dtype_) throw Error(fmt::format("{} is of {}; bool is accepted", name_, name_of(*dtype_)));
    return static_cast<const std::uint8_t*>(view_.buf);
}
std::vector<double> GivenArray::values(DType dtype) const {
    const DType own = this->dtype();
    std::vector<double> all(static_cast<std::size_t>(count()));
    for (std::size_t i = 0; i < all.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        const double v = all[i] = read_element<double>(view_.buf, own, at);
        if (std::isfinite(v) && rounded(v, dtype) != v)
            throw Error(fmt::format("{}{} = {} is no number of {}; one that is, rounded, is accepted", name_,
                                    index_text(dims_, at), v, name_of(dtype)));
    }
    return all;
}

GivenArrays::GivenArrays(const py::dict& arrays) {
    for (const auto& [key, value] : arrays) {
        if (value.is_none()) continue;
        auto name = key.cast<std::string>();
        arrays_.try_emplace(name, name, value.cast<py::tuple>());
    }
}
const GivenArray* GivenArrays::find(const std::string& name) const {
    const auto at = arrays_.find(name);
    return at == arrays_.end() ? nullptr : &at->second;
}
const GivenArray& GivenArrays::at(const std::string& name) const {
    if (const GivenArray* array = find(name)) return *array;
    throw Error(fmt::format("{} is None; an array is needed", name));
}
const void* GivenArrays::data(const std::string& name) const {
    const GivenArray* array = find(name);
    return array ? array->data() : nullptr;
}

Spec spec_of(const std::string& variant, const py::dict& options) {
    Spec s = find_variant(variant).make();
    const auto cast = [&]<class T>(const char* key, const T&, const char* accepted) {
        try {
            return options[key].cast<T>();
        } catch (const py::cast_error&) {
            throw Error(
                fmt::format("{} = {}; {} is accepted", key, py::repr(options[key]).cast<std::string>(), accepted));
        }
    };
    const auto number = [&](const char* key, auto& to) {
        if (options.contains(key))
            to = cast(key, to, std::is_same_v<decltype(to), double&> ? "a number" : "a whole number");
    };
    const auto word = [&](const char* key, auto parse, auto& to) {
        if (options.contains(key)) to = parse(cast(key, std::string(), "a word"));
    };
    for (const auto& [key, value] : options)
        if (std::string name = key.cast<std::string>(); std::ranges::find(option_names, name) == std::end(option_names))
            throw Error(unknown("option", name, option_names));
    number("eps", s.eps), number("groups", s.groups), number("stat_batch", s.stat_batch), number("part", s.part);
    number("r_max", s.r_max), number("d_max", s.d_max), number("gamma_offset", s.gamma_offset);
    number("scale_power_of_two", s.scale_power_of_two), number("scale_inverse", s.scale_inverse);
    word("running", parse_running, s.running), word("denominator", parse_denominator, s.denominator);
    word("divisor", parse_divisor, s.divisor), word("activation", parse_activation, s.activation);
    word("param_dtype", parse_dtype, s.param_dtype), word("residual_as", parse_residual, s.residual);
    word("residual_dtype", parse_dtype, s.residual_dtype), word("affine_set", parse_affine_set, s.affine_set);
    word("cast", parse_cast, s.cast), word("output", parse_output, s.output), word("scale", parse_scale, s.scale);
    if (options.contains("momentum")) {
        const bool none = py::isinstance<py::str>(options["momentum"]) && cast("momentum", std::string(), "") == "none";
        if (none) s.momentum.reset();
        else s.momentum = cast("momentum", 0.0, "a number, or 'none' for the cumulative average,");
    }
    return s;
}

const Dims& Asked::entry_dims_of(const std::string& name) const {
    const GivenArray* array = arrays.find(name);
    return array ? array->dims() : entry_dims;
}

State Asked::state() const {
    const Spec& s = problem.spec;
    const bool sigma = s.running == Running::sigma;
    const char *spread = sigma ? "running_sigma" : "running_var", *other = sigma ? "running_var" : "running_sigma";
    const GivenArray *mean = arrays.find("running_mean"), *spreads = arrays.find(spread);
    if (s.running == Running::none) {
        for (const char* name : {"running_mean", "running_var", "running_sigma"})
            if (arrays.find(name))
                throw Error(
                    fmt::format("{} keeps no running statistics, but {} is given; running = 'unbiased' or None "
                                "is accepted",
                                s.variant, name));
        return {};
    }
    if (arrays.find(other)) throw Error(fmt::format("{} keeps {}; {} = None is accepted", s.variant, spread, other));
    if (!mean != !spreads)
        throw Error(fmt::format("{} without {}; both are accepted", mean ? "running_mean" : spread,
                                mean ? spread : "running_mean"));
    State state = initial_state(s, problem.shape.C);
    state.count = count;
    if (!mean) {
        if (problem.mode == Mode::train) return state;
        throw Error(fmt::format("{} in evaluation reads running_mean and {}; both are needed", s.variant, spread));
    }
    mean->require(problem.shape.C, "one a channel"), spreads->require(problem.shape.C, "one a channel");
    state.mean = mean->values(), (sigma ? state.sigma : state.var) = spreads->values();
    return state;
}

Asked asked(const std::string& variant, const py::dict& options, const py::dict& arrays, const py::dict& about) {
    Asked a{GivenArrays(arrays), {}, {}, {}};
    Problem& p = a.problem;
    p.spec = spec_of(variant, options);
    const GivenArray& x = a.arrays.at("x");
    p.mode = parse_mode(about["mode"].cast<std::string>());
    p.layout = parse_layout(about["layout"].cast<std::string>());
    p.dtype = about["dtype"].is_none() ? x.dtype() : parse_dtype(about["dtype"].cast<std::string>());
    p.spec.masked = a.arrays.find("mask") != nullptr;
    if (a.arrays.find("residual") && !p.spec.adds()) p.spec.residual = Residual::stored;
    if (p.spec.adds()) a.arrays.at("residual");
    a.dims = x.dims(), a.count = about["count"].cast<std::int64_t>();
    const auto normalized = about["normalized_dims"].cast<std::int64_t>();
    std::optional<std::int64_t> dim;
    if (!about["dim"].is_none()) dim = about["dim"].cast<std::int64_t>();
    p.shape = is_weights(p.spec)      ? weight_shape(a.dims, dim)
              : is_by_element(p.spec) ? trailing_shape(a.dims, normalized)
                                      : activation_shape(a.dims, p.layout);
    if (is_weights(p.spec) || is_by_element(p.spec)) {
        if (p.layout == Layout::channels_last)
            throw Error(
                fmt::format("{} has no layout: {}; 'nchw' is accepted", variant,
                            is_weights(p.spec) ? "x is the weights of a layer" : "it normalizes the last dimensions"));
    }
    validate(p);
    a.entry_dims = entries_of(p, a.dims, normalized, dim);
    if (const GivenArray* gamma = a.arrays.find("gamma")) a.entry_dims = gamma->dims();
    const char* entries = is_by_element(p.spec)                            ? "one for each normalized element"
                          : p.spec.affine_set == AffineSet::channel        ? "one a channel"
                          : p.spec.affine_set == AffineSet::element        ? "one for each channel and position"
                          : p.spec.affine_set == AffineSet::sample_channel ? "one for each sample and channel"
                                                                           : "one a group";
    for (const char* name : {"gamma", "beta", "tau", "u", "w"})
        if (const GivenArray* array = a.arrays.find(name)) array->require(p.affine_count(), entries);
    for (const char* name : {"dy", "residual", "ds", "v"})
        if (const GivenArray* array = a.arrays.find(name)) array->require(a.dims);
    if (const GivenArray* mask = a.arrays.find("mask"))
        mask->bytes(), mask->require(p.shape.N * p.shape.S, "one for each sample and position");
    if (p.spec.thresholds()) a.arrays.at("tau");
    else if (a.arrays.find("tau"))
        throw Error(fmt::format("{} has no threshold; tau = None, or activation = 'threshold', is accepted", variant));
    return a;
}

MadeArray::MadeArray(DType dtype, Dims dims) {
    const auto bytes = product_of(dims) * static_cast<std::int64_t>(size_of(dtype));
    const auto memory =
        py::reinterpret_steal<py::object>(PyByteArray_FromStringAndSize(nullptr, static_cast<py::ssize_t>(bytes)));
    if (!memory) throw py::error_already_set();
    data = PyByteArray_AsString(memory.ptr());
    array = py::make_tuple(memory, std::string(numpy_type(dtype)), py::tuple(py::cast(dims)));
}

py::dict made_state(const State& state) {
    py::dict all;
    for (const auto& [name, values] : {std::pair{"running_mean", &state.mean}, std::pair{"running_var", &state.var},
                                       std::pair{"running_sigma", &state.sigma}})
        if (!values->empty()) all[name] = made_array(*values, {std::ssize(*values)});
    all["count"] = state.count;
    return all;
}

py::tuple made_array(const std::vector<double>& values, const Dims& dims) {
    const MadeArray made(DType::f64, dims);
    std::copy(values.begin(), values.end(), static_cast<double*>(made.data));
    return made.array;
}

}  // namespace normlab::python
