// What stands before the norm, in this layer's own words: s = x + residual, and d = ds + dx; what a mask leaves out;
// the part that statistics are of.

#include <algorithm>
#include <cmath>

#include "norms/element.hpp"
#include "verify/faults/layer.hpp"

namespace normlab::verify::faults {

double toward_zero(double v, DType narrow) {
    std::uint16_t bits[sizeof(Complex) / 2] = {};  // room for whatever an element may be
    write_element(bits, narrow, 0, v);
    if (std::abs(read_element<double>(bits, narrow, 0)) > std::abs(v)) --bits[0];
    return read_element<double>(bits, narrow, 0);
}

// What the norm sees of the sum; s is written.
auto FaultyLayer::summed(const Values& x, const Values& residual, const normlab_forward_args& a) const -> Values {
    Values seen(x.size()), s(x.size());
    const bool rounds = (p_.residual == NORMLAB_RESIDUAL_STORED ? f_.rounds_stored : f_.rounds_wide) != 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
        const double sum = rounded(x[i] + f_.residual * residual[i], arithmetic_dtype(dtype_));
        s[i] = f_.s_in_16_bits != 0 && is_narrow(dtype_) ? rounded(sum, dtype_) : sum;
        if (f_.s_truncated != 0 && is_narrow(sum_dtype_)) s[i] = toward_zero(sum, sum_dtype_);
        seen[i] = f_.norm_of_x != 0 || f_.residual_after != 0 ? x[i] : rounds ? rounded(s[i], sum_dtype_) : sum;
        if (f_.s_is_x != 0) s[i] = x[i];
    }
    if (f_.writes_residual != 0 && a.s != a.residual)
        bump(const_cast<void*>(a.residual), sum_dtype_, last_place(x_at_));
    write(a.s, x_at_, s, sum_dtype_, f_.s_unwritten != 0);
    if (f_.s_in_place != 0 && a.s == a.residual) bump(a.s, sum_dtype_, 0);
    return seen;
}

// Of this call.
void FaultyLayer::leave_out(const std::uint8_t* mask) {
    if (!mask) return;
    if (!own_ && f_.mask_unread_in_eval != 0) return;
    if (whole_sums_.empty()) whole_sums_ = sums_;
    counts_.resize(block_.size());
    for (std::size_t i = 0; i < counts_.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        const std::uint8_t byte = mask[sample(at) * S_ + at % S_];
        counts_[i] = f_.mask_of_ones != 0 ? byte == 1 : byte != 0;
    }
    if (first_counts_.empty()) first_counts_ = counts_;
    if (f_.mask_kept != 0) counts_ = first_counts_;
    sums_ = whole_sums_;
    for (Set& set : sums_) std::erase_if(set, [&](std::int64_t i) { return !counts(static_cast<std::size_t>(i)); });
}

double FaultyLayer::left(std::int64_t b) const {
    const Set& block = blocks_[static_cast<std::size_t>(b)];
    return static_cast<double>(
        std::ranges::count_if(block, [&](std::int64_t i) { return counts(static_cast<std::size_t>(i)); }));
}

// The elements that a block's statistics are of.
auto FaultyLayer::of_part(std::int64_t b) const -> Set {
    Set set = sums_[static_cast<std::size_t>(b)];
    if (p_.part == 0) return set;
    const double m = f_.part_of_whole != 0 ? static_cast<double>(blocks_[static_cast<std::size_t>(b)].size()) : size(b),
                 k = f_.part_floor != 0 ? std::max(1.0, std::floor(p_.part * m)) : std::ceil(p_.part * m);
    if (f_.part_in_memory != 0) std::ranges::sort(set, {}, [&](std::int64_t i) { return place(i, false); });
    if (f_.part_last != 0) std::ranges::reverse(set);
    if (const auto most = static_cast<std::size_t>(k); most < set.size()) set.resize(most);
    return set;
}

// d takes the place of dx; d_residual is written.
void FaultyLayer::join(Values& dx, const normlab_backward_args& a) {
    Values ds = a.ds ? read(a.ds, dx_at_, false, sum_dtype_) : Values(dx.size(), f_.absent_ds);
    if (first_ds_.empty()) first_ds_ = ds;
    if (f_.ds_kept != 0) ds = first_ds_;
    Values d_residual(dx.size());
    for (std::size_t i = 0; i < dx.size(); ++i) {
        const double d = f_.dx_in_d_residual * dx[i] + f_.ds_in_d_residual * f_.ds * ds[i];
        d_residual[i] = f_.d_residual * (f_.d_residual_in_16_bits != 0 && is_narrow(dtype_) ? rounded(d, dtype_) : d);
        dx[i] += f_.ds * ds[i];
    }
    if (!a.d_residual) return;
    write(a.d_residual, dx_at_, d_residual, sum_dtype_, f_.last_unwritten != 0);
    if (!a.dx && f_.d_residual_alone != 0) bump(a.d_residual, sum_dtype_, 0);
}

}  // namespace normlab::verify::faults
