#pragma once
// Section 4.2 of Ioffe & Szegedy 2015 at small scale: how many steps, and which rates, with and without batch norm.

#include "studies/runs/study.hpp"

namespace normlab::studies::rates {

std::vector<Run> plan(const Settings& settings);
json run(const json& settings, const Context& context);
Report report(const std::vector<Record>& records);

}  // namespace normlab::studies::rates
