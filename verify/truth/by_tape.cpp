// By the tape, in quad precision: x_hat by definition, y, and the loss sum dy y differentiated.

#include <algorithm>
#include <map>

#include "verify/truth/activation.hpp"
#include "verify/truth/ways.hpp"

namespace normlab::truth {
namespace {

Quad value_of(const Quad& v) { return v; }
Quad value_of(const Dual& v) { return v.value; }

// A leaf: of Dual, along what is given for it.
template <class Number>
Number leaf(double value, const std::vector<double>& along, std::size_t i) {
    if constexpr (std::is_same_v<Number, Dual>) return {Quad(value), along.empty() ? Quad(0) : Quad(along[i])};
    else return Quad(value);
}

Quad factor_of_erf() {
    static const Quad value("1.12837916709551257389615890312154517168810");
    return value;
}

// Recorded with its derivative, the one that is no plain arithmetic of others.
Quad erf(const Quad& v) { return erf_by_series(v, factor_of_erf(), Quad(exp(Quad(-v * v)))); }
Dual erf(const Dual& v) { return {erf(v.value), v.along * factor_of_erf() * Quad(exp(Quad(-v.value * v.value)))}; }
template <class N>
BasicRecorded<N> erf(const BasicRecorded<N>& v) {
    return recorded<N>(erf(v.value), v, N(factor_of_erf()) * exp(N(-v.value * v.value)), {}, 0);
}

template <class N>
BasicRecorded<N> sigmoid(const BasicRecorded<N>& v) {
    const BasicRecorded<N> one(N(1));
    if (value_of(v.value) >= 0) return one / (one + exp(BasicRecorded<N>(N(0)) - v));
    const BasicRecorded<N> e = exp(v);
    return e / (one + e);
}

}  // namespace

template <class Number>
void Taped<Number>::statistics(Block& block) {
    const auto constant = [](const Quad& v) { return Value(Number(v)); };
    tape_.clear(), x_.clear(), x_hat_.clear();
    const std::vector<std::size_t>& all = whole(block);
    for (const std::size_t i : all)  // what lies under a mask may be no number
        x_.emplace_back(leaf<Number>(in_.counts(i) ? in_.x[i] : 0, in_.v, i), tape_);
    Value mean = constant(block.mean), spread = constant(block.s);  // as given, where statistics come from State
    if (p_.own_statistics()) {
        const auto count = std::ranges::count_if(all, [&](std::size_t i) { return in_.counts(i); });
        const Value m = constant(Quad(static_cast<double>(count)));
        Value total, squares;
        for (std::size_t k = 0; k < x_.size(); ++k) total = total + weighted(x_[k], all[k]);
        mean = p_.spec.centred() && count > 0 ? total / m : Value();
        Value about = mean;
        // moved to what is given: the derivatives of both stay those of the formulas
        if (given_) mean = mean + constant(block.mean - value_of(mean.value)), about = constant(block.mean);
        std::size_t counted = 0;  // in the order of `all`: the first ones are those of a part
        for (std::size_t k = 0; k < x_.size(); ++k) {
            const bool in_part = in_.counts(all[k]) && counted++ < block.part;
            const Value square = (x_[k] - about) * (x_[k] - about);
            squares = squares + (p_.spec.part == 1 ? weighted(square, all[k]) : square * constant(in_part ? 1 : 0));
        }
        const bool too_few = count < (p_.spec.divisor == Divisor::less_one ? 2 : 1);
        Value var = too_few ? Value() : squares / constant(Quad(block.divisor));
        if (given_) var = var + constant(block.var - value_of(var.value));
        block.mean = value_of(mean.value), block.var = value_of(var.value);
        spread = too_few ? Value() : spread_of(var);
        block.s = value_of(spread.value);
        if (block.s == 0) {
            x_hat_.assign(x_.size(), Value());
            return;
        }
    }
    for (const Value& v : x_) x_hat_.push_back((v - mean) / spread);
}

// Below its floor a denominator is a constant; where the variance is 0, sqrt(var) + eps is one for what is multiplied
// by x_hat.
template <class Number>
auto Taped<Number>::spread_of(const Value& var) const -> Value {
    const auto constant = [](const Quad& v) { return Value(Number(v)); };
    const Quad eps(p_.spec.eps), square = value_of(var.value), root = sqrt(square);
    switch (p_.spec.denominator) {
        case Denominator::added: return square == 0 ? constant(eps) : sqrt(var) + constant(eps);
        case Denominator::floor: return root < eps || root == 0 ? constant(eps) : sqrt(var);
        case Denominator::floor_root: return square < eps || root == 0 ? constant(Quad(sqrt(eps))) : sqrt(var);
        default: return square + eps == 0 ? Value() : sqrt(var + constant(eps));
    }
}

// At -infinity it is the constant 0, its limit.
template <class Number>
auto Taped<Number>::activated(const Value& z, const Value& tau) const -> Value {
    const auto constant = [](const Quad& v) { return Value(Number(v)); };
    const Quad at = value_of(z.value), infinity = std::numeric_limits<Quad>::infinity();
    const Quad half = Quad(1) / 2;
    switch (p_.spec.activation) {
        case Activation::none: return z;
        case Activation::relu: return at <= 0 ? Value() : z;
        case Activation::threshold: return at < value_of(tau.value) ? tau : z;
        default: break;
    }
    if (at == infinity || at == -infinity) return at > 0 ? z : Value();
    if (p_.spec.activation == Activation::silu) return z * sigmoid(z);
    if (p_.spec.activation == Activation::gelu)
        return z * (constant(1) + erf(z * constant(Quad(sqrt(half))))) * constant(half);
    const Value u = constant(factor_of_erf() * Quad(sqrt(half))) * (z + constant(Quad(44715) / 1000000) * z * z * z);
    return z * sigmoid(u + u);
}

template <class Number>
void Taped<Number>::results(const Block& block) {
    constexpr bool twice = std::is_same_v<Number, Dual>;
    const auto constant = [](const Quad& v) { return Value(Number(v)); };
    struct Parameters {
        Value gamma, beta, tau;
    };
    std::map<std::size_t, Parameters> parameters;  // of the entries that the block uses
    const std::vector<std::size_t>& all = whole(block);
    for (const std::size_t i : all) {
        const auto [at, is_new] = parameters.try_emplace(entry_of(i));
        if (!is_new) continue;
        const std::size_t e = at->first;
        at->second = {Value(leaf<Number>(gamma(e), in_.u, e), tape_), Value(leaf<Number>(beta(e), in_.w, e), tape_),
                      Value(leaf<Number>(tau(e), {}, e), tape_)};
    }
    Value loss;
    for (std::size_t k = 0; k < x_hat_.size(); ++k) {
        const std::size_t i = all[k];
        if (!in_.counts(i)) continue;  // y is the constant 0
        const auto& [of_gamma, of_beta, of_tau] = parameters.at(entry_of(i));
        const Value factor = has_offset() ? constant(Quad(p_.spec.gamma_offset)) + of_gamma : of_gamma;
        const Value corrected = x_hat_[k] * constant(block.r) + constant(block.d);
        const Value z = factor * corrected + of_beta;
        const Value y = activated(z, of_tau);
        if (!twice && !out_.z.empty()) out_.z[i] = Wide(value_of(z.value));
        if constexpr (twice) out_.ddy[i] = Wide(y.value.along);
        else out_.x_hat[i] = Wide(x_hat_[k].value), out_.y[i] = Wide(y.value);
        if constexpr (!twice)
            if (p_.spec.casts())  // which no gradient sees
                out_.y[i] = Wide(activated(Value(factor.value * cast(corrected.value) + of_beta.value), of_tau).value);
        if (!in_.dy.empty()) loss = loss + constant(Quad(in_.dy[i])) * y;
    }
    if (in_.dy.empty() || loss.node == BasicTape<Number>::none) return;
    const std::vector<Number> by = tape_.derivatives(loss.node);
    for (std::size_t k = 0; k < x_.size(); ++k) {
        const std::size_t i = all[k];
        if constexpr (twice) out_.ddx[i] = Wide(by[x_[k].node].along);
        else out_.dx[i] = Wide(by[x_[k].node]);
    }
    for (const auto& [entry, values] : parameters)
        if constexpr (twice) {
            out_.ddgamma[entry] += Wide(by[values.gamma.node].along);
        } else {
            out_.dgamma[entry] += Wide(by[values.gamma.node]);
            out_.dbeta[entry] += Wide(by[values.beta.node]);
            if (!out_.dtau.empty()) out_.dtau[entry] += Wide(by[values.tau.node]);
        }
}

template class Taped<Quad>;
template class Taped<Dual>;

}  // namespace normlab::truth
