#pragma once
// Section 4.1 of Ioffe & Szegedy 2015: digits, three hidden layers of sigmoids, with and without batch norm.

#include "studies/runs/study.hpp"

namespace normlab::studies::sigmoids {

std::vector<Run> plan(const Settings& settings);
json run(const json& settings, const Context& context);
Report report(const std::vector<Record>& records);

}  // namespace normlab::studies::sigmoids
