// By the tape, in quad precision: x_hat by definition, y, and the loss sum dy y differentiated.

#include "verify/truth/ways.hpp"

namespace normlab::truth {

void ByTape::statistics(Block& block) {
    tape_.clear(), x_.clear(), x_hat_.clear();
    for (const std::size_t i : block.elements) x_.emplace_back(Quad(in_.x[i]), tape_);
    Recorded mean(block.mean), spread(block.s);  // as given, where statistics come from State
    if (p_.own_statistics()) {
        const Recorded m(Quad(static_cast<double>(x_.size())));
        Recorded total(Quad(0)), squares(Quad(0));
        for (const Recorded& v : x_) total = total + v;
        mean = p_.spec.centred() ? total / m : Recorded(Quad(0));
        for (const Recorded& v : x_) squares = squares + (v - mean) * (v - mean);
        const Recorded var = squares / Recorded(Quad(block.divisor));
        block.mean = mean.value, block.var = var.value;
        spread = spread_of(var);
        block.s = spread.value;
        if (block.s == 0) {
            x_hat_.assign(x_.size(), Recorded(Quad(0)));
            return;
        }
    }
    for (const Recorded& v : x_) x_hat_.push_back((v - mean) / spread);
}

// Below its floor a denominator is a constant; where the variance is 0, sqrt(var) + eps is one for what is multiplied
// by x_hat.
Recorded ByTape::spread_of(const Recorded& var) const {
    const Quad eps(p_.spec.eps), root = sqrt(var.value);
    switch (p_.spec.denominator) {
        case Denominator::added: return var.value == 0 ? Recorded(eps) : sqrt(var) + Recorded(eps);
        case Denominator::floor: return root < eps || root == 0 ? Recorded(eps) : sqrt(var);
        case Denominator::floor_root: return var.value < eps || root == 0 ? Recorded(Quad(sqrt(eps))) : sqrt(var);
        default: return var.value + eps == 0 ? Recorded(Quad(0)) : sqrt(var + Recorded(eps));
    }
}

void ByTape::results(const Block& block) {
    std::vector<Recorded> gammas(C_), betas(C_);
    for (std::size_t c = 0; c < C_; ++c)  // those of the block's channels are used
        gammas[c] = Recorded(Quad(gamma(c)), tape_), betas[c] = Recorded(Quad(beta(c)), tape_);
    Recorded loss(Quad(0));
    for (std::size_t k = 0; k < x_hat_.size(); ++k) {
        const std::size_t i = block.elements[k], c = channel_of(i);
        const Recorded y = gammas[c] * (x_hat_[k] * Recorded(block.r) + Recorded(block.d)) + betas[c];
        out_.x_hat[i] = Wide(x_hat_[k].value);
        out_.y[i] = Wide(y.value);
        if (!in_.dy.empty()) loss = loss + Recorded(Quad(in_.dy[i])) * y;
    }
    if (in_.dy.empty()) return;
    const std::vector<Quad> by = tape_.derivatives(loss.node);
    for (std::size_t k = 0; k < x_.size(); ++k) out_.dx[block.elements[k]] = Wide(by[x_[k].node]);
    for (std::size_t c = 0; c < C_; ++c) {
        out_.dgamma[c] += Wide(by[gammas[c].node]);
        out_.dbeta[c] += Wide(by[betas[c].node]);
    }
}

}  // namespace normlab::truth
