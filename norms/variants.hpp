#pragma once
// The table of variants: a row each.

#include <span>

#include "norms/variants/batch_norm.hpp"
#include "norms/variants/batch_renorm.hpp"
#include "norms/variants/channel_norm.hpp"
#include "norms/variants/group_norm.hpp"
#include "norms/variants/instance_norm.hpp"
#include "norms/variants/layer_norm.hpp"
#include "norms/variants/rms_norm.hpp"
#include "norms/variants/weight_norm.hpp"

namespace normlab {

struct Variant {
    std::string_view name;
    Spec (*make)();   ///< with default settings (group norm: 2 groups)
    std::string_view block;   ///< for people: what shares one mean and one variance
};

inline constexpr Variant variants[] = {
    {"batch_norm", [] { return batch_norm(); }, "a channel over samples and positions"},
    {"batch_renorm", [] { return batch_renorm(); }, "a channel over samples and positions, corrected towards running statistics"},
    {"layer_norm", [] { return layer_norm(); }, "a sample over channels and positions"},
    {"instance_norm", [] { return instance_norm(); }, "a channel of a sample over positions"},
    {"group_norm", [] { return group_norm(2); }, "a group of channels of a sample over positions"},
    {"weight_norm", [] { return weight_norm(); }, "the weights of an output channel (l2 norm)"},
    {"rms_norm", [] { return rms_norm(); }, "a sample over channels and positions, mean not removed"},
    {"channel_norm", [] { return channel_norm(); }, "a position of a sample over channels"},
};

/// Throws Error naming the nearest known name.
const Variant& find_variant(std::string_view name);

}  // namespace normlab
