#pragma once
// A Python function, as normlab.check() is given it. The package (normlab/_function.py) knows names, frameworks and
// autograd.

#include <optional>
#include <string>

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "verify/case/case.hpp"
#include "verify/exchange/fixed_settings.hpp"
#include "verify/run/runner.hpp"

namespace normlab::python {

namespace py = pybind11;

/// What normlab.check() was given.
struct Function {
    std::string name;  ///< of the implementation: lower case letters, digits and _
    std::string variant;
    std::string shown,
        said;  ///< what the caller calls it, and the options that he gave: for the lines that rerun a case
    /// call("forward", "backward" or "double_backward", {name: value}) returns a dict of arrays, or a text that says
    /// what is wrong. An array is given as (bytearray, type, shape, strides in bytes or None), and taken as a
    /// contiguous buffer
    py::object call;
    verify::FixedSettings fixed;
    verify::AffineUse affine = verify::AffineUse::both;  ///< which of gamma and beta the function takes
    bool absent = false;                                 ///< they are None in all calls
    bool backward = true;                                ///< it has gradients
    bool twice = false;                                  ///< and theirs
    bool strided = true;                                 ///< its arrays may have strides
    bool any_mask = false;   ///< each case has a mask of its own pattern, and that of `fixed` where it has none
    bool accept_nan = true;  ///< what is not finite where x_hat is 0 / 0 counts as the 0 that normlab gives there
    Accumulation accumulation = Accumulation::sequential;
    std::vector<DType> dtypes;  ///< and no others, as with layouts and modes
    std::vector<Layout> layouts;
    std::vector<Mode> modes;
    bool flushes_subnormals = false, deterministic = true;  ///< as Implementation has them
    bool counts = false;                                    ///< it takes the number of batches, and so may average them
    std::optional<std::int64_t> channels, groups;           ///< of a module, which has them built in

    /// What ended the run and is no finding: KeyboardInterrupt, SystemExit.
    mutable std::optional<py::error_already_set> ended = {};
    /// What the function's own process has ended by in this case, "process" or "time": what the finding is about.
    mutable std::string died = {};
};

}  // namespace normlab::python
