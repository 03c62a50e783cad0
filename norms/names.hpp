#pragma once
// The words used on the command line and in case strings: f32, nchw, train, ...

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "norms/implementation.hpp"

namespace normlab {

std::string_view name_of(DType);         // f64 f32 ... as norms/dtype.hpp lists them
std::string_view name_of(Layout);        // nchw nhwc
std::string_view name_of(Mode);          // train eval
std::string_view name_of(Device);        // host cuda
std::string_view name_of(Running);       // none unbiased biased sigma
std::string_view name_of(Denominator);   // root added floor floor_root
std::string_view name_of(Divisor);       // own less_one one
std::string_view name_of(Activation);    // none relu silu gelu gelu_tanh threshold
std::string_view name_of(Residual);      // none stored wide
std::string_view name_of(AffineSet);     // channel element sample_channel group
std::string_view name_of(Cast);          // after before
std::string_view name_of(Scale);         // given block channels
std::string_view name_of(Accumulation);  // sequential tree f64 kappa-free pivot

/// Each throws Error naming the word, the nearest accepted one and all accepted ones.
DType parse_dtype(std::string_view);  // those that kernels are made for: quad and complex are made inside checks
Layout parse_layout(std::string_view);
Mode parse_mode(std::string_view);
Running parse_running(std::string_view);
Denominator parse_denominator(std::string_view);
Divisor parse_divisor(std::string_view);
Activation parse_activation(std::string_view);
Residual parse_residual(std::string_view);
AffineSet parse_affine_set(std::string_view);
Cast parse_cast(std::string_view);
Scale parse_scale(std::string_view);
DType parse_output(std::string_view);  // f32 e4m3 e5m2
Accumulation parse_accumulation(std::string_view);

/// "f64, f32, bf16, f16": the dtypes that kernels are made for.
std::string kernel_dtype_names();

/// The place of `word` in `accepted`, an enumeration's names in its order. Throws as the above do.
std::size_t place_of(std::string_view what, std::string_view word, std::span<const std::string_view> accepted);

/// "a", "a and b", "a, b and c".
std::string in_words(const std::vector<std::string>& words, std::string_view last = "and");

/// The message for a word that is not one of `accepted`: names the nearest one if it is near.
std::string unknown(std::string_view what, std::string_view word, std::span<const std::string_view> accepted);

}  // namespace normlab
