#pragma once
// The table of variants: a row each, and the only list of them. Whoever needs to know more of a variant asks its Spec,
// below, and not its name.

#include <vector>

#include "norms/variants/batch_norm.hpp"
#include "norms/variants/batch_renorm.hpp"
#include "norms/variants/channel_norm.hpp"
#include "norms/variants/filter_response_norm.hpp"
#include "norms/variants/group_norm.hpp"
#include "norms/variants/instance_norm.hpp"
#include "norms/variants/l2_norm.hpp"
#include "norms/variants/layer_norm.hpp"
#include "norms/variants/partial_rms_norm.hpp"
#include "norms/variants/rms_norm.hpp"
#include "norms/variants/weight_norm.hpp"
#include "norms/variants/weight_standardization.hpp"

namespace normlab {

struct Variant {
    std::string_view name;
    Spec (*make)();          ///< with default settings (group norm: 2 groups)
    std::string_view block;  ///< for people: what shares one mean and one variance
};

inline constexpr Variant variants[] = {
    {"batch_norm", [] { return batch_norm(); }, "a channel over samples and positions"},
    {"batch_renorm", [] { return batch_renorm(); },
     "a channel over samples and positions, corrected towards running statistics"},
    {"layer_norm", [] { return layer_norm(); }, "a sample over channels and positions"},
    {"instance_norm", [] { return instance_norm(); }, "a channel of a sample over positions"},
    {"group_norm", [] { return group_norm(2); }, "a group of channels of a sample over positions"},
    {"weight_norm", [] { return weight_norm(); }, "the weights of an output channel (l2 norm)"},
    {"rms_norm", [] { return rms_norm(); }, "a sample over channels and positions, mean not removed"},
    {"channel_norm", [] { return channel_norm(); }, "a position of a sample over channels"},
    {"filter_response_norm", [] { return filter_response_norm(); },
     "a channel of a sample over positions, mean not removed"},
    {"l2_norm", [] { return l2_norm(); }, "a sample over channels and positions, its l2 norm with a floor"},
    {"weight_standardization", [] { return weight_standardization(); }, "the weights of an output channel"},
    {"partial_rms_norm", [] { return partial_rms_norm(); },
     "a sample over channels and positions, mean not removed, its root mean square that of a part"},
};

/// The built-in variants, then those that were registered, in order.
std::vector<const Variant*> all_variants();

/// Throws Error naming the nearest known name.
const Variant& find_variant(std::string_view name);

/// A variant of one's own: a program that registers it before it calls anything else has all of it that built-in ones
/// have (tests/made_up is one: its own main, and the command line). The name is of lower case letters, digits and _, a
/// literal, and that of the Spec that `make` builds. Throws Error where it is not, or is taken, and what validate()
/// says of the Spec. Not while other threads look variants up.
const Variant& register_variant(const Variant& variant);

/// x is the weights of a layer, gamma their lengths.
inline bool is_weights(const Spec& s) { return s.weights; }
/// Its layer has a beta by convention: a mean is removed, or channels are scaled one by one.
inline bool has_beta(const Spec& s) { return !s.weights && (s.centred() || s.by_channel()); }
/// A block is a whole sample: what has a gamma an element elsewhere, over trailing dimensions (trailing_shape).
inline bool is_by_sample(const Spec& s) {
    return !s.block.samples && s.block.groups && s.block.channels && s.block.positions;
}
/// Likewise, and gamma is one a channel here: an element where positions are folded into channels.
inline bool is_by_element(const Spec& s) { return is_by_sample(s) && s.affine_set == AffineSet::channel; }
/// A block is a group of channels: `groups` says of how many.
inline bool is_by_group(const Spec& s) { return s.block.channels && !s.block.groups; }
/// Its channels can keep running statistics, whether or not `running` says so.
inline bool may_keep_state(const Spec& s) { return s.centred() && s.by_channel() && !s.weights; }

}  // namespace normlab
