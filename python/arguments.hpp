#pragma once
// Arrays between a call of a check and a function of Python.

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

#include "python/function.hpp"

namespace normlab::python {

/// A shape as a function of Python has it, in elements.
using Extents = std::vector<py::ssize_t>;

/// That of x: [N, C] where a gamma is of an element (S = 1), [N, C, S], or channels last [N, S, C].
Extents extents_of(const Problem& p);
Extents extents_of_affine(const Problem& p);

/// The elements of a view as they lie in a dense one, and back.
std::vector<std::byte> packed(const ConstTensor& t);
void unpack(std::span<const std::byte> from, const Tensor& to);

/// Arguments of one call: copies, since a function may keep what it was given for longer than the memory lives. Those
/// of inputs are compared afterwards: a function that writes its arguments spoils its caller's data.
class Arguments {
public:
    void add(const char* name, const void* from, DType dtype, const Extents& extents);
    /// With its strides, and what lies between its elements.
    void add_tensor(const char* name, const Problem& p, const ConstTensor& t);
    /// All elements are this.
    void add_constant(const char* name, double value, DType dtype, const Extents& extents);
    /// A byte for each sample and position, as a truth value: [N, S].
    void add_mask(const Problem& p, Mask mask);
    /// A copy that the function may move.
    void add_state(const char* name, const double* from, DType dtype, std::int64_t C);
    void set(const char* name, py::object value) { all_[name] = std::move(value); }

    /// Calls the function. Throws Failure with the text of what is wrong with its results, or where it wrote into its
    /// arguments; Unsuitable where it declines.
    py::dict call(const Function& f, const char* what);

private:
    struct Input {
        const char* name;
        py::object copy;
        const void* from;
        std::size_t bytes;
    };
    py::object put(const char* name, const void* from, std::size_t bytes, const char* dtype, const Extents& extents,
                   const Extents& strides = {});
    void put_input(const char* name, const void* from, std::size_t bytes, const char* dtype, const Extents& extents,
                   const Extents& strides = {});
    void* own(std::size_t bytes) { return own_.emplace_back(bytes).data(); }
    void require_unchanged(const Function& f) const;

    std::vector<Input> inputs_;
    std::deque<std::vector<std::byte>> own_;
    py::dict all_;
};

/// A result that normlab/_function.py has found to be of the right type and shape; empty where there is none.
std::vector<std::byte> taken(const py::dict& results, const char* name, std::size_t bytes);

}  // namespace normlab::python
