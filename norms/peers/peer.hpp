#pragma once
// What the peers' plug-ins share: the table, and what a spec is to other libraries.

#include <string>
#include <utility>

#include "norms/plugin.h"
#include "norms/plugin_status.hpp"

namespace normlab::peers {

/// A table with what is the same for all, on a Plan that is made from the problem and has saved_bytes(), run_forward()
/// and run_backward(). No accuracy is promised: sums are sequential. Name, description, saves, supports and what else
/// there is are to be filled in.
template <class Plan>
normlab_plugin table_of() {
    normlab_plugin t{};
    t.size = sizeof t;
    t.version = NORMLAB_PLUGIN_VERSION;
    t.create = [](const normlab_problem* p, Plan** plan) { return status_of([&] { *plan = new Plan(*p); }); };
    t.destroy = [](Plan* plan) { delete plan; };
    t.saved_bytes = [](const Plan* plan) { return plan->saved_bytes(); };
    t.forward = [](Plan* plan, const normlab_forward_args* a) { return status_of([&] { plan->run_forward(*a); }); };
    t.backward = [](Plan* plan, const normlab_backward_args* a) { return status_of([&] { plan->run_backward(*a); }); };
    t.last_error = last_plugin_error;
    return t;
}

/// The text of a refusal, alive until the next call.
inline const char* refusal(std::string text) {
    thread_local std::string kept;
    kept = std::move(text);
    return kept.c_str();
}

/// The spec is batch norm's, layer norm's, ...: a block spans exactly these axes, centred and not corrected.
inline bool is_centred(const normlab_problem& p, int block) {
    return p.moments == NORMLAB_CENTRED && p.correction == NORMLAB_NO_CORRECTION && p.block == block;
}
inline bool is_batch_norm(const normlab_problem& p) { return is_centred(p, NORMLAB_SAMPLES | NORMLAB_POSITIONS); }

/// Both layouts are the same memory.
inline bool has_one_layout(const normlab_problem& p) { return p.C == 1 || p.S == 1; }
inline bool is_channels_last(const normlab_problem& p) {
    return p.layout == NORMLAB_CHANNELS_LAST && !has_one_layout(p);
}

/// A layer norm over the last axis in memory, gamma and beta an entry an element of it, [rows, C]: layer_norm with S =
/// 1, channel_norm in nhwc.
inline bool is_layer_norm_of_rows(const normlab_problem& p) {
    if (p.S == 1 && is_centred(p, NORMLAB_GROUPS | NORMLAB_CHANNELS | NORMLAB_POSITIONS)) return true;
    return is_centred(p, NORMLAB_GROUPS | NORMLAB_CHANNELS) && (p.layout == NORMLAB_CHANNELS_LAST || p.S == 1);
}

/// Given statistics take the place of the input's own.
inline bool is_given(const normlab_problem& p) { return p.mode == NORMLAB_EVAL && p.running != NORMLAB_RUNNING_NONE; }

}  // namespace normlab::peers
