#pragma once
// Section 2 of Ioffe & Szegedy 2015: what happens when the normalisation is outside the gradient step.

#include "studies/runs/study.hpp"

namespace normlab::studies::outside {

json run(const json& settings);
/// Of the table.
inline constexpr const char* columns = "trained,way,implementation,seed,step,loss,bias,weights";
Report report(const std::vector<Record>& records);

}  // namespace normlab::studies::outside
