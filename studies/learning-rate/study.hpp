#pragma once
// Section 4.2 of Ioffe & Szegedy 2015 at small scale: how many steps, and which rates, with and without batch norm.

#include "studies/runs/study.hpp"

namespace normlab::studies::rates {

std::vector<Run> plan(const Settings& settings);
json run(const json& settings, const Context& context);
/// Of the table.
inline constexpr const char* columns = "activation,norm,layers,factor,init,seed,step,accuracy,training_loss";
Report report(const std::vector<Record>& records);

}  // namespace normlab::studies::rates
