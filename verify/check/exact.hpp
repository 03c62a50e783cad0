#pragma once
// Comparisons without tolerance; of what does not promise the same bits, within the bounds of two results.

#include <cstddef>
#include <optional>
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

/// How far apart two results may be: nothing, so that they are to have the same bits, unless the implementation does
/// not promise that (Implementation::deterministic). Both may then be off by their bounds.
std::optional<Bounds> tolerance(const Implementation& implementation, const Inputs<double>& inputs);
/// How far apart two results may be that need not have the same bits.
Bounds bounds_of_two(const Implementation& implementation, const Inputs<double>& inputs);

/// Those of one quantity; empty where there is no tolerance.
std::vector<double> tolerance_of(const std::optional<Bounds>& tolerance, std::vector<double> Bounds::*quantity);

/// Elements that differ in a bit, or by more than `within` (error; the bound is 0), and the first of them. With
/// `within`, what the implementation keeps for itself is not compared.
Finding same_bits(std::string_view quantity, const Problem& problem, const std::vector<Array>& got,
                  const std::vector<Array>& expected, const std::optional<Bounds>& within = {});

/// The same for numbers in logical order, of N*C*S elements or of C channels: equal, or both NaN; or nearer than
/// `within`, where it is not empty.
Finding same_values(std::string_view quantity, const Problem& problem, const std::vector<double>& got,
                    const std::vector<double>& expected, const std::vector<double>& within = {});

/// A finding of a quantity that is counted and has to be 0.
Finding none_of(std::string_view quantity, std::size_t count, std::string first);

/// "n=1 c=2 s=0" of logical element i.
std::string element_text(const Problem& problem, std::size_t i);
/// "c=2", "c=2 s=0", "n=1 c=2" or "g=0" of an entry of gamma and beta.
std::string entry_text(const Problem& problem, std::size_t entry);

}  // namespace normlab::verify
