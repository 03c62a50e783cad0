#pragma once
// Comparisons without tolerance.

#include <cstddef>
#include <string>
#include <vector>

#include "verify/check/check.hpp"
#include "verify/truth/inputs.hpp"

namespace normlab::verify {

/// One result as it lies in memory.
struct Array {
    std::string name;
    DType dtype;
    std::vector<std::byte> bytes;
    std::size_t size() const { return bytes.size() / size_of(dtype); }
};

/// Elements that differ in a bit (error; the bound is 0), and the first of them.
Finding same_bits(std::string_view quantity, const Problem& problem, const std::vector<Array>& got,
                  const std::vector<Array>& expected);

/// The same for numbers in logical order, of N*C*S elements or of C channels: equal, or both NaN.
Finding same_values(std::string_view quantity, const Problem& problem, const std::vector<double>& got,
                    const std::vector<double>& expected);

/// A finding of a quantity that is counted and has to be 0.
Finding none_of(std::string_view quantity, std::size_t count, std::string first);

/// "n=1 c=2 s=0" of logical element i.
std::string element_text(const Problem& problem, std::size_t i);

}  // namespace normlab::verify
