#include "verify/exchange/not_asked.hpp"

#include <algorithm>
#include <iterator>

namespace normlab::verify {
namespace {

constexpr std::string_view memory = "about memory and the way of calling, which a script has none of",
                           own = "about memory, threads and the way of calling, which is normlab's own here",
                           many = "hundreds of calls a case; --check exports it",
                           second = "a double backward, which a script need not have; --check exports it",
                           saved = "about saved variances, which a script need not have",
                           statistics = "about saved statistics, which no function is asked for",
                           large = "tensors too large for files";

constexpr NotAsked table[] = {
    {.check = "gradient_masks", .of_script = memory, .of_function = own},
    {.check = "threads", .of_script = memory, .of_function = own},
    {.check = "many_calls", .of_script = memory, .of_function = own},
    {.check = "contracts", .of_script = memory, .of_function = own},
    {.check = "refusal", .of_script = memory, .of_function = own},
    {.check = "empty", .of_script = memory, .of_function = own},
    {.check = "repeat", .of_script = memory},
    {.check = "combinations", .of_script = memory},
    {.check = "reuse", .of_script = memory, .gradients = true},
    {.check = "gaps", .of_script = memory, .strides = true},
    {.check = "tiled", .of_script = large},
    {.check = "exact_statistics", .of_script = saved, .of_function = statistics},
    {.check = "recalibrate", .of_script = saved, .of_function = statistics},
    {.check = "double_backward", .of_script = second, .unless_named = true, .gradients = true, .twice = true},
    {.check = "double_derivatives", .of_script = many, .unless_named = true, .gradients = true, .twice = true},
    {.check = "double_identities", .of_script = second, .unless_named = true, .gradients = true, .twice = true},
    {.check = "double_isolation", .of_script = second, .unless_named = true, .gradients = true, .twice = true},
    {.check = "derivatives", .of_script = many, .unless_named = true, .gradients = true},
    {.check = "taylor", .of_script = many, .unless_named = true, .gradients = true},
    {.check = "jacobian", .of_script = many, .unless_named = true, .gradients = true},
    {.check = "invariance_table", .of_script = many, .unless_named = true},
    {.check = "adjoint", .gradients = true},
    {.check = "zero_sum", .gradients = true},
    {.check = "xhat_dx", .gradients = true},
    {.check = "symmetry", .gradients = true},
    {.check = "chain_rule", .gradients = true},
};

}  // namespace

const NotAsked* find_not_asked(std::string_view check) {
    const auto* found = std::ranges::find(table, check, &NotAsked::check);
    return found == std::end(table) ? nullptr : found;
}

}  // namespace normlab::verify
