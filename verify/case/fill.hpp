#pragma once
// Arrays of a case filled by a pattern (patterns.hpp), or with the numbers that the case gives.

#include "verify/case/case.hpp"

namespace normlab::verify {

/// Puts what the case says in the place of the normal x in `in`.
void fill_x(const Case& c, Inputs<double>& in);

/// Of a layer with a residual: what is added to x, and ds.
void fill_residual(const Case& c, Inputs<double>& in);

/// The mask, of a case that has one; and, once all else is there, what lies under it.
void fill_mask(const Case& c, Inputs<double>& in);
void poison_under_mask(const Case& c, Inputs<double>& in);

/// Where dy=tail is 1: places in a channel of `count` elements, ascending.
std::vector<std::size_t> tail_places(std::size_t count, std::uint64_t seed);

/// The same for gamma, beta and dy; x and the state are those of the case.
void fill_others(const Case& c, Inputs<double>& in);

}  // namespace normlab::verify
