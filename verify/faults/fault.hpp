#pragma once
// Planted faults as data: the formulas of norms/plugin.h with a number in each place where a fault can sit, and a table
// in which each fault changes one of them.

#include <string>
#include <string_view>

#include "norms/spec.hpp"

namespace normlab::verify::faults {

/// As they stand these numbers are right. Factors are 1; what is only sometimes done is 0, or the value that switches
/// it on.
struct Formula {
    // statistics of a block
    double mean = 1, var = 1;
    double kept_mean = 0;       ///< share of the mean that is removed where none is to be
    double ddof = 0;            ///< var = sum (x - mean)^2 / (m - ddof)
    double padding = 0;         ///< blocks are padded with zeros to a multiple of this, and the zeros counted in var
    double one_pass = 0;        ///< var = mean of x^2 - mean^2
    double samples_pooled = 0;  ///< statistics of all samples together, where each has its own
    double first_sample = 0;    ///< statistics of the first sample alone, where samples share them
    double last_position = 1;   ///< whether sums reach the last position
    double group_boundary = 0;  ///< the first channel of a group is counted in the group before
    // eps
    double eps = 1, eval_eps = 1;
    double least_eps = 0, eps_in_f16 = 0;
    double zero_at_eps = 0;          ///< rstd is 0 where the variance is eps
    double zero_at_no_variance = 0;  ///< in evaluation rstd is 0 where the running variance is 0
    double eps_outside = 0;          ///< 1: sqrt(var) + eps; 2: sqrt(var) + sqrt(eps); 3: sqrt(max(var, eps))
    double eps_of_sum = 0;           ///< eps is added to the sum of squares, before it is divided
    // other denominators and divisors
    double floor = 1;              ///< 0: none; 2: eps is added in its place
    double floor_of_square = 0;    ///< the floor of the root is compared with its square
    double floor_of_root = 0;      ///< the floor of the square is compared with its root
    double floor_term = 0;         ///< share of x_hat's term in dx below the floor
    double floor_dx = 1;           ///< factor of dx there
    double floor_mixed_in_dx = 0;  ///< dx compares the length where the square is meant, and the other way round
    double floor_by_size = 0;      ///< eps is multiplied by the size of a block where sums are not divided by it
    double added_inside = 0;       ///< sqrt(var + eps) where eps is added to the root
    double added_term = 1;         ///< 0: dx as if eps were inside the root
    double plain_var = 0, plain_means = 0;  ///< divided by the size of a block, whatever is asked for
    // y
    double x_hat = 1, gamma = 1, beta = 1, last_gamma = 1, absent_gamma = 1, absent_beta = 0;
    double gamma_by_group = 0, affine_first = 0;  ///< affine_first: (gamma x_hat + beta) r + d
    double offset = 1, offset_in_g = 1, offset_in_second = 1, offset_of_absent = 0,
           factor_in_16_bits = 0;  ///< of a gamma stored less it
    // before the norm
    double residual = 1;                       ///< its factor in the sum
    double residual_after = 0, norm_of_x = 0;  ///< y = norm(x) + residual; y = norm(x)
    double s_is_x = 0;
    double rounds_stored = 1, rounds_wide = 0;  ///< whether statistics see the sum as it is stored
    double s_in_16_bits = 0, s_truncated = 0;
    double ds = 1, absent_ds = 0;
    double ds_in_d_residual = 1, dx_in_d_residual = 1, d_residual = 1;
    double d_residual_in_16_bits = 0;
    double ds_kept = 0;           ///< a plan keeps the ds of its first backward
    double d_residual_alone = 0;  ///< one ulp off where dx is not asked for
    double s_unwritten = 0, s_in_place = 0, writes_residual = 0;
    // the rounding of x_hat before gamma
    double casts = 1;             ///< 0: none
    double casts_unasked = 0;     ///< also where y alone is to be rounded
    double cast_of_product = 0;   ///< gamma x_hat is rounded
    double cast_before_r = 0;     ///< x_hat is, then corrected by r and d
    double cast_truncated = 0;    ///< toward zero
    double cast_f16_in_bf16 = 0;  ///< of f16 data to bf16
    double cast_in_dx = 0, cast_in_dgamma = 0;
    // what a mask leaves out
    double mask_in_m = 0, mask_in_means = 0;  ///< its share of m: of the statistics; of the means of dx alone
    double mask_in_bessel = 0;                ///< its share of m in the running variance's m / (m - 1)
    double mask_times_0 = 0;                  ///< sums have 0 times its x
    double mask_y_is_beta = 0, mask_keeps_dx = 0, mask_in_dbeta = 0;  ///< its share of dx, and of dbeta
    double mask_moves_state = 0;  ///< the running mean moves where nothing is left of a block
    double mask_counts_steps = 0;
    double mask_unread_in_eval = 0, mask_of_ones = 0;  ///< all counts where statistics are given; 1 alone counts
    double mask_kept = 0;                              ///< a plan keeps its first mask
    // a threshold
    double threshold = 1, dtau = 1;                           ///< factors of tau and of dtau
    double threshold_passes = 0, threshold_in_dtau = 0;       ///< shares of dy: below tau in dz, above it in dtau
    double threshold_of_masked = 0;                           ///< the same in dtau, of what a mask leaves out
    double threshold_of_next = 0, threshold_before_beta = 0;  ///< the next entry's tau; max(gamma x_hat, tau) + beta
    double threshold_is_beta = 0;                             ///< and beta is the threshold
    double threshold_below_tie = 0;                           ///< dz = 0 where z is tau
    double threshold_last_sample = 1;                         ///< factor of the last sample in dtau
    double dtau_by_channel = 0;                               ///< an entry sums over the whole channel
    double threshold_drops_nan = 0;
    double threshold_of_forward = 0;  ///< backward uses the tau that forward had
    double threshold_in_16_bits = 0;  ///< tau is rounded to bf16
    // statistics of a part
    double part_in_m = 0, part_in_means = 0;  ///< share of the other elements in k: of the variance; of dx alone
    double part_floor = 0, part_last = 0;     ///< k is rounded down; the last k elements
    double part_in_memory = 0;                ///< the first k as they lie
    double part_of_whole = 0;                 ///< k is of all elements of a block, whatever a mask leaves
    double part_in_others = 0;                ///< share of x_hat's term in dx of the other elements
    double part_sum_lost = 0;                 ///< share of the other elements that the sum of g x_hat lacks
    // y of another type than the data
    double output_in_bf16 = 0;      ///< rounded to bf16 first
    double output_truncated = 0;    ///< to 8 bits, toward zero
    double output_unsaturated = 0;  ///< an infinity, or NaN, beyond the largest number
    double largest_exchanged = 0;   ///< the scale is of the other type's largest
    double scale_of_block_before = 0;
    double scale_inverted = 0;      ///< 1 / scale is returned where scale is to be, and the other way round
    double amax_of_half = 0;        ///< of the first half of what uses the scale
    double amax_signed = 0;         ///< the largest y, not |y|
    double scale_floor = 1;         ///< 0: none
    double power_of_two_below = 0;  ///< rounded down
    double scale_in_bf16 = 0;       ///< one that is given is rounded to bf16
    // behind the norm
    double activates = 1;         ///< 0: y = z
    double activates_first = 0;   ///< x_hat is activated, then multiplied by gamma
    double activation_slope = 1;  ///< 0: dz = dy
    double slope_at_y = 0;        ///< act' is taken at y
    double gelu_exchanged = 0;    ///< gelu's two forms
    double relu_slope_at_0 = 0;
    double relu_drops_nan = 0;         ///< as fmax does
    double exponential_overflows = 0;  ///< z e / (1 + e) with e in float
    double infinite_z = 0;             ///< z beyond float's range is an infinity, and multiplied by 0
    double z_in_16_bits = 0;
    double beta_in_z = 1;    ///< of the z that backward forms
    double dbeta_of_dy = 0;  ///< dbeta sums dy, not dz
    // entries of gamma and beta, where they are not one a channel
    double entries_transposed = 0;                                       ///< [S, C] for [C, S], [C, N] for [N, C]
    double entries_in_memory = 0;                                        ///< likewise, where the data are channels last
    double group_by_modulus = 0;                                         ///< c % G for c / (C / G)
    double gamma_of_first_sample = 0;                                    ///< gamma and beta of sample 0, for all
    double gamma_of_channel_n = 0;                                       ///< of channel n % C, for c
    double gamma_by_channel = 0, beta_by_channel = 0, g_by_channel = 0;  ///< read at the channel
    double dgamma_by_channel = 0, dbeta_by_channel = 0;                  ///< an entry sums over the whole channel
    double entries_unwritten = 0;                                        ///< of dgamma, beyond a multiple of 4
    // backward
    double dx = 1, g = 1, mean_g = 1, kept_mean_g = 0, x_hat_term = 1, gamma_in_g = 1, gamma_after_means = 0,
           means_ddof = 0, last_dx = 1, eval_means = 0;
    double first_dx = 1;          ///< of the first element alone
    double offset_in_dgamma = 0;  ///< the gradient is multiplied by it too
    double dgamma = 1, dgamma_mean = 1, dgamma_of_g = 0, last_dgamma = 1, last_sample_dgamma = 1;
    double dbeta = 1, dbeta_of_g = 0, last_sample_dbeta = 1;
    // batch renorm
    double frozen = 1, updated_first = 0, r_in_dx = 1, d_in_dgamma = 1, d = 1, r_low = 1, d_low = 1, renorm_eps = 1;
    // running statistics
    /// 0: never; 2: also where a biased variance is kept; 3: of the samples, not of all elements
    double bessel = 1;
    double momentum = 1, momentum_reversed = 0, count_ahead = 0, count_steps = 1, count_once = 0, last_sample_only = 0,
           running_eps = 0, sigma_as_variance = 0;
    double eval_batch_mean = 0, eval_moves_state = 0, eval_of_last_batch = 0, momentum_of_last = 0;
    // Saved
    double saved_shared = 0, saved_stale = 0, saved_var_eps = 0, saved_var_ddof = 0;
    // layouts and indices
    double x_layout = 0, dy_layout = 0, gamma_layout = 0, index_modulus = 0;
    // strides
    double dense_samples = 0, dense_channels = 0;    ///< x read as if samples, or channels, touched
    double dense_positions = 0;                      ///< backward reads x as if positions touched
    double dense_dx = 0;                             ///< dx written as if samples touched
    double y_as_x = 0, dx_as_dy = 0;                 ///< with the strides of another tensor
    double expanded_as_dense = 0;                    ///< dy read as if it were stored whole
    double expanded_once = 0;                        ///< dbeta sums an expanded dy where it is stored alone
    double expanded_twice = 0;                       ///< dbeta sums its first element along each axis twice
    double gap_in_statistics = 0, gap_in_dbeta = 0;  ///< for the last element of the first row, what lies behind it
    double gap_written = 0;                          ///< y is written to there, too
    // ends of blocks
    double tail = 0;  ///< y of the last m % tail elements of a block is 1 % too large
    // right up to some size
    double long_tail = 0;      ///< as tail, of blocks of more than 4096 elements
    double tail_lost = 0;      ///< sums of blocks of more than 4096 elements leave out the last m % tail_lost
    double rows_by = 0;        ///< dgamma and dbeta of more than this many samples leave out the last N % rows_by
    double most_rows = 0;      ///< y of further samples is 0
    double gamma_modulus = 0;  ///< gamma of channel c % gamma_modulus
    double count_modulus = 0;  ///< the number of elements of a block is counted modulo this
    double long_ddof = 0;      ///< as ddof, of blocks of more than 1024 elements
    double long_biased = 0;    ///< the running variance of blocks of more than 1024 elements is not unbiased
    double rare_y = 0;         ///< what one element of 100003 is off by, relatively
    // precision
    /// a DType that sums of statistics are rounded to: 1 f32 (all but f64 data), 2 the data's own 16 bits
    double sums_in = 0;
    double largest_var_f16 = 0, dbeta_in_f16 = 0;  ///< of f16 data
    double dgamma_in_bf16 = 0, mean_in_f32 = 0, rstd_in_f32 = 0, dx_in_bf16 = 0, truncates = 0;
    // parameters of 16 bits
    double dgamma_in_params = 0, dbeta_in_params = 0;  ///< summed in their own type
    double dgamma_truncated = 0;                       ///< rounded toward zero
    double gradients_saturate = 0;                     ///< the largest number of the type stands for what is beyond it
    double params_of_other_type = 0;                   ///< bf16 read as f16, and the other way round
    // promises
    /// 1: the first result is one ulp off there
    double order = 0, batch_size = 0, threads = 0, misaligned = 0, in_place = 0, second_call = 0, masked = 0;
    double last_unwritten = 0, adds_dgamma = 0, past_end = 0, writes_x = 0, writes_dy = 0, writes_saved = 0;
    // some inputs alone
    double one_sample = 1, one_channel = 1, one_position = 1, large_mean = 1;  ///< factors of y there
    double constant = 0, small_x = 0, nan_as_zero = 0, nan_leaks = 0;
    double nan_var_as_zero = 0;                           ///< of more than 255 blocks, as fmax makes it
    double zero_gamma_hides = 0;                          ///< y = beta where gamma is 0, whatever x is
    double one_y = 0, one_dx = 0;                         ///< what one element of 4096 is off by, relatively
    double flushed_x = 0, flushed_y = 0, flushed_dx = 0;  ///< subnormal numbers are taken for 0, or written as 0
    double hat_from_y = 0;  ///< backward has x_hat from y, rounded to the parameters' type
    // kept too long
    double gamma_by_address = 0, beta_kept = 0, gamma_of_forward = 0, state_kept = 0;
    // in some calls only
    double lost_update = 0;   ///< from so many threads on, and beyond 4096 samples, the last is left out of dgamma
    double rare_forward = 0;  ///< every so many forwards of a plan the first result is one ulp off
    // where two things meet
    double count_in_32_bits = 0, count_in_f32 = 0, eval_batch_at_0 = 0;
    double absent_beta_one_channel = 0, one_sample_dgamma_alone = 1, one_channel_dx_in_place = 1;
    // at some sizes and settings alone
    double y_of_768 = 1;          ///< factor of y of blocks of 768 elements
    double y_of_equal = 1;        ///< factor of y where there are as many samples as channels, and more than 8
    double y_of_one_slice = 1;    ///< factor of y where slices have one sample
    double half_tile_dgamma = 1;  ///< share of the last sample in dgamma where N % 32 = 16, beyond 32
    double dbeta_alone = 1;     ///< share of the last sample in dbeta where dgamma is not asked for, beyond 64 samples
    double own_eval_means = 1;  ///< the means of dx in evaluation with the input's own statistics
    double gamma_by_ends = 0;   ///< gamma is read again if its first or last value has changed
    double nan_gamma = 0;       ///< NaN in gamma is taken for 1
    double constant_kept = 0;   ///< a constant block does not move the running statistics
    double odd_threads = 0;     ///< the first result is one ulp off on 5, 6 or 7 threads
    // double backward, with the letters of norms/plugin.h
    double ddx = 1, ddy = 1, ddgamma = 1;
    double mean_v = 1, along_v = 1;  ///< in P(v): mean(v), and x_hat (1/q) sum v x_hat
    double mean_h = 1, along_h = 1;  ///< in P(h)
    double g_in_h = 1, v_in_h = 1;   ///< the two products of h
    double rstd_term = 1;            ///< of ddx: what comes through rstd
    double means_of_rstd_term = 1;   ///< mean(g) mean(v) in it
    double u_in_ddy = 1, u_in_ddx = 1, w_in_ddy = 1, P_in_ddgamma = 1, gamma_in_ddy = 1;
    double twice_ddof = 0;         ///< its means are divided by m - this
    double twice_eval_means = 0;   ///< it treats given statistics as the batch's own
    double twice_train_given = 0;  ///< or the batch's own as given
    double r_in_second = 1, d_in_ddy = 1;
    double slope_in_second = 1, slope_moves = 1;  ///< of eps added to the deviation: its slope, and what x makes of it
    double last_sample_ddgamma = 1, ddgamma_by_gamma = 0, absent_v = 0, absent_u = 0;
    double v_kept = 0;                                      ///< a plan keeps the v of its first double backward
    double ddx_alone = 0, ddy_unwritten = 0, writes_v = 0;  ///< ddx_alone: one ulp off where ddgamma is not asked for
};

enum class Kind { term, eps, bias, running, saved, axis, layout, tail, precision, renorm, promise, special, strides };
std::string_view name_of(Kind kind);

/// Which variants a fault can show in: by what they are.
using Variants = bool (*)(const Spec&);

enum class Pass { forward, backward };  ///< where the wrong line is
/// train: where statistics are the input's own; eval: where they come from State
enum class When { always, train, eval };

struct Fault {
    std::string_view name, description;
    Kind kind;
    Variants variants;  ///< those it can show in
    Pass pass;
    When when;
    double Formula::*number;
    double wrong;
    std::int64_t beyond = 0;  ///< elements of a tensor up to which it cannot show

    /// Whether it can show in this problem.
    bool shows_in(const Problem& problem) const;
    /// Whether the outputs have one value that says it: no promise is broken, no rounding is in question, and no
    /// earlier call decides.
    bool has_values() const {
        return kind != Kind::precision && kind != Kind::promise && kind != Kind::strides &&
               number != &Formula::saved_shared && number != &Formula::saved_stale;
    }
    /// The formulas with it.
    Formula formula() const;
};

/// The names of those variants, comma separated; "all".
std::string variants_text(Variants variants);

}  // namespace normlab::verify::faults
