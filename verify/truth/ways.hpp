#pragma once
// Two ways to the results of a block, called by evaluate.cpp: statistics, then, with batch renorm's r and d known,
// results.

#include "verify/truth/elements.hpp"
#include "verify/truth/tape.hpp"
#include "verify/truth/truth.hpp"

namespace normlab::truth {

/// Results of blocks, written to `out`.
class Way {
public:
    /// given: mean and var of blocks are what forward made of other numbers, as backward reads them.
    Way(const verify::Inputs<double>& in, Result& out, bool given = false)
        : in_(in), out_(out), p_(in.problem), given_(given), entries_(verify::affine_entries(p_)) {}

protected:
    std::size_t entry_of(std::size_t i) const { return entries_[i]; }
    double gamma(std::size_t entry) const { return in_.gamma.empty() ? 1 : in_.gamma[entry]; }
    bool has_offset() const { return p_.spec.gamma_offset != 0 && !in_.gamma.empty(); }
    /// x_hat r + d as the layer multiplies it, where it rounds that to the data's type.
    template <class Number>
    Number cast(const Number& v) const {
        return is_kernel_dtype(p_.dtype) ? Number(rounded(static_cast<double>(v), p_.dtype)) : v;
    }
    double beta(std::size_t entry) const { return in_.beta.empty() ? 0 : in_.beta[entry]; }
    double tau(std::size_t entry) const { return in_.tau_of(entry); }

    const verify::Inputs<double>& in_;
    Result& out_;
    const Problem& p_;
    bool given_;
    std::vector<std::size_t> entries_;
};

/// In Quad, or in Dual: along v, u and w.
template <class Number>
class Taped : public Way {
public:
    using Way::Way;
    /// mean, var and s of the block, where they are its own; x_hat
    void statistics(Block& block);
    /// y, and by the tape dx and the block's share of dgamma and dbeta; of Dual ddy, ddx and the share of ddgamma
    void results(const Block& block);

private:
    using Value = BasicRecorded<Number>;
    Value spread_of(const Value& var) const;
    Value activated(const Value& z, const Value& tau) const;

    /// Its elements, with a mask those that do not count, too.
    static const std::vector<std::size_t>& whole(const Block& block) {
        return block.all.empty() ? block.elements : block.all;
    }
    /// v times 1 or 0.
    Value weighted(const Value& v, std::size_t i) const {
        return in_.mask.empty() ? v : v * Value(Number(in_.counts(i) ? 1 : 0));
    }

    BasicTape<Number> tape_;
    std::vector<Value> x_, x_hat_;
};
using ByTape = Taped<Quad>;
using ByTapeTwice = Taped<Dual>;

class ByFormula : public Way {
public:
    using Way::Way;
    void statistics(Block& block);
    void results(const Block& block);

protected:
    /// v times what x_hat is multiplied by, of this entry.
    Wide times_factor(const Wide& v, std::size_t entry) const;
    /// y where x_hat r + d is rounded before gamma.
    Wide y_of_cast(const Wide& corrected, std::size_t entry) const;
    /// `floor`, and no slope, for s where it is below.
    void is_below(double above, Wide& s, const Wide& floor);

    Wide mean_, rstd_, slope_ = 1;
};

/// After ByFormula: ddy, ddx and the share of ddgamma.
class ByFormulaTwice : public ByFormula {
public:
    using ByFormula::ByFormula;
    void results(const Block& block);
};

}  // namespace normlab::truth
