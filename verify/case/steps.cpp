#include "verify/case/steps.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "verify/case/case.hpp"

namespace normlab::verify {
namespace {

constexpr std::string_view act_names[] = {"train",     "frozen",      "eval",    "accumulate",
                                          "recompute", "recalibrate", "momentum"};

}  // namespace

std::string steps_text(const std::vector<CaseStep>& steps) {
    std::string text;
    for (const CaseStep& s : steps)
        text += fmt::format("{}{}{}{}", text.empty() ? "" : ",", act_names[static_cast<std::size_t>(s.act)],
                            s.momentum ? ":" : "", s.momentum.value_or(""));
    return text;
}

std::vector<CaseStep> parse_steps(std::string_view key, const std::string& text) {
    std::vector<CaseStep> steps;
    std::istringstream in(text + ",");
    for (std::string word; std::getline(in, word, ',');) {
        const std::size_t colon = word.find(':');
        const auto found = std::ranges::find(act_names, word.substr(0, colon));
        if (found == std::end(act_names)) throw Error(unknown(key, word.substr(0, colon), act_names));
        CaseStep step{static_cast<Act>(found - act_names)};
        if (colon != std::string::npos) {
            if (step.act != Act::momentum)
                throw Error(fmt::format("{} = '{}'; a number goes with momentum alone", key, word));
            step.momentum = word.substr(colon + 1);
            if (const auto m = parse_momentum(*step.momentum); m && !(*m >= 0 && *m <= 1))
                throw Error(fmt::format("{} = '{}'; a momentum from 0 to 1, or none, is accepted", key, word));
        }
        steps.push_back(step);
    }
    return steps;
}

}  // namespace normlab::verify
