#include "python/draw.hpp"

#include <fmt/format.h>

#include "norms/names.hpp"
#include "python/implemented.hpp"
#include "verify/case/settings.hpp"
#include "verify/run/generate.hpp"
#include "verify/run/run_cases.hpp"

namespace normlab::python {

using verify::Case;

Drawing::Drawing(Function function, Chosen chosen) : function_(std::move(function)), chosen_(std::move(chosen)) {
    for (const std::string& word : chosen_.dtypes) function_.dtypes.push_back(parse_dtype(word));
    for (const std::string& word : chosen_.layouts) function_.layouts.push_back(parse_layout(word));
    for (const std::string& word : chosen_.modes) function_.modes.push_back(parse_mode(word));
    for (const std::string& word : chosen_.checks) verify::find_check(word);
}

// As a plan drops what is none, and a run skips what the function declines.
bool Drawing::asks(const Case& c) {
    const Checked checked(function_);
    return not_asked(function_, c.check).empty() && verify::is_valid(c) && c.shape.size() > 0 &&
           verify::find_check(c.check).refuses(c).empty() && verify::reason_to_skip(c).empty();
}

std::string Drawing::drawn(std::uint64_t seed) {
    constexpr int most = 1000;
    const verify::Selection selection{{function_.variant}, {"reference"},     chosen_.checks,
                                      function_.dtypes,    function_.layouts, function_.modes};
    Random random(seed, 0);
    for (int tries = 0; tries < most; ++tries) {
        Case c = verify::random_case(random, selection);
        if (c.tile) continue;  // large
        c.implementation = function_.name, c.stat_batch = 0;
        c = of_function(std::move(c), function_);
        if (asks(c)) return c.text();
    }
    throw Nothing(fmt::format("no case of this selection can be drawn for a function of {}", function_.variant));
}

std::size_t Drawing::settings() const { return verify::settings_to_simplify().size() + 1; }

std::string Drawing::simplified(const std::string& test, std::size_t kind) {
    constexpr int most = 64;  // steps, of a number that is halved
    Case best = verify::parse_case(test);
    const auto kinds = verify::settings_to_simplify();
    for (int step = 0; step < most; ++step) {
        Case c = best;
        if (kind < kinds.size())
            for (const verify::Setting* s : kinds[kind]) s->simplify(c);
        else c.layout = Layout::channels_first;
        if (!verify::has_gamma(c.affine)) c.gamma = {};  // nobody reads them
        if (!verify::has_beta(c.affine)) c.beta = {};
        if (c.text() == best.text() || !asks(c)) break;
        best = std::move(c);
    }
    return best.text();
}

std::vector<std::int64_t> Drawing::shape(const std::string& test) const {
    const Shape s = verify::parse_case(test).shape;
    return {s.N, s.C, s.S};
}

std::string Drawing::with_shape(const std::string& test, std::int64_t N, std::int64_t C, std::int64_t S) {
    Case c = verify::parse_case(test);
    c.shape = {N, C, S};
    if (c.groups && C % *c.groups) c.groups = 1;
    return asks(c) ? c.text() : test;
}

}  // namespace normlab::python
