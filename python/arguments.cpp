#include "python/arguments.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/registry.hpp"
#include "norms/variants.hpp"
#include "system/failure.hpp"
#include "verify/exchange/vector_file.hpp"

namespace normlab::python {
namespace {

std::size_t count_of(const Extents& extents) {
    py::ssize_t n = 1;
    for (const py::ssize_t e : extents) n *= e;
    return static_cast<std::size_t>(n);
}

// f(bytes of an element of t, its place in a dense view) for all.
template <class F>
void for_elements(const ConstTensor& t, F f) {
    ConstTensor dense = t;
    dense.sample_stride = dense.channel_stride = dense.position_stride = 0;
    const Steps from = t.steps(), to = dense.steps();
    const std::size_t size = size_of(t.dtype);
    for (std::int64_t n = 0; n < t.shape.N; ++n)
        for (std::int64_t c = 0; c < t.shape.C; ++c)
            for (std::int64_t s = 0; s < t.shape.S; ++s)
                f(static_cast<std::size_t>(from.offset(n, c, s)) * size,
                  static_cast<std::size_t>(to.offset(n, c, s)) * size, size);
}

}  // namespace

Extents extents_of(const Problem& p) {
    const auto& [N, C, S] = p.shape;
    if (is_by_element(p.spec)) return {N, C};
    return p.layout == Layout::channels_last ? Extents{N, S, C} : Extents{N, C, S};
}

Extents extents_of_affine(const Problem& p) {
    if (is_weights(p.spec)) return {1, p.shape.C, 1};
    const std::vector<std::int64_t> shape = verify::entry_shape(p);
    return {shape.begin(), shape.end()};
}

std::vector<std::byte> packed(const ConstTensor& t) {
    std::vector<std::byte> to(static_cast<std::size_t>(t.shape.size()) * size_of(t.dtype));
    const auto* from = static_cast<const std::byte*>(t.data);
    if (t.dense()) std::copy_n(from, to.size(), to.data());
    else
        for_elements(
            t, [&](std::size_t i, std::size_t k, std::size_t size) { std::copy_n(from + i, size, to.data() + k); });
    return to;
}

void unpack(std::span<const std::byte> from, const Tensor& t) {
    auto* to = static_cast<std::byte*>(t.data);
    if (t.dense()) std::ranges::copy(from, to);
    else
        for_elements(
            t, [&](std::size_t i, std::size_t k, std::size_t size) { std::copy_n(from.data() + k, size, to + i); });
}

void Arguments::add(const char* name, const void* from, DType dtype, const Extents& extents) {
    put_input(name, from, count_of(extents) * size_of(dtype), name_of(dtype).data(), extents);
}

void Arguments::add_tensor(const char* name, const Problem& p, const ConstTensor& t) {
    const Steps steps = t.steps();
    Extents strides = is_by_element(p.spec)               ? Extents{steps.sample, steps.channel}
                      : p.layout == Layout::channels_last ? Extents{steps.sample, steps.position, steps.channel}
                                                          : Extents{steps.sample, steps.channel, steps.position};
    const std::size_t size = size_of(t.dtype);
    for (py::ssize_t& stride : strides) stride *= static_cast<py::ssize_t>(size);
    put_input(name, t.data, static_cast<std::size_t>(t.span()) * size, name_of(t.dtype).data(), extents_of(p), strides);
}

void Arguments::add_constant(const char* name, double value, DType dtype, const Extents& extents) {
    void* to = own(count_of(extents) * size_of(dtype));
    for (std::size_t i = 0; i < count_of(extents); ++i) write_element(to, dtype, static_cast<std::int64_t>(i), value);
    add(name, to, dtype, extents);
}

void Arguments::add_mask(const Problem& p, Mask mask) {
    const auto count = static_cast<std::size_t>(p.shape.N * p.shape.S);
    auto* to = static_cast<std::uint8_t*>(own(count));
    std::transform(mask, mask + count, to, [](std::uint8_t byte) { return byte != 0; });
    put_input("mask", to, count, "bool", {p.shape.N, p.shape.S});
}

void Arguments::add_state(const char* name, const double* from, DType dtype, std::int64_t C) {
    std::vector<std::byte> values(static_cast<std::size_t>(C) * size_of(dtype));
    for (std::int64_t c = 0; c < C; ++c) write_element(values.data(), dtype, c, from[c]);
    put(name, values.data(), values.size(), name_of(dtype).data(), {C});
}

// What normlab/_function.py makes an array of: memory, type, shape and strides. pybind11's own arrays know one version
// of NumPy's memory layout; a buffer is the same in all.
py::object Arguments::put(const char* name, const void* from, std::size_t bytes, const char* dtype,
                          const Extents& extents, const Extents& strides) {
    const auto copy = py::reinterpret_steal<py::object>(
        PyByteArray_FromStringAndSize(static_cast<const char*>(from), static_cast<py::ssize_t>(bytes)));
    if (!copy) throw py::error_already_set();
    const py::object steps = strides.empty() ? py::object(py::none()) : py::tuple(py::cast(strides));
    all_[name] = py::make_tuple(copy, dtype, py::tuple(py::cast(extents)), steps);
    return copy;
}

void Arguments::put_input(const char* name, const void* from, std::size_t bytes, const char* dtype,
                          const Extents& extents, const Extents& strides) {
    inputs_.push_back({name, put(name, from, bytes, dtype, extents, strides), from, bytes});
}

void Arguments::require_unchanged(const Function& f) const {
    for (const Input& i : inputs_)
        if (i.bytes && std::memcmp(PyByteArray_AsString(i.copy.ptr()), i.from, i.bytes) != 0)
            throw Failure(fmt::format("{} wrote into its argument {}; a new array is accepted", f.name, i.name));
}

py::dict Arguments::call(const Function& f, const char* what) {
    if (f.ended) throw Failure("the run was ended");
    try {
        const py::object result = f.call(what, all_);
        if (py::isinstance<py::str>(result)) throw Failure(result.cast<std::string>());
        auto results = result.cast<py::dict>();
        for (const char* how : {"process", "time"})
            if (results.contains(how)) f.died = how, throw Failure(results[how].cast<std::string>());
        require_unchanged(f);
        if (results.contains("declined"))
            throw verify::Unsuitable(fmt::format("{} declines: {}", f.name, results["declined"].cast<std::string>()));
        return results;
    } catch (py::error_already_set& e) {  // exceptions of the function are texts: this is none
        f.ended.emplace(std::move(e));
        throw Failure("the run was ended");
    }
}

std::vector<std::byte> taken(const py::dict& results, const char* name, std::size_t bytes) {
    if (bytes == 0 || !results.contains(name)) return {};
    Py_buffer view;
    if (PyObject_GetBuffer(results[name].ptr(), &view, PyBUF_SIMPLE) != 0) throw py::error_already_set();
    const auto* from = static_cast<const std::byte*>(view.buf);
    std::vector<std::byte> to(from, from + view.len);
    PyBuffer_Release(&view);
    if (to.size() != bytes) throw Failure(fmt::format("{} has {} bytes; {} are needed", name, to.size(), bytes));
    return to;
}

}  // namespace normlab::python
