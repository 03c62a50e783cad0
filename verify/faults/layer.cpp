#include "verify/faults/layer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <set>

#include "norms/element.hpp"

namespace normlab::verify::faults {

void bump(void* data, DType d, std::int64_t i) {
    const std::size_t bytes = size_of(d);
    std::uint64_t bits = 0;  // little-endian, as every machine this runs on
    std::memcpy(&bits, static_cast<std::byte*>(data) + static_cast<std::size_t>(i) * bytes, bytes);
    ++bits;
    std::memcpy(static_cast<std::byte*>(data) + static_cast<std::size_t>(i) * bytes, &bits, bytes);
}

namespace {

std::size_t index(std::int64_t i) { return static_cast<std::size_t>(i); }
DType dtype_of(std::int32_t code) { return std::ranges::find(dtype_table, code, &DTypeRow::plugin_code)->type; }

std::int64_t entries_of(const normlab_problem& p) {
    switch (p.affine_set) {
        case NORMLAB_AFFINE_ELEMENT: return p.C * p.S;
        case NORMLAB_AFFINE_SAMPLE_CHANNEL: return p.N * p.C;
        case NORMLAB_AFFINE_GROUP: return p.groups;
        default: return p.C;
    }
}

DType output_of(const normlab_problem& p, DType data) {
    switch (p.output) {
        case NORMLAB_OUTPUT_F32: return DType::f32;
        case NORMLAB_OUTPUT_E4M3: return DType::e4m3;
        case NORMLAB_OUTPUT_E5M2: return DType::e5m2;
        default: return data;
    }
}

thread_local std::vector<double> last_mean, last_rstd;  // of the last forward of all: what saved_shared reads
thread_local bool last_trained = false;                 // it was in training
thread_local std::optional<DType> cast_type;

}  // namespace

CastType::CastType(DType dtype) { cast_type = dtype; }
CastType::~CastType() { cast_type.reset(); }

FaultyLayer::FaultyLayer(const normlab_problem& p, const Formula& f)
    : p_(p), f_(f), N_(p.N), C_(p.C), S_(p.S), slice_(p.stat_batch ? p.stat_batch : p.N), entries_(entries_of(p)),
      dtype_(dtype_of(p.dtype)), params_(p.param_dtype == 0 ? arithmetic_dtype(dtype_) : dtype_of(p.param_dtype - 1)),
      sum_dtype_(p.residual_dtype == 0 ? dtype_ : dtype_of(p.residual_dtype - 1)),
      cast_dtype_(cast_type.value_or(dtype_)), y_dtype_(output_of(p, dtype_)),
      own_(p.mode == NORMLAB_TRAIN || p.running == NORMLAB_RUNNING_NONE),
      renorm_(p.correction == NORMLAB_RENORM && p.mode == NORMLAB_TRAIN), centred_(p.moments == NORMLAB_CENTRED),
      eps_(std::max(f.eps_in_f16 != 0 ? rounded(p.eps, DType::f16) : p.eps, f.least_eps)) {
    const auto of = [](const std::int64_t(&strides)[3]) { return Strides{strides[0], strides[1], strides[2]}; };
    const Strides dense = p.layout == NORMLAB_CHANNELS_FIRST ? Strides{C_ * S_, S_, 1} : Strides{C_ * S_, 1, C_};
    x_at_ = x_back_at_ = of(p.x_strides), y_at_ = of(p.y_strides), dy_at_ = of(p.dy_strides), dx_at_ = of(p.dx_strides);
    if (f.y_as_x != 0) y_at_ = x_at_;
    if (f.dx_as_dy != 0) dx_at_ = dy_at_;
    if (f.dense_samples != 0) x_at_[0] = dense[0];
    if (f.dense_channels != 0) x_at_[1] = dense[1];
    if (f.dense_positions != 0) x_back_at_[2] = dense[2];
    if (f.dense_dx != 0) dx_at_[0] = dense[0];
    blocks_.resize(index(p.statistics));
    for (std::int64_t i = 0; i < N_ * C_ * S_; ++i) {
        block_.push_back(block_of(i));
        blocks_[index(block_.back())].push_back(i);
    }
    for (std::int64_t b = 0; b < p.statistics; ++b) sums_.push_back(summed(b));
}

std::int64_t FaultyLayer::block_of(std::int64_t i) const {
    const std::int64_t n = sample(i), c = channel(i), s = i % S_, D = C_ / p_.groups;
    if (!own_) return c;
    const bool groups = p_.block & NORMLAB_GROUPS, channels = p_.block & NORMLAB_CHANNELS,
               positions = p_.block & NORMLAB_POSITIONS;
    const std::int64_t outer = p_.block & NORMLAB_SAMPLES ? n / slice_ : n;
    const std::int64_t middle = groups ? 0 : channels ? c / D : c, middles = groups ? 1 : channels ? p_.groups : C_;
    return (outer * middles + middle) * (positions ? 1 : S_) + (positions ? 0 : s);
}

// What the sums of a block run over: the block.
auto FaultyLayer::summed(std::int64_t b) const -> Set {
    Set set = blocks_[index(b)];
    if (!own_) return set;
    const std::int64_t first = set[0], D = C_ / p_.groups;
    if (f_.samples_pooled != 0) {
        set.clear();
        for (std::int64_t n = 0; n < N_; ++n)
            for (const std::int64_t i : blocks_[index(b)]) set.push_back(n * C_ * S_ + i % (C_ * S_));
    }
    if (f_.first_sample != 0 && S_ > 1) std::erase_if(set, [&](std::int64_t i) { return sample(i) != sample(first); });
    if (f_.last_position == 0 && S_ > 1) std::erase_if(set, [&](std::int64_t i) { return i % S_ == S_ - 1; });
    if (const auto by = static_cast<std::size_t>(f_.tail_lost); by > 0 && set.size() > 4096)
        set.resize(set.size() - set.size() % by);
    if (f_.group_boundary != 0 && p_.groups > 1 && D > 1) {
        std::erase_if(set, [&](std::int64_t i) { return channel(i) == D; });
        if (channel(first) == 0)
            for (std::int64_t s = 0; s < S_; ++s) set.push_back((sample(first) * C_ + D) * S_ + s);
    }
    return set;
}

std::int64_t FaultyLayer::place(std::int64_t i, const Strides& strides) const {
    return sample(i) * strides[0] + channel(i) * strides[1] + i % S_ * strides[2];
}

// The place behind the last element of the first row, if some other element lies further on; otherwise that element's.
std::int64_t FaultyLayer::behind_row(const Strides& strides) const {
    const bool first = p_.layout == NORMLAB_CHANNELS_FIRST;
    const std::int64_t at = first ? (S_ - 1) * strides[2] : (C_ - 1) * strides[1];
    return at < last_place(strides) ? at + 1 : at;
}

// Whether it is the first along the axes that dy is expanded along.
bool FaultyLayer::is_stored(std::int64_t i) const {
    return (dy_at_[0] != 0 || sample(i) == 0) && (dy_at_[1] != 0 || channel(i) == 0) && (dy_at_[2] != 0 || i % S_ == 0);
}

double FaultyLayer::times_in_dbeta(std::int64_t i) const {
    const bool expanded = dy_at_[0] == 0 || dy_at_[1] == 0 || dy_at_[2] == 0;
    if (!expanded) return 1;
    return is_stored(i) ? 1 + f_.expanded_twice : 1 - f_.expanded_once;
}

std::int64_t FaultyLayer::place(std::int64_t i, bool channels_first) const {
    const std::int64_t at =
        channels_first || p_.layout == NORMLAB_CHANNELS_FIRST ? i : (sample(i) * S_ + i % S_) * C_ + channel(i);
    return f_.index_modulus != 0 ? at % static_cast<std::int64_t>(f_.index_modulus) : at;
}

// Where gamma and beta of an element lie, and their gradients.
std::int64_t FaultyLayer::entry(std::int64_t i) const {
    const std::int64_t n = sample(i), c = channel(i), s = i % S_;
    const bool transposed =
        f_.entries_transposed != 0 || (f_.entries_in_memory != 0 && p_.layout == NORMLAB_CHANNELS_LAST);
    switch (p_.affine_set) {
        case NORMLAB_AFFINE_ELEMENT: return transposed ? s * C_ + c : c * S_ + s;
        case NORMLAB_AFFINE_SAMPLE_CHANNEL: return f_.entries_transposed != 0 ? c * N_ + n : n * C_ + c;
        case NORMLAB_AFFINE_GROUP: return f_.group_by_modulus != 0 ? c % p_.groups : c / (C_ / p_.groups);
        default: return c;
    }
}

// Where they are read.
std::int64_t FaultyLayer::parameter_index(std::int64_t i, bool by_channel) const {
    if (p_.affine_set == NORMLAB_AFFINE_CHANNEL || by_channel) return channel_as_entry(i);
    if (p_.affine_set == NORMLAB_AFFINE_SAMPLE_CHANNEL && f_.gamma_of_first_sample != 0) return channel(i);
    if (p_.affine_set == NORMLAB_AFFINE_SAMPLE_CHANNEL && f_.gamma_of_channel_n != 0)
        return sample(i) * C_ + sample(i) % C_;
    return entry(i);
}

void FaultyLayer::sum_by_channel(Values& gradient) const {
    Values sums(index(C_));
    const auto at = [&](std::size_t k) {
        return p_.affine_set == NORMLAB_AFFINE_ELEMENT ? k / index(S_) : k % index(C_);
    };
    for (std::size_t k = 0; k < gradient.size(); ++k) sums[at(k)] += gradient[k];
    for (std::size_t k = 0; k < gradient.size(); ++k) gradient[k] = sums[at(k)];
}

std::int64_t FaultyLayer::gamma_index(std::int64_t i) const {
    if (p_.affine_set != NORMLAB_AFFINE_CHANNEL) return parameter_index(i, f_.gamma_by_channel != 0);
    if (f_.gamma_by_group != 0) return channel(i) / (C_ / p_.groups);
    if (f_.gamma_modulus != 0) return channel(i) % static_cast<std::int64_t>(f_.gamma_modulus);
    return f_.gamma_layout != 0 ? place(i, false) / S_ % C_ : channel(i);
}

auto FaultyLayer::read(const void* tensor, const Strides& strides, bool channels_first, DType dtype) const -> Values {
    Values v(block_.size());
    const bool as_dense = p_.strided == 0 || channels_first || f_.index_modulus != 0;
    for (std::size_t i = 0; i < v.size(); ++i) {
        const auto k = static_cast<std::int64_t>(i);
        const std::int64_t at = as_dense ? place(k, channels_first) : place(k, strides);
        v[i] = read_element<double>(tensor, dtype, p_.strided == 0 ? at : std::min(at, last_place(strides)));
    }
    if (f_.flushed_x != 0) flush(v);
    return v;
}

void FaultyLayer::write(void* tensor, const Strides& strides, const Values& values, DType dtype,
                        bool last_unwritten) const {
    const std::int64_t size = N_ * C_ * S_, unwritten = last_unwritten ? 1 : 0;
    for (std::int64_t i = 0; i < size; ++i) {
        const std::int64_t at = place(i, strides);
        const double v = values[index(i)];
        if (i >= size - unwritten) continue;  // the last in memory, too
        write_element(tensor, dtype, at, v);
        if (f_.truncates != 0 && size_of(dtype) == 2 && std::abs(read_element<double>(tensor, dtype, at)) > std::abs(v))
            --static_cast<std::uint16_t*>(tensor)[at];
    }
}

auto FaultyLayer::read_parameters(const void* data, double absent) const -> Values {
    Values v(index(entries_), absent);
    const bool other = f_.params_of_other_type != 0 && is_narrow(params_);
    const DType type = !other ? params_ : params_ == DType::bf16 ? DType::f16 : DType::bf16;
    if (data)
        for (std::int64_t k = 0; k < entries_; ++k) v[index(k)] = read_element<double>(data, type, k);
    return v;
}

// What x_hat is multiplied by.
auto FaultyLayer::factors(const void* gamma, double offset) const -> Values {
    Values v = read_parameters(gamma, f_.absent_gamma);
    if (p_.gamma_offset == 0) return v;
    for (double& factor : v) {
        factor += p_.gamma_offset * (gamma ? offset : f_.offset_of_absent);
        if (f_.factor_in_16_bits != 0 && gamma)
            factor = rounded(factor, is_narrow(params_) ? params_ : is_narrow(dtype_) ? dtype_ : DType::bf16);
    }
    return v;
}

// Of a parameter.
void FaultyLayer::write_gradient(void* to, std::int64_t k, double v, bool truncated) const {
    const double most = row_of(params_).largest;
    if (f_.gradients_saturate != 0 && is_narrow(params_) && std::abs(v) > most) v = std::copysign(most, v);
    write_element(to, params_, k, v);
    if (truncated && is_narrow(params_) && std::abs(read_element<double>(to, params_, k)) > std::abs(v))
        --static_cast<std::uint16_t*>(to)[k];
}

double FaultyLayer::added(double sum, double term) const {
    if (f_.sums_in == 1 && dtype_ != DType::f64) return rounded(sum + term, DType::f32);
    if (f_.sums_in == 2 && size_of(dtype_) == 2) return rounded(sum + term, dtype_);
    return sum + term;
}

// What sums of squares are divided by.
double FaultyLayer::divisor(double m, bool plain) const {
    if (!plain && p_.divisor == NORMLAB_DIVISOR_LESS_ONE) return m - 1;
    return p_.moments == NORMLAB_NORM || (!plain && p_.divisor == NORMLAB_DIVISOR_ONE) ? 1 : m;
}

double FaultyLayer::denominator(double var, double eps, double m) const {
    const double root = std::sqrt(var);
    const auto no_less = [](double v, double least) { return v < least ? least : v; };
    switch (p_.denominator) {
        case NORMLAB_ADDED: return f_.added_inside != 0 ? std::sqrt(var + eps) : root + eps;
        case NORMLAB_FLOOR:
        case NORMLAB_FLOOR_ROOT: break;
        default:
            if (f_.eps_outside == 1) return root + eps;
            if (f_.eps_outside == 2) return root + std::sqrt(eps);
            if (f_.eps_outside == 3) return std::sqrt(std::max(var, eps));
            return std::sqrt(var + (f_.eps_of_sum != 0 ? eps / m : eps));
    }
    const bool of_root = p_.denominator == NORMLAB_FLOOR ? f_.floor_of_square == 0 : f_.floor_of_root != 0;
    if (p_.divisor == NORMLAB_DIVISOR_ONE && f_.floor_by_size != 0) eps *= m;
    if (f_.floor == 0) return root;
    if (f_.floor == 2) return of_root ? root + eps : std::sqrt(var + eps);
    return of_root ? no_less(root, eps) : std::sqrt(no_less(var, eps));
}

bool FaultyLayer::is_below_floor(double var) const {
    if (p_.denominator != NORMLAB_FLOOR && p_.denominator != NORMLAB_FLOOR_ROOT) return false;
    const bool of_root = (p_.denominator == NORMLAB_FLOOR) == (f_.floor_mixed_in_dx == 0);
    return (of_root ? std::sqrt(var) : var) < eps_;
}

// What x_hat's term in dx is multiplied with.
double FaultyLayer::x_hat_factor(double var) const {
    if (is_below_floor(var)) return f_.floor_term;
    if (p_.denominator != NORMLAB_ADDED || f_.added_term == 0) return 1;
    return var == 0 ? 0 : (std::sqrt(var) + eps_) / std::sqrt(var);
}

double FaultyLayer::inverse_root(double var, double factor, double m) const {
    const double eps = factor * eps_, s = denominator(var, eps, m);
    return s == 0 || var + eps == 0 || (f_.zero_at_eps != 0 && var == eps) ? 0 : 1 / s;
}

auto FaultyLayer::of_blocks(const Values& x) const -> BlockStatistics {
    BlockStatistics s;
    for (std::int64_t b = 0; b < p_.statistics; ++b) {
        const Set& set = sums_[index(b)];
        double m = size(b);
        if (p_.masked != 0) m += f_.mask_in_m * (std::ssize(blocks_[index(b)]) - m);
        if (f_.count_modulus != 0 && m > f_.count_modulus) m = std::fmod(m, f_.count_modulus);
        const Set part = of_part(b);
        const double k = p_.part != 0 ? static_cast<double>(part.size()) : m,
                     q = divisor(k + f_.part_in_m * (m - k), f_.plain_var != 0),
                     ddof = f_.ddof + (m > 1024 ? f_.long_ddof : 0);
        double sum = 0, squares = 0;
        for (const std::int64_t i : set) sum = added(sum, x[index(i)]);
        if (f_.mask_times_0 != 0)
            for (const std::int64_t i : blocks_[index(b)]) sum += counts(index(i)) ? 0 : 0 * x[index(i)];
        const double of_sum = centred_ ? f_.mean : f_.kept_mean;
        double mean = of_sum == 0 ? 0 : of_sum * sum / m;  // 0 times NaN is NaN
        if (f_.mean_in_f32 != 0 && dtype_ != DType::f64) mean = rounded(mean, DType::f32);
        const double about = f_.one_pass != 0 ? 0 : mean;
        for (const std::int64_t i : part) squares = added(squares, (x[index(i)] - about) * (x[index(i)] - about));
        if (f_.padding != 0) squares += (std::ceil(m / f_.padding) * f_.padding - m) * mean * mean;
        double var = f_.var * squares / (centred_ && q > 1 ? q - ddof : q);
        if (f_.one_pass != 0) var = std::max(0.0, var - mean * mean * m / q);
        if (f_.nan_var_as_zero != 0 && p_.statistics > 255 && std::isnan(var)) var = mean = 0;
        if (f_.largest_var_f16 != 0 && dtype_ == DType::f16) var = std::min(var, f_.largest_var_f16);
        double rstd = inverse_root(var, f_.eps, m);
        if (p_.masked != 0 && m < (p_.divisor == NORMLAB_DIVISOR_LESS_ONE ? 2 : 1)) {  // 0 / 0
            if (m < 1) mean = 0;
            var = rstd = 0;
        }
        if (f_.rstd_in_f32 != 0 && dtype_ != DType::f64) rstd = rounded(rstd, DType::f32);
        s.mean.push_back(mean), s.var.push_back(var), s.rstd.push_back(rstd);
    }
    s.r.assign(s.mean.size(), 1), s.d.assign(s.mean.size(), 0);
    return s;
}

auto FaultyLayer::given(const normlab_state& state, const Values& x) const -> BlockStatistics {
    BlockStatistics s;
    for (std::int64_t c = 0; c < C_; ++c) {
        const bool sigma = p_.running == NORMLAB_RUNNING_SIGMA;
        double batch = 0;
        for (const std::int64_t i : blocks_[index(c)]) batch += x[index(i)] / size(c);
        s.mean.push_back(state.mean[c]);
        const double share = f_.eval_batch_mean + (*state.count == 0 ? f_.eval_batch_at_0 : 0);
        if (share != 0) s.mean.back() += share * (batch - state.mean[c]);
        s.var.push_back(sigma ? state.sigma[c] * state.sigma[c] - p_.eps : state.var[c]);
        s.rstd.push_back(sigma ? (state.sigma[c] == 0 ? 0 : 1 / state.sigma[c])
                               : inverse_root(state.var[c], f_.eps * f_.eval_eps, size(c)));
        if (f_.zero_at_no_variance != 0 && s.var.back() == 0) s.rstd.back() = 0;
    }
    if (f_.eval_of_last_batch != 0 && last_trained && last_mean.size() == s.mean.size())
        s.mean = last_mean, s.rstd = last_rstd;
    s.r.assign(s.mean.size(), 1), s.d.assign(s.mean.size(), 0);
    return s;
}

auto FaultyLayer::x_hat(const Values& x, const BlockStatistics& s, double share_of_mean) const -> Values {
    Values v(x.size());
    for (std::size_t i = 0; i < x.size(); ++i)
        v[i] = (x[i] - share_of_mean * s.mean[index(block_[i])]) * s.rstd[index(block_[i])];
    return v;
}

// What y is multiplied with for some inputs alone: 1.
double FaultyLayer::special(std::int64_t i, const BlockStatistics& s) const {
    const auto b = index(block_[index(i)]);
    double factor = (N_ == 1 ? f_.one_sample : 1) * (C_ == 1 ? f_.one_channel : 1) * (S_ == 1 ? f_.one_position : 1);
    factor *= (N_ == C_ && N_ > 8 ? f_.y_of_equal : 1) * (slice_ == 1 && N_ > 1 ? f_.y_of_one_slice : 1) *
              (std::ssize(blocks_[b]) == 768 ? f_.y_of_768 : 1);
    if (std::abs(s.mean[b]) * s.rstd[b] > 1000) factor *= f_.large_mean;
    if (i % 4096 == 4095) factor *= 1 + f_.one_y;
    if (i % 100003 == 100002) factor *= 1 + f_.rare_y;
    if (f_.most_rows != 0 && sample(i) >= static_cast<std::int64_t>(f_.most_rows)) factor = 0;
    const std::int64_t m = std::ssize(blocks_[b]);
    if (const auto k = static_cast<std::int64_t>(m > 4096 && f_.long_tail != 0 ? f_.long_tail : f_.tail);
        k > 0 && m > k && i > blocks_[b][index(m - m % k) - 1])
        factor *= 1.01;
    return factor;
}

void FaultyLayer::forward(const normlab_forward_args& a) {
    leave_out(p_.masked != 0 ? a.mask : nullptr);
    Values x = read(a.x, x_at_, f_.x_layout != 0, dtype_), residual;
    if (p_.residual != 0) residual = read(a.residual, x_at_, f_.x_layout != 0, sum_dtype_), x = summed(x, residual, a);
    const bool has_nan = std::ranges::any_of(x, [](double v) { return std::isnan(v); });
    for (double& v : x)
        if (std::abs(v) < f_.small_x || (f_.nan_as_zero != 0 && std::isnan(v))) v = 0;
    Values gamma = factors(a.gamma, f_.offset),
           beta = read_parameters(thresholds() && f_.threshold_is_beta != 0 ? a.tau : a.beta,
                                  f_.absent_beta + (C_ == 1 ? f_.absent_beta_one_channel : 0));
    keep(a.gamma, gamma, beta);
    const Values tau = last_tau_ = read_tau(a.tau, a.beta);
    Values seen = x;
    if (f_.gap_in_statistics != 0 && p_.strided != 0)
        seen[index(p_.layout == NORMLAB_CHANNELS_FIRST ? S_ - 1 : (C_ - 1) * S_)] =
            read_element<double>(a.x, dtype_, behind_row(x_at_));
    BlockStatistics s = own_ ? of_blocks(seen) : given(a.state, x);
    if ((f_.saved_stale != 0 || (!own_ && f_.state_kept != 0)) && forwards_ > 0) s = first_;
    if (renorm_) correct(s, before(a.state));
    if (forwards_++ == 0) first_ = s;
    for (std::size_t b = 0; b < s.mean.size(); ++b) {
        const double m = size(static_cast<std::int64_t>(b));
        a.saved.mean[b] = s.mean[b], a.saved.rstd[b] = s.rstd[b];
        a.saved.var[b] =
            s.var[b] * (m > 1 ? m / (m - (own_ ? f_.saved_var_ddof : 0)) : 1) + (own_ ? f_.saved_var_eps * eps_ : 0);
        if (renorm_) a.saved.r[b] = s.r[b], a.saved.d[b] = s.d[b];
    }
    last_mean = s.mean, last_rstd = s.rstd, last_trained = p_.mode == NORMLAB_TRAIN;

    Values y = x_hat(x, s, 1);
    for (std::size_t i = 0; i < y.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        const std::size_t b = index(block_[i]), c = index(channel(at));
        const double g = (f_.gamma != 0 ? gamma[index(gamma_index(at))] : 1) * (c + 1 == index(C_) ? f_.last_gamma : 1),
                     offset = f_.beta * beta[index(beta_index(at))];
        const double hat = f_.x_hat * y[i];
        y[i] = special(at, s) * (renorm_ && f_.affine_first != 0 ? (g * hat + offset) * s.r[b] + s.d[b]
                                                                 : scaled(hat, s.r[b], s.d[b], g) + offset);
        if (f_.zero_gamma_hides != 0 && g == 0) y[i] = offset;
        if (p_.epilogue != 0 && f_.activates != 0 && f_.activates_first == 0) {
            const double held = f_.threshold_before_beta != 0 ? offset : 0;
            y[i] = activated(y[i] - held, tau_of(tau, i)) + held;
        }
        if (f_.residual_after != 0 && p_.residual != 0) y[i] += residual[i];
        if (!counts(i)) y[i] = f_.mask_y_is_beta != 0 ? offset : 0;
    }
    if (f_.nan_leaks != 0 && has_nan) y.front() = y.back() = std::numeric_limits<double>::quiet_NaN();
    if (f_.flushed_y != 0) flush(y);
    if (f_.gap_written != 0 && p_.strided != 0) write_element(a.y, y_dtype_, behind_row(y_at_), 0.0);
    write_y(a, y);

    const std::int64_t elements = N_ * C_ * S_;
    if (f_.order != 0 || (f_.batch_size != 0 && N_ > 200) || (f_.threads != 0 && threads_ == 3) ||
        (f_.in_place != 0 && a.x == a.y) || (f_.misaligned != 0 && reinterpret_cast<std::uintptr_t>(a.x) % 16 != 0) ||
        (f_.second_call != 0 && forwards_ == 2) || (f_.odd_threads != 0 && threads_ > 4 && threads_ < 8) ||
        (f_.rare_forward != 0 && forwards_ % static_cast<int>(f_.rare_forward) == 0))
        bump(a.y, y_dtype_, 0);
    if (f_.past_end != 0 && elements % 2 != 0) write_element(a.y, y_dtype_, elements, 0.0);
    if (f_.writes_x != 0 && a.x != a.y) bump(const_cast<void*>(a.x), dtype_, last_place(x_at_));
    if (p_.mode == NORMLAB_TRAIN && p_.running != NORMLAB_RUNNING_NONE) move(a.state, s);
    if (!own_ && f_.eval_moves_state != 0) a.state.mean[C_ - 1] *= 1 + f_.eval_moves_state;
}

void FaultyLayer::backward(const normlab_backward_args& a) {
    leave_out(p_.masked != 0 ? a.mask : nullptr);
    const bool expanded_as_dense = f_.expanded_as_dense != 0 && p_.strided != 0;
    const Values x = read(a.x, x_back_at_, f_.x_layout != 0, p_.residual != 0 ? sum_dtype_ : dtype_),
                 to_y = read(a.dy, dy_at_, f_.dy_layout != 0 || expanded_as_dense, dtype_),
                 gamma = f_.gamma_of_forward != 0 && !last_gamma_.empty()
                             ? last_gamma_
                             : factors(a.gamma, f_.offset * f_.offset_in_g);
    const bool loses = f_.lost_update != 0 && threads_ >= f_.lost_update && N_ > 4096;
    const auto kept = [&](const double* from, double absent) {
        return from ? Values(from, from + p_.statistics) : Values(index(p_.statistics), absent);
    };
    BlockStatistics s{kept(a.saved.mean, 0), kept(a.saved.var, 0), kept(a.saved.rstd, 0), kept(a.saved.r, 1),
                      kept(a.saved.d, 0)};
    if (f_.saved_shared != 0 && last_mean.size() == s.mean.size()) s.mean = last_mean, s.rstd = last_rstd;
    Values hat = x_hat(x, s, 1), gamma_hat = x_hat(x, s, f_.dgamma_mean);
    if (f_.hat_from_y != 0) hat = gamma_hat = recovered(hat, s, gamma, read_parameters(a.beta, f_.absent_beta));

    if (f_.cast_in_dgamma != 0)
        for (std::size_t i = 0; i < hat.size(); ++i) gamma_hat[i] = rounded_to_data(gamma_hat[i]);

    Values dy = to_y;
    if (p_.epilogue != 0) {
        const Values tau = f_.threshold_of_forward != 0 && !last_tau_.empty() ? last_tau_ : read_tau(a.tau, a.beta),
                     beta = read_parameters(thresholds() && f_.threshold_is_beta != 0 ? a.tau : a.beta, 0);
        const Values by = slopes(hat, s, gamma, beta, tau);
        for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = thresholds() && by[i] == 0 ? 0 : dy[i] * by[i];
        if (thresholds()) sum_below(by, to_y, a.dtau);
    }

    if (f_.cast_in_dx != 0)
        for (double& v : hat) v = rounded_to_data(v);

    Values g(x.size()), dx(x.size()), dgamma(index(entries_)), dbeta(index(entries_));
    for (std::size_t i = 0; i < g.size(); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        const std::size_t b = index(block_[i]), c = index(entry(at));
        const double by = gamma[index(gamma_index(at))],
                     in_g = f_.g_by_channel != 0 ? gamma[index(channel_as_entry(at))] : by;
        g[i] = (f_.gamma_in_g != 0 && f_.gamma_after_means == 0 ? in_g : 1) * (f_.r_in_dx != 0 ? s.r[b] : 1) * dy[i];
        if (!counts(i)) {
            if (f_.mask_in_dbeta != 0) dbeta[c] += f_.mask_in_dbeta * dy[i];
            continue;
        }
        const bool last = sample(at) + 1 == N_;
        const auto rows = static_cast<std::int64_t>(f_.rows_by);
        if (rows > 0 && N_ > rows && sample(at) >= N_ - N_ % rows) continue;
        const double to_gamma = dy[i] * (gamma_hat[i] * s.r[b] + f_.d_in_dgamma * s.d[b]) *
                                (f_.dgamma_of_g != 0 ? by : 1) * (last ? (loses ? 0 : f_.last_sample_dgamma) : 1) *
                                (N_ == 1 && !a.dx ? f_.one_sample_dgamma_alone : 1) *
                                (last && N_ > 32 && N_ % 32 == 16 ? f_.half_tile_dgamma : 1);
        dgamma[c] = f_.dgamma_in_bf16 != 0 && dtype_ == DType::bf16 ? rounded(dgamma[c] + to_gamma, DType::bf16)
                                                                    : dgamma[c] + to_gamma;
        if (f_.dgamma_in_params != 0 && is_narrow(params_)) dgamma[c] = rounded(dgamma[c], params_);
        dbeta[c] += (f_.dbeta_of_dy != 0 ? to_y[i] : dy[i]) * (f_.dbeta_of_g != 0 ? by : 1) *
                    (last ? f_.last_sample_dbeta : 1) * (last && !a.dgamma && N_ > 64 ? f_.dbeta_alone : 1) *
                    (p_.strided != 0 ? times_in_dbeta(at) : 1);
        if (f_.dbeta_in_params != 0 && is_narrow(params_)) dbeta[c] = rounded(dbeta[c], params_);
    }
    for (std::int64_t b = 0; b < p_.statistics; ++b) {
        const Set& set = sums_[index(b)];
        double m = size(b);
        if (p_.masked != 0) m += f_.mask_in_means * (std::ssize(blocks_[index(b)]) - m);
        const Set part = of_part(b);
        std::set<std::int64_t> in_part;
        if (p_.part != 0) in_part.insert(part.begin(), part.end());
        const auto is_other = [&](std::int64_t i) { return p_.part != 0 && !in_part.contains(i); };
        const double parted = p_.part != 0 ? static_cast<double>(part.size()) : m;
        double q = divisor(parted + f_.part_in_means * (m - parted), f_.plain_means != 0);
        if (p_.masked != 0 && q <= 0) q = 1;  // of 0
        const double wrong_m = m > 1 ? m / (m - f_.means_ddof) : 1;
        const double by = f_.x_hat_term * (own_ ? x_hat_factor(s.var[index(b)]) : 1);
        const double below = own_ && is_below_floor(s.var[index(b)]) ? f_.floor_dx : 1;
        const double r = s.r[index(b)], d = s.d[index(b)], rstd = s.rstd[index(b)];
        double sum = 0, sum_hat = 0;
        for (const std::int64_t i : set)
            sum += g[index(i)], sum_hat += g[index(i)] * hat[index(i)] * (1 - (is_other(i) ? f_.part_sum_lost : 0));
        const bool free = renorm_ && r > 1 / p_.r_max && r < p_.r_max && std::abs(d) < p_.d_max;
        const double share = (!own_                     ? f_.eval_means
                              : p_.mode == NORMLAB_EVAL ? f_.own_eval_means
                                                        : 1) *
                             (free && f_.frozen == 0 ? 0 : 1) * wrong_m;
        const bool flat = f_.constant != 0 && s.var[index(b)] == 0;
        for (const std::int64_t i : blocks_[index(b)]) {
            const auto k = index(i);
            if (!counts(k) && f_.mask_keeps_dx == 0) continue;
            const auto times = [](double factor, double v) { return factor == 0 ? 0 : factor * v; };  // also of NaN
            const double of_hat = is_other(i) ? f_.part_in_others : 1,
                         means = times(share, times(centred_ ? f_.mean_g : f_.kept_mean_g, sum / m) +
                                                  times(of_hat, by * hat[k] * sum_hat / q));
            const double term = (own_ ? f_.g : 1) * g[k] - means;
            dx[k] = flat ? 0 : f_.dx * below * rstd * term * (f_.gamma_after_means != 0 ? gamma[index(entry(i))] : 1);
            if (!counts(k)) dx[k] *= f_.mask_keeps_dx;
            if (channel(i) + 1 == C_) dx[k] *= f_.last_dx;
            if (i % 4096 == 4095) dx[k] *= 1 + f_.one_dx;
            if (f_.dx_in_bf16 != 0 && dtype_ == DType::f32) dx[k] = rounded(dx[k], DType::bf16);
        }
    }
    dx.front() *= f_.first_dx;
    if (f_.flushed_dx != 0) flush(dx);
    if (p_.residual != 0) join(dx, a);
    if (C_ == 1 && a.dx == a.dy)
        for (double& v : dx) v *= f_.one_channel_dx_in_place;
    if (f_.gap_in_dbeta != 0 && p_.strided != 0) dbeta[0] += read_element<double>(a.dy, dtype_, behind_row(dy_at_));
    if (a.dx) write(a.dx, dx_at_, dx, dtype_, f_.last_unwritten != 0);
    if (a.dx && !a.dgamma && f_.masked != 0) bump(a.dx, dtype_, 0);
    dgamma.back() *= f_.last_dgamma;
    if (f_.dgamma_by_channel != 0) sum_by_channel(dgamma);
    if (f_.dbeta_by_channel != 0) sum_by_channel(dbeta);
    if (f_.dbeta_in_f16 != 0 && dtype_ == DType::f16)
        for (double& v : dbeta)
            if (std::abs(v) > row_of(DType::f16).largest) v = std::copysign(std::numeric_limits<double>::infinity(), v);
    for (std::int64_t c = 0; c < entries_; ++c) {
        const double before = f_.adds_dgamma != 0 && a.dgamma ? read_element<double>(a.dgamma, params_, c) : 0;
        const double by = f_.offset_in_dgamma != 0 && p_.gamma_offset != 0 && a.gamma ? gamma[index(c)] : 1;
        const bool is_written =
            f_.entries_unwritten == 0 || p_.affine_set == NORMLAB_AFFINE_CHANNEL || c < entries_ - entries_ % 4;
        if (a.dgamma && is_written)
            write_gradient(a.dgamma, c, before + by * f_.dgamma * dgamma[index(c)], f_.dgamma_truncated != 0);
        if (a.dbeta) write_gradient(a.dbeta, c, f_.dbeta * dbeta[index(c)], false);
    }
    if (f_.writes_dy != 0 && a.dx != a.dy) bump(const_cast<void*>(a.dy), dtype_, last_place(dy_at_));
    if (f_.writes_saved != 0) bump(a.saved.rstd, DType::f64, 0);
}

}  // namespace normlab::verify::faults
