#pragma once
// The calls of a sequence, as the words of a case's string: "steps=train,momentum:0.5,train,momentum,eval".

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace normlab::verify {

/// What a step does. Each draws data of its own, and its own gamma and beta, as if these had been learned meanwhile.
enum class Act {
    train,       ///< forward in training, which moves State, and backward
    frozen,      ///< forward and backward by the running statistics, which stay: gamma and beta are still learned
    eval,        ///< forward by the running statistics
    accumulate,  ///< three micro-batches: their forwards, then their backwards, the last first; State moves three times
    recompute,   ///< forward, later again for the sake of backward, on a copy of State: that moves once
    recalibrate,  ///< State begins anew and becomes the plain average over three batches
    momentum      ///< from here on another one; without a number, the case's own again
};

struct CaseStep {
    Act act;
    std::optional<std::string> momentum = {};  ///< of Act::momentum: a number, or "none"
    bool operator==(const CaseStep&) const = default;
};

std::string steps_text(const std::vector<CaseStep>& steps);

/// Throws Error naming the word and what is accepted.
std::vector<CaseStep> parse_steps(std::string_view key, const std::string& text);

}  // namespace normlab::verify
