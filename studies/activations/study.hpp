#pragma once
// Section 4.1 of Ioffe & Szegedy 2015: digits, three hidden layers of sigmoids, with and without batch norm.

#include "studies/runs/study.hpp"

namespace normlab::studies::sigmoids {

std::vector<Run> plan(const Settings& settings);
json run(const json& settings, const Context& context);
/// Of the table; those of the layers follow.
inline constexpr const char* columns = "norm,seed,step,accuracy,training_loss,validation_loss,p15,p50,p85";
Report report(const std::vector<Record>& records);

}  // namespace normlab::studies::sigmoids
