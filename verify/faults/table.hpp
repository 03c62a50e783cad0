#pragma once
// The faults, each at its least visible strength. One more: a row here and, if no number of Formula
// (fault.hpp) says it yet, one there and its use in layer.cpp. A row says which variants by their Spec: one more variant changes nothing here.

#include "norms/variants.hpp"
#include "verify/faults/fault.hpp"

namespace normlab::verify::faults {

// Variants by what they are, beside what norms/variants.hpp asks of a Spec.
inline bool everywhere(const Spec&) { return true; }
inline bool centred(const Spec& s) { return s.centred(); }
inline bool not_centred(const Spec& s) { return !s.centred(); }
inline bool of_means(const Spec& s) { return s.moments != Moments::norm; }   // weight norm has sums, and no eps
inline bool renorm(const Spec& s) { return s.correction == Correction::renorm; }
inline bool keeps_variance(const Spec& s) { return may_keep_state(s) && !renorm(s); }
inline bool by_batch(const Spec& s) { return may_keep_state(s) && s.block.samples; }
inline bool plain_by_batch(const Spec& s) { return by_batch(s) && !renorm(s); }
inline bool instances(const Spec& s) { return may_keep_state(s) && !s.block.samples; }
inline bool by_sample(const Spec& s) { return !s.block.samples; }
inline bool across_samples(const Spec& s) { return s.block.samples; }
inline bool over_channels(const Spec& s) { return s.block.channels; }        // gamma varies within a block
inline bool over_positions(const Spec& s) { return s.block.positions; }

inline constexpr Fault table[] = {
    // each term of the formulas
    {"mean_scaled", "the mean 1 % too large", Kind::term, centred, Pass::forward, When::train, &Formula::mean, 1.01},
    {"var_scaled", "the variance 1 % too large", Kind::term, everywhere, Pass::forward, When::train, &Formula::var, 1.01},
    {"mean_removed", "1 % of the mean is removed where none is to be", Kind::term, not_centred, Pass::forward, When::train, &Formula::kept_mean, .01},
    {"x_hat_scaled", "x_hat 1 % too large in y", Kind::term, everywhere, Pass::forward, When::always, &Formula::x_hat, 1.01},
    {"beta_twice", "beta added twice", Kind::term, everywhere, Pass::forward, When::always, &Formula::beta, 2},
    {"beta_forgotten", "beta not added", Kind::term, everywhere, Pass::forward, When::always, &Formula::beta, 0},
    {"beta_scaled", "beta 1 % too large", Kind::term, everywhere, Pass::forward, When::always, &Formula::beta, 1.01},
    {"gamma_last_channel", "gamma of the last channel 1 % too large in y", Kind::term, everywhere, Pass::forward, When::always, &Formula::last_gamma, 1.01},
    {"dx_scaled", "dx 1 % too large", Kind::term, everywhere, Pass::backward, When::always, &Formula::dx, 1.01},
    {"dx_last_channel", "dx of the last channel 1 % too large", Kind::term, everywhere, Pass::backward, When::always, &Formula::last_dx, 1.01},
    {"g_scaled", "the term g of dx 1 % too large", Kind::term, everywhere, Pass::backward, When::train, &Formula::g, 1.01},
    {"mean_g_missing", "dx without mean(g)", Kind::term, centred, Pass::backward, When::train, &Formula::mean_g, 0},
    {"mean_g_scaled", "mean(g) in dx 1 % too large", Kind::term, centred, Pass::backward, When::train, &Formula::mean_g, 1.01},
    {"mean_g_sign", "mean(g) in dx with the wrong sign", Kind::term, centred, Pass::backward, When::train, &Formula::mean_g, -1},
    {"x_hat_term_missing", "dx without x_hat mean(g x_hat)", Kind::term, everywhere, Pass::backward, When::train, &Formula::x_hat_term, 0},
    {"x_hat_term_scaled", "x_hat mean(g x_hat) in dx 1 % too large", Kind::term, everywhere, Pass::backward, When::train, &Formula::x_hat_term, 1.01},
    {"x_hat_term_sign", "x_hat mean(g x_hat) in dx with the wrong sign", Kind::term, everywhere, Pass::backward, When::train, &Formula::x_hat_term, -1},
    {"means_over_m_minus_1", "the means in dx divided by m - 1", Kind::term, of_means, Pass::backward, When::train, &Formula::means_ddof, 1},
    {"gamma_forgotten_in_g", "gamma forgotten in g", Kind::term, everywhere, Pass::backward, When::always, &Formula::gamma_in_g, 0},
    {"gamma_after_means", "gamma multiplied after the means of dx", Kind::term, over_channels, Pass::backward, When::train, &Formula::gamma_after_means, 1},
    {"dgamma_scaled", "dgamma 1 % too large", Kind::term, everywhere, Pass::backward, When::always, &Formula::dgamma, 1.01},
    {"dgamma_not_centred", "dgamma with 99 % of the mean removed", Kind::term, centred, Pass::backward, When::always, &Formula::dgamma_mean, .99},
    {"dgamma_of_g", "dgamma from gamma dy", Kind::term, everywhere, Pass::backward, When::always, &Formula::dgamma_of_g, 1},
    {"dgamma_last_channel", "dgamma of the last channel 1 % too large", Kind::term, everywhere, Pass::backward, When::always, &Formula::last_dgamma, 1.01},
    {"dgamma_last_sample", "the last sample left out of dgamma", Kind::term, everywhere, Pass::backward, When::always, &Formula::last_sample_dgamma, 0},
    {"dbeta_scaled", "dbeta 1 % too large", Kind::term, everywhere, Pass::backward, When::always, &Formula::dbeta, 1.01},
    {"dbeta_sign", "dbeta with the wrong sign", Kind::term, everywhere, Pass::backward, When::always, &Formula::dbeta, -1},
    {"dbeta_of_g", "dbeta from gamma dy", Kind::term, everywhere, Pass::backward, When::always, &Formula::dbeta_of_g, 1},
    {"dbeta_last_sample", "the last sample left out of dbeta", Kind::term, everywhere, Pass::backward, When::always, &Formula::last_sample_dbeta, 0},
    {"eval_mean_terms", "1 % of the mean terms in evaluation's dx", Kind::term, may_keep_state, Pass::backward, When::eval, &Formula::eval_means, .01},
    // eps
    {"eps_outside", "eps outside the root: sqrt(var) + eps", Kind::eps, of_means, Pass::forward, When::always, &Formula::eps_outside, 1},
    {"eps_root_outside", "sqrt(var) + sqrt(eps)", Kind::eps, of_means, Pass::forward, When::always, &Formula::eps_outside, 2},
    {"eps_as_maximum", "sqrt(max(var, eps))", Kind::eps, of_means, Pass::forward, When::always, &Formula::eps_outside, 3},
    {"eps_dropped", "eps forgotten", Kind::eps, of_means, Pass::forward, When::always, &Formula::eps, 0},
    {"eps_times_10", "eps ten times too large", Kind::eps, of_means, Pass::forward, When::always, &Formula::eps, 10},
    {"eps_times_2", "eps added twice", Kind::eps, of_means, Pass::forward, When::always, &Formula::eps, 2},
    {"eps_clamped", "eps no smaller than 1e-5", Kind::eps, everywhere, Pass::forward, When::always, &Formula::least_eps, 1e-5},
    {"eps_in_f16", "eps rounded to f16", Kind::eps, of_means, Pass::forward, When::always, &Formula::eps_in_f16, 1},
    {"eval_eps_dropped", "eps forgotten in evaluation", Kind::eps, keeps_variance, Pass::forward, When::eval, &Formula::eval_eps, 0},
    {"running_eps", "eps in the running variance", Kind::eps, keeps_variance, Pass::forward, When::train, &Formula::running_eps, 1},
    // biased, unbiased
    {"var_unbiased", "normalised by the unbiased variance", Kind::bias, centred, Pass::forward, When::train, &Formula::ddof, 1},
    {"running_var_biased", "a biased running variance where an unbiased one is kept", Kind::bias, keeps_variance, Pass::forward, When::train, &Formula::bessel, 0},
    {"running_var_unbiased", "an unbiased running variance where a biased one is kept", Kind::bias, may_keep_state, Pass::forward, When::train, &Formula::bessel, 2},
    {"bessel_of_samples", "N / (N - 1) for the running variance, not of all N S elements", Kind::bias, plain_by_batch, Pass::forward, When::train, &Formula::bessel, 3},
    // running statistics
    {"momentum_reversed", "momentum weighs the old value", Kind::running, may_keep_state, Pass::forward, When::train, &Formula::momentum_reversed, 1},
    {"momentum_scaled", "momentum 1 % too large", Kind::running, may_keep_state, Pass::forward, When::train, &Formula::momentum, 1.01},
    {"cumulative_count", "the cumulative average's count one ahead", Kind::running, may_keep_state, Pass::forward, When::train, &Formula::count_ahead, 1},
    {"count_unmoved", "the count of updates does not move", Kind::running, may_keep_state, Pass::forward, When::train, &Formula::count_steps, 0},
    {"count_of_calls", "the count moves once a call, not once a normalisation batch", Kind::running, by_batch, Pass::forward, When::train, &Formula::count_once, 1},
    {"running_last_sample", "running statistics of the last sample alone", Kind::running, instances, Pass::forward, When::train, &Formula::last_sample_only, 1},
    {"eval_batch_mean", "1 % of the batch's mean in evaluation", Kind::running, may_keep_state, Pass::forward, When::eval, &Formula::eval_batch_mean, .01},
    {"eval_moves_state", "evaluation moves the running mean by 1e-6 of itself", Kind::running, may_keep_state, Pass::forward, When::eval, &Formula::eval_moves_state, 1e-6},
    // Saved
    {"saved_shared", "backward reads what the last forward of all left", Kind::saved, everywhere, Pass::backward, When::always, &Formula::saved_shared, 1},
    {"saved_stale", "a plan keeps the statistics of its first forward", Kind::saved, everywhere, Pass::forward, When::always, &Formula::saved_stale, 1},
    {"saved_var_eps", "eps in the saved variance", Kind::saved, of_means, Pass::forward, When::train, &Formula::saved_var_eps, 1},
    {"saved_var_unbiased", "the saved variance is unbiased", Kind::saved, centred, Pass::forward, When::train, &Formula::saved_var_ddof, 1},
    // axes and boundaries
    {"samples_pooled", "one statistic for all samples", Kind::axis, by_sample, Pass::forward, When::train, &Formula::samples_pooled, 1},
    {"first_sample", "the statistics of the first sample for the batch", Kind::axis, across_samples, Pass::forward, When::train, &Formula::first_sample, 1},
    {"last_position", "sums end one position short", Kind::axis, over_positions, Pass::forward, When::train, &Formula::last_position, 0},
    {"group_boundary", "the first channel of the second group counted in the first", Kind::axis, is_by_group, Pass::forward, When::train, &Formula::group_boundary, 1},
    {"gamma_by_group", "gamma by group, not by channel", Kind::axis, is_by_group, Pass::forward, When::always, &Formula::gamma_by_group, 1},
    // layouts
    {"x_layout", "x read channels first in channels-last", Kind::layout, everywhere, Pass::forward, When::always, &Formula::x_layout, 1},
    {"dy_layout", "dy read channels first in channels-last", Kind::layout, everywhere, Pass::backward, When::always, &Formula::dy_layout, 1},
    {"gamma_layout", "gamma indexed channels first in channels-last", Kind::layout, everywhere, Pass::forward, When::always, &Formula::gamma_layout, 1},
    {"index_wraps", "indices wrap at 65536 (a 32-bit index, made small)", Kind::layout, everywhere, Pass::forward, When::always, &Formula::index_modulus, 65536},
    // sizes
    {"tail_4", "y 1 % off in the tail of blocks that 4 does not divide", Kind::tail, everywhere, Pass::forward, When::always, &Formula::tail, 4},
    {"tail_8", "likewise 8", Kind::tail, everywhere, Pass::forward, When::always, &Formula::tail, 8},
    {"tail_16", "likewise 16", Kind::tail, everywhere, Pass::forward, When::always, &Formula::tail, 16},
    {"tail_32", "likewise 32", Kind::tail, everywhere, Pass::forward, When::always, &Formula::tail, 32},
    {"padding_counted", "zeros that pad a block to a multiple of 4 counted in the variance", Kind::tail, centred, Pass::forward, When::train, &Formula::padding, 4},
    // precision
    {"one_pass_variance", "variance as mean of squares less square of mean, in f64", Kind::precision, centred, Pass::forward, When::train, &Formula::one_pass, 1},
    {"sums_in_f32", "statistics of f32 and 16-bit data summed in f32, declared f64", Kind::precision, everywhere, Pass::forward, When::train, &Formula::sums_in, 1},
    {"sums_in_16_bits", "statistics of 16-bit data summed in 16 bits", Kind::precision, everywhere, Pass::forward, When::train, &Formula::sums_in, 2},
    {"dgamma_in_bf16", "dgamma of bf16 data summed in bf16", Kind::precision, everywhere, Pass::backward, When::always, &Formula::dgamma_in_bf16, 1},
    {"mean_in_f32", "the mean rounded to f32, declared f64", Kind::precision, centred, Pass::forward, When::train, &Formula::mean_in_f32, 1},
    {"rstd_in_f32", "rstd rounded to f32, declared f64", Kind::precision, everywhere, Pass::forward, When::train, &Formula::rstd_in_f32, 1},
    {"dx_in_bf16", "f32 dx rounded to bf16 on its way", Kind::precision, everywhere, Pass::backward, When::always, &Formula::dx_in_bf16, 1},
    {"truncates", "16-bit y truncated, not rounded", Kind::precision, everywhere, Pass::forward, When::always, &Formula::truncates, 1},
    // batch renorm
    {"r_d_not_frozen", "inside their limits r and d are differentiated", Kind::renorm, renorm, Pass::backward, When::train, &Formula::frozen, 0},
    {"r_d_from_updated", "r and d from the updated running statistics", Kind::renorm, renorm, Pass::forward, When::train, &Formula::updated_first, 1},
    {"r_forgotten_in_dx", "r forgotten in dx", Kind::renorm, renorm, Pass::backward, When::train, &Formula::r_in_dx, 0},
    {"d_forgotten", "d forgotten in y", Kind::renorm, renorm, Pass::forward, When::train, &Formula::d, 0},
    {"d_forgotten_in_dgamma", "d forgotten in dgamma", Kind::renorm, renorm, Pass::backward, When::train, &Formula::d_in_dgamma, 0},
    {"r_lower_limit", "r without its lower limit", Kind::renorm, renorm, Pass::forward, When::train, &Formula::r_low, 0},
    {"d_lower_limit", "d without its lower limit", Kind::renorm, renorm, Pass::forward, When::train, &Formula::d_low, 0},
    {"renorm_affine_first", "gamma and beta before r and d", Kind::renorm, renorm, Pass::forward, When::train, &Formula::affine_first, 1},
    {"renorm_eps_dropped", "eps forgotten in sigma_B for r", Kind::renorm, renorm, Pass::forward, When::train, &Formula::renorm_eps, 0},
    {"sigma_as_variance", "the running sigma moved as a variance", Kind::renorm, renorm, Pass::forward, When::train, &Formula::sigma_as_variance, 1},
    // promises: bits and memory
    {"order", "the first block's result is one ulp off: it depends on its place", Kind::promise, everywhere, Pass::forward, When::always, &Formula::order, 1},
    {"batch_size", "one ulp off for more than 200 samples", Kind::promise, everywhere, Pass::forward, When::always, &Formula::batch_size, 1},
    {"threads", "one ulp off with 3 threads", Kind::promise, everywhere, Pass::forward, When::always, &Formula::threads, 1},
    {"misaligned", "one ulp off where x is not aligned to 16 bytes", Kind::promise, everywhere, Pass::forward, When::always, &Formula::misaligned, 1},
    {"in_place", "one ulp off in place", Kind::promise, everywhere, Pass::forward, When::always, &Formula::in_place, 1},
    {"second_call", "one ulp off on a plan's second forward", Kind::promise, everywhere, Pass::forward, When::always, &Formula::second_call, 1},
    {"masked_gradients", "dx one ulp off where dgamma is not asked for", Kind::promise, everywhere, Pass::backward, When::always, &Formula::masked, 1},
    {"last_unwritten", "the last element of y is not written", Kind::promise, everywhere, Pass::forward, When::always, &Formula::last_unwritten, 1},
    {"dgamma_added", "dgamma is added to what was there", Kind::promise, everywhere, Pass::backward, When::always, &Formula::adds_dgamma, 1},
    {"past_end", "one element past the end of y is written where the size is odd", Kind::promise, everywhere, Pass::forward, When::always, &Formula::past_end, 1},
    {"x_modified", "forward writes to x", Kind::promise, everywhere, Pass::forward, When::always, &Formula::writes_x, 1},
    {"dy_modified", "backward writes to dy", Kind::promise, everywhere, Pass::backward, When::always, &Formula::writes_dy, 1},
    {"saved_modified", "backward writes to the saved rstd", Kind::promise, everywhere, Pass::backward, When::always, &Formula::writes_saved, 1},
    // some inputs alone
    {"one_sample", "y 1 % too large for N = 1", Kind::special, everywhere, Pass::forward, When::always, &Formula::one_sample, 1.01},
    {"one_channel", "y 1 % too large for C = 1", Kind::special, everywhere, Pass::forward, When::always, &Formula::one_channel, 1.01},
    {"one_position", "y 1 % too large for S = 1", Kind::special, everywhere, Pass::forward, When::always, &Formula::one_position, 1.01},
    {"constant_input", "dx = 0 for a block of equal values", Kind::special, centred, Pass::forward, When::train, &Formula::constant, 1},
    {"large_mean", "y 1 % too large where the mean is above 1000 sigma", Kind::special, centred, Pass::forward, When::train, &Formula::large_mean, 1.01},
    {"small_x", "values below 1e-6 taken for 0", Kind::special, everywhere, Pass::forward, When::always, &Formula::small_x, 1e-6},
    {"absent_gamma", "an absent gamma taken for 1.01", Kind::special, everywhere, Pass::forward, When::always, &Formula::absent_gamma, 1.01},
    {"absent_beta", "an absent beta taken for 0.01", Kind::special, everywhere, Pass::forward, When::always, &Formula::absent_beta, .01},
    {"nan_as_zero", "a NaN in x taken for 0", Kind::special, everywhere, Pass::forward, When::always, &Formula::nan_as_zero, 1},
    {"nan_leaks", "a NaN in x spoils the first and the last element of y", Kind::special, everywhere, Pass::forward, When::always, &Formula::nan_leaks, 1},
    {"one_y_of_4096", "one element of 4096 of y off by 1e-3", Kind::special, everywhere, Pass::forward, When::always, &Formula::one_y, 1e-3},
    {"one_dx_of_4096", "one element of 4096 of dx off by 1e-3", Kind::special, everywhere, Pass::backward, When::always, &Formula::one_dx, 1e-3},
};
inline constexpr std::size_t count = std::size(table);

/// Throws Error naming the nearest.
const Fault& find(std::string_view name);

}  // namespace normlab::verify::faults
