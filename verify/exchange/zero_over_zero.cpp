#include "verify/exchange/zero_over_zero.hpp"

#include <algorithm>
#include <cmath>

#include "verify/truth/truth.hpp"

namespace normlab::verify {

bool zero_over_zero(const Inputs<double>& in, std::map<Quantity, std::vector<double>>& outputs, bool accept) {
    const auto no_number = [](double v) { return !std::isfinite(v); };
    if (in.problem.spec.eps > 0 || in.problem.spec.quantizes() ||
        std::ranges::none_of(outputs, [&](const auto& entry) { return std::ranges::any_of(entry.second, no_number); }))
        return false;
    const truth::Result t = truth::evaluate(in);
    bool any = false;
    if (!in.twice())
        for (const QuantityRow& q : quantities::second()) outputs.erase(q.quantity);
    const auto look = [&](Quantity q, std::size_t i) {
        const auto found = outputs.find(q);
        if (found == outputs.end() || !no_number(found->second[i])) return;
        any = true;
        if (accept) found->second[i] = rounded(static_cast<double>(row_of(q).in(t)[i]), row_of(q).dtype(in.problem));
    };
    for (std::size_t k = 0; k < t.blocks.size(); ++k) {
        if (t.blocks[k].s != 0) continue;
        look(Quantity::rstd, k);
        for (const std::size_t i : t.blocks[k].elements)
            for (const Quantity q : {Quantity::y, Quantity::dx, Quantity::ddx, Quantity::ddy}) look(q, i);
        for (const std::size_t i : t.blocks[k].elements)
            for (const Quantity q : {Quantity::dgamma, Quantity::ddgamma}) look(q, in.problem.affine_entry(i));
    }
    return any;
}

}  // namespace normlab::verify
