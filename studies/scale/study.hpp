#pragma once
// What follows from a loss that does not feel the size of the weights: van Laarhoven 2017, Arora et al. 2018, Salimans
// & Kingma 2016.

#include "studies/runs/study.hpp"

namespace normlab::studies::scale_laws {

json gradients(const json& settings);    ///< <w, dL/dw> = 0 and dL/dw(a w) = dL/dw(w) / a
json growth(const json& settings);       ///< |w| under SGD, with or without weight decay, against the laws
json weight_norm(const json& settings);  ///< |v| under SGD

/// Of the table.
inline constexpr const char* columns = "experiment,implementation,seed,parameter,step,value";
Report report(const std::vector<Record>& records);

}  // namespace normlab::studies::scale_laws
