#pragma once
// What is of use without check(): truth, layers, fold and the laws of noise, each as functions of the module.

#include <pybind11/pybind11.h>

namespace normlab::python {

namespace py = pybind11;

void define_truth(py::module_& m);
void define_layers(py::module_& m);
void define_fold(py::module_& m);
void define_noise(py::module_& m);

}  // namespace normlab::python
