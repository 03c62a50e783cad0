#pragma once
// The sets of shapes by name, for who times them and for who completes their names. bench/README.md says what they
// hold.

#include <string_view>

#include "norms/tensor.hpp"

namespace normlab::bench {

/// What a set has where the command says nothing else.
struct ShapeSet {
    std::string_view name;
    DType dtype = DType::f32;
    Layout layout = Layout::channels_first;
    bool and_residual = false;  ///< each of its norms again, with a residual before it
};

inline constexpr ShapeSet shape_set_rows[] = {
    {"peers"},       {"resnet50"},
    {"transformer"}, {"llm", DType::bf16, Layout::channels_first, true},
    {"unet"},        {"diffusion", DType::bf16, Layout::channels_last},
    {"vision"},      {"weights"},
};

}  // namespace normlab::bench
