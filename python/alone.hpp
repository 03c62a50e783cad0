#pragma once
// What is of use without check(): truth, layers, fold and the laws of noise, each as functions of the module.

#include <pybind11/pybind11.h>

namespace normlab::python {

void define_truth(pybind11::module_& m);
void define_layers(pybind11::module_& m);
void define_fold(pybind11::module_& m);
void define_noise(pybind11::module_& m);

}  // namespace normlab::python
