#pragma once
// A normalization layer as norms/plugin.h describes it: plain loops in double, any variant, dtype and layout, with the
// formulas that it is given.

#include <array>
#include <map>
#include <vector>

#include "norms/plugin.h"
#include "norms/tensor.hpp"
#include "verify/faults/fault.hpp"

namespace normlab::verify::faults {

class FaultyLayer {
public:
    FaultyLayer(const normlab_problem& problem, const Formula& formula);
    void set_threads(int threads) { threads_ = threads; }
    void forward(const normlab_forward_args& a);
    void backward(const normlab_backward_args& a);
    void backward_backward(const normlab_backward_backward_args& a);

private:
    using Values = std::vector<double>;
    using Set = std::vector<std::int64_t>;  // of elements, in logical order (n * C + c) * S + s
    struct BlockStatistics {
        Values mean, var, rstd, r, d;
    };
    struct Running {
        Values mean, spread;  // a variance or a sigma
        std::int64_t count;
    };

    std::int64_t block_of(std::int64_t i) const;
    Set summed(std::int64_t block) const;
    std::int64_t sample(std::int64_t i) const { return i / (C_ * S_); }
    std::int64_t channel(std::int64_t i) const { return i / S_ % C_; }
    using Strides = std::array<std::int64_t, 3>;
    std::int64_t place(std::int64_t i, bool channels_first) const;  // in dense memory
    std::int64_t place(std::int64_t i, const Strides& strides) const;
    std::int64_t last_place(const Strides& strides) const { return place(N_ * C_ * S_ - 1, strides); }
    std::int64_t behind_row(const Strides& strides) const;
    bool is_stored(std::int64_t i) const;
    double times_in_dbeta(std::int64_t i) const;
    std::int64_t channel_as_entry(std::int64_t i) const { return channel(i) % entries_; }
    std::int64_t entry(std::int64_t i) const;
    std::int64_t parameter_index(std::int64_t i, bool by_channel) const;
    std::int64_t gamma_index(std::int64_t i) const;
    std::int64_t beta_index(std::int64_t i) const { return parameter_index(i, f_.beta_by_channel != 0); }
    void sum_by_channel(Values& gradient) const;
    void leave_out(const std::uint8_t* mask);
    bool counts(std::size_t i) const { return counts_.empty() || counts_[i] != 0; }
    double left(std::int64_t block) const;  // of its elements, by the mask
    Set of_part(std::int64_t block) const;
    double size(std::int64_t block) const { return static_cast<double>(sums_[static_cast<std::size_t>(block)].size()); }

    void flush(Values& values) const;
    Values recovered(const Values& hat, const BlockStatistics& s, const Values& gamma, const Values& beta) const;
    Values read(const void* tensor, const Strides& strides, bool channels_first, DType dtype) const;
    void write(void* tensor, const Strides& strides, const Values& values, DType dtype, bool last_unwritten) const;
    Values summed(const Values& x, const Values& residual, const normlab_forward_args& a) const;
    void join(Values& dx, const normlab_backward_args& a);
    Values read_parameters(const void* data, double absent) const;
    Values factors(const void* gamma, double offset) const;
    double rounded_to_data(double v) const;
    double scaled(double hat, double r, double d, double g) const;
    std::uint8_t code_of(double v) const;
    Values scales(const Values& y) const;
    void write_y(const normlab_forward_args& a, Values y) const;
    std::size_t scale_entry(std::int64_t i) const;
    double activated(double z, double tau = 0) const;
    double activation_slope(double z, double tau = 0) const;
    bool thresholds() const { return p_.epilogue == NORMLAB_ACTIVATION_THRESHOLD; }
    Values read_tau(const void* tau, const void* beta) const;
    double tau_of(const Values& tau, std::size_t i) const;
    Values slopes(const Values& hat, const BlockStatistics& s, const Values& gamma, const Values& beta,
                  const Values& tau) const;
    void sum_below(const Values& slopes, const Values& to_y, void* dtau) const;
    double added(double sum, double term) const;
    void write_gradient(void* to, std::int64_t k, double v, bool truncated) const;

    double divisor(double m, bool plain) const;
    double denominator(double var, double eps, double m) const;
    bool is_below_floor(double var) const;
    double x_hat_factor(double var) const;
    double inverse_root(double var, double factor, double m) const;
    BlockStatistics of_blocks(const Values& x) const;
    BlockStatistics given(const normlab_state& state, const Values& x) const;
    Running before(const normlab_state& state) const;
    void step(Running& running, const BlockStatistics& s, std::int64_t slice) const;
    bool steps(std::int64_t slice) const;
    void step_masked(Running& running, const BlockStatistics& s, std::int64_t slice, std::size_t c, double a) const;
    void correct(BlockStatistics& s, Running running) const;
    void move(const normlab_state& state, const BlockStatistics& s) const;
    void keep(const void* address, Values& gamma, Values& beta);
    double special(std::int64_t i, const BlockStatistics& s) const;
    Values x_hat(const Values& x, const BlockStatistics& s, double share_of_mean) const;
    struct Twice;  // what backward_backward has of one call
    void add_second(Twice& of, std::int64_t block) const;

    normlab_problem p_;
    Formula f_;
    std::int64_t N_, C_, S_, slice_, entries_;  // of gamma and beta
    DType dtype_, params_, sum_dtype_, cast_dtype_, y_dtype_;
    bool own_, renorm_, centred_;
    double eps_;
    Strides x_at_, y_at_, dy_at_, dx_at_, x_back_at_;
    // elements that a block's statistics apply to, and that they are summed over
    std::vector<Set> blocks_, sums_;
    std::vector<std::int64_t> block_;  // of each element
    std::vector<Set> whole_sums_;      // with a mask, of whose call sums_ then are
    std::vector<std::uint8_t> counts_, first_counts_;
    int threads_ = 1, forwards_ = 0;
    BlockStatistics first_;  // of the first forward
    // what a plan has no business to keep
    std::map<const void*, Values> gammas_;
    Values first_beta_, last_gamma_, last_tau_, first_v_, first_ds_;
};

/// Puts the next value, away from zero, in the place of element i.
void bump(void* data, DType dtype, std::int64_t i);

/// Rounded to a type of 16 bits, toward zero.
double toward_zero(double v, DType narrow);

/// While it lives, faults that this thread plants have this number in place of the table's.
class Strength {
public:
    explicit Strength(double number);
    ~Strength();
    Strength(const Strength&) = delete;
    Strength& operator=(const Strength&) = delete;
};

/// While it lives, layers that this thread makes round x_hat before gamma to this type in place of their data's: those
/// that give in f64 what a fault makes of 16 bits.
class CastType {
public:
    explicit CastType(DType dtype);
    ~CastType();
    CastType(const CastType&) = delete;
    CastType& operator=(const CastType&) = delete;
};

/// The table of a plug-in that computes with this fault; of the right one for null. Its name is faulty, or faulty_NAME.
const normlab_plugin& plugin_table(const Fault* fault);

}  // namespace normlab::verify::faults
