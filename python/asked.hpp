#pragma once
// What normlab.truth, normlab.layers and normlab.fold are given: arrays as buffers, options by their names, and the
// problem that these make.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "norms/norm.hpp"

namespace normlab::python {

namespace py = pybind11;
using Dims = std::vector<std::int64_t>;

/// An array of Python's, (buffer, type, shape), contiguous, which stays where it is while this lives.
class GivenArray {
public:
    GivenArray(std::string name, const py::tuple& array);
    GivenArray(GivenArray&& other) noexcept;
    GivenArray& operator=(GivenArray&&) = delete;
    ~GivenArray();

    const std::string& name() const { return name_; }
    const void* data() const { return view_.buf; }
    DType dtype() const;  ///< throws Error where it is of bytes
    const Dims& dims() const { return dims_; }
    std::int64_t count() const;

    /// Throws Error where it is of another type, has another number of elements, or another shape.
    void require(DType dtype) const;
    void require(std::int64_t count, std::string_view of) const;
    void require(const Dims& dims) const;
    /// Bytes of a mask; throws Error where they are not bytes.
    const std::uint8_t* bytes() const;
    /// In memory's order. Throws Error where one is no number of this type.
    std::vector<double> values(DType dtype) const;
    std::vector<double> values() const { return values(DType::f64); }

private:
    std::string name_;
    Py_buffer view_{};
    std::optional<DType> dtype_;  // none: bytes
    Dims dims_;
};

class GivenArrays {
public:
    explicit GivenArrays(const py::dict& arrays);
    const GivenArray* find(const std::string& name) const;
    const GivenArray& at(const std::string& name) const;  ///< throws Error where it is absent
    const void* data(const std::string& name) const;      ///< null where it is absent

private:
    std::map<std::string, GivenArray> arrays_;
};

std::string shape_text(const Dims& dims);

/// The Spec of a variant with options by name. Throws Error for one that is unknown, or a word that is.
Spec spec_of(const std::string& variant, const py::dict& options);

/// One call: its arrays, its problem, and the shapes that Python knows them by.
struct Asked {
    GivenArrays arrays;
    Problem problem;
    Dims dims;               ///< of x
    Dims entry_dims;         ///< of gradients by gamma and beta
    std::int64_t count = 0;  ///< steps that running statistics have made

    /// Those of beta and tau, where they are given in another shape.
    const Dims& entry_dims_of(const std::string& name) const;
    /// Running statistics: as given, or as a layer begins. Throws Error in evaluation where none are given.
    State state() const;
};
/// about: mode, layout, dtype (of the data, where it is not that of x), normalized_dims, dim, count. Throws Error where
/// an array does not fit.
Asked asked(const std::string& variant, const py::dict& options, const py::dict& arrays, const py::dict& about);

/// An array for Python: (bytearray, NumPy's name of the type, shape), and where its memory is.
struct MadeArray {
    MadeArray(DType dtype, Dims dims);
    py::tuple array;
    void* data = nullptr;
};
py::tuple made_array(const std::vector<double>& values, const Dims& dims);
/// Those of running_mean, running_var and running_sigma that are kept, and count.
py::dict made_state(const State& state);

}  // namespace normlab::python
