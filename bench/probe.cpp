#include "bench/probe.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "norms/activation.hpp"
#include "norms/element.hpp"
#include "norms/running_stats.hpp"
#include "verify/case/draw.hpp"

namespace normlab::bench {
namespace {

using Real = long double;

truth::Wide wide(Real v) {
    const auto high = static_cast<double>(v);
    return {high, std::isfinite(high) ? static_cast<double>(v - high) : 0};
}

// Neumaier's compensated sum.
struct Sum {
    Real total = 0, lost = 0;
    void operator+=(Real v) {
        const Real next = total + v;
        lost += std::abs(total) >= std::abs(v) ? (total - next) + v : (v - next) + total;
        total = next;
    }
    Real value() const { return total + lost; }
};

struct Range {
    std::int64_t begin, end;
    std::int64_t size() const { return end - begin; }
};

struct Index {
    std::int64_t n, c, s;
};

// A box of indices: every block and every channel is one.
struct Box {
    Range n, c, s;
    Shape shape() const { return {n.size(), c.size(), s.size()}; }
    template <class F>
    void each(F&& f) const {
        for (Index i{n.begin, 0, 0}; i.n < n.end; ++i.n)
            for (i.c = c.begin; i.c < c.end; ++i.c)
                for (i.s = s.begin; i.s < s.end; ++i.s) f(i);
    }
};

struct BlockStatistics {
    Real mean = 0, var = 0, s = 0, r = 1, d = 0, raw_r = 1, raw_d = 0;
};

class Prober {
public:
    Prober(const Problem& problem, const Data& data)
        : p_(problem), data_(data),
          axes_(p_.own_statistics() ? p_.spec.block : Axes{.samples = true, .positions = true}), view_{nullptr,
                                                                                                       p_.dtype,
                                                                                                       p_.shape,
                                                                                                       p_.layout} {}

    Box block_of(Index i) const {
        const std::int64_t D = p_.channels_per_group(), g = i.c / D;
        const auto range = [](bool all, std::int64_t one, std::int64_t n) {
            return all ? Range{0, n} : Range{one, one + 1};
        };
        const Range c = axes_.groups ? (axes_.channels ? Range{0, p_.shape.C} : Range{0, 0})
                                     : (axes_.channels ? Range{g * D, (g + 1) * D} : Range{i.c, i.c + 1});
        return {range(axes_.samples, i.n, p_.shape.N), c, range(axes_.positions, i.s, p_.shape.S)};
    }
    Box channel_of(Index i) const { return {{0, p_.shape.N}, {i.c, i.c + 1}, {0, p_.shape.S}}; }
    bool block_is_channel() const { return axes_ == Axes{.samples = true, .positions = true}; }

    std::int64_t number_of(Index i) const {
        const std::int64_t D = p_.channels_per_group();
        std::int64_t number = axes_.samples ? 0 : i.n;
        if (!axes_.groups) number = number * p_.spec.groups + i.c / D;
        if (!axes_.channels) number = number * D + i.c % D;
        return axes_.positions ? number : number * p_.shape.S + i.s;
    }

    const BlockStatistics& statistics(Index i) {
        const auto [found, fresh] = known_.try_emplace(number_of(i));
        if (fresh) found->second = compute(i);
        return found->second;
    }

    // What is to come out of the block, as if it were the whole tensor.
    Probe probe_block(Index at, bool backward) {
        const Box box = block_of(at);
        Probe probe = begin(box, fmt::format("the block of n={} c={} s={}", at.n, at.c, at.s), backward);
        probe.block = number_of(at), probe.has_block = true, probe.has_channel = backward && block_is_channel();
        const BlockStatistics& st = statistics(at);
        truth::Block block = described(st);
        Sum g_sum, g_x_hat_sum;
        const Real divisor = block.divisor;
        std::vector<Real> x_hats, gs;
        box.each([&](Index i) {
            const Real x_hat = x_hat_of(i, st), z = before_activation(i, st);
            block.elements.push_back(block.elements.size());
            x_hats.push_back(x_hat);
            probe.expected.x_hat.push_back(wide(x_hat));
            probe.expected.y.push_back(wide(activated(p_.spec.activation, p_.spec.casts() ? behind_cast(i, st) : z)));
            if (p_.spec.adds()) probe.expected.s.push_back(wide(x(i)));
            if (p_.spec.activates()) probe.expected.z.push_back(wide(z));
            if (!backward) return;
            gs.push_back(gamma(i) * st.r * dz(i, st));
            g_sum += gs.back(), g_x_hat_sum += gs.back() * x_hat;
        });
        const Real mean_g = p_.spec.centred() ? g_sum.value() / static_cast<Real>(block.elements.size()) : 0,
                   mean_g_x_hat = g_x_hat_sum.value() / divisor * slope_of(p_.spec, st.var);
        for (std::size_t k = 0; k < gs.size(); ++k) {
            const bool moves_s = p_.own_statistics() && k < block.part;
            const Real dx = st.s == 0 ? 0 : (moves_s ? gs[k] - mean_g - x_hats[k] * mean_g_x_hat : gs[k]) / st.s;
            probe.expected.dx.push_back(wide(p_.spec.adds() ? probe.in.ds[k] + dx : dx));
        }
        probe.expected.blocks.push_back(std::move(block));
        if (backward) add_channels(box, probe);
        return probe;
    }

    // dgamma and dbeta of one channel, whose elements lie in several blocks.
    Probe probe_channel(Index at) {
        const Box box = channel_of(at);
        Probe probe = begin(box, fmt::format("channel {}", at.c), true);
        probe.has_channel = true;
        std::unordered_map<std::int64_t, std::size_t> place;
        std::size_t element = 0;
        box.each([&](Index i) {
            const BlockStatistics& st = statistics(i);
            const auto [found, fresh] = place.try_emplace(number_of(i), probe.expected.blocks.size());
            if (fresh) probe.expected.blocks.push_back(described(st));
            probe.expected.blocks[found->second].elements.push_back(element++);
            probe.expected.x_hat.push_back(wide(x_hat_of(i, st)));
            if (p_.spec.activates()) probe.expected.z.push_back(wide(before_activation(i, st)));
        });
        probe.expected.y.resize(element), probe.expected.dx.resize(element);
        add_channels(box, probe);
        return probe;
    }

private:
    double read(const Memory& tensor, Index i) const {
        return read_element<double>(tensor.data(), p_.dtype, view_.offset(i.n, i.c, i.s));
    }
    // What is normalized: with a residual s, which is added in the type of the arithmetic.
    Real x(Index i) const {
        const double given = read(data_.x, i);
        if (!p_.spec.adds()) return given;
        return rounded(rounded(given + read(data_.residual, i), arithmetic_dtype(p_.dtype)), p_.residuals());
    }
    Real dy(Index i) const { return read(data_.dy, i); }
    Real x_hat_of(Index i, const BlockStatistics& st) const { return st.s == 0 ? 0 : (x(i) - st.mean) / st.s; }
    Real corrected(Index i, const BlockStatistics& st) const { return x_hat_of(i, st) * st.r + st.d; }
    Real before_activation(Index i, const BlockStatistics& st) const { return gamma(i) * corrected(i, st) + beta(i); }
    // What forward has in its place where it rounds x_hat.
    Real behind_cast(Index i, const BlockStatistics& st) const {
        return gamma(i) * Real(rounded(static_cast<double>(corrected(i, st)), p_.dtype)) + beta(i);
    }
    Real dz(Index i, const BlockStatistics& st) const {
        return dy(i) * activation_slope(p_.spec.activation, before_activation(i, st));
    }
    Real gamma(Index i) const { return p_.spec.factor(Real(data_.parameters.gamma[static_cast<std::size_t>(i.c)])); }
    Real beta(Index i) const { return data_.parameters.beta[static_cast<std::size_t>(i.c)]; }

    BlockStatistics compute(Index at) const {
        const State& state = data_.parameters.state;
        const auto c = static_cast<std::size_t>(at.c);
        const Real eps = p_.spec.eps;
        const auto running_sigma = [&] {
            return p_.spec.running == Running::sigma ? Real(state.sigma[c]) : std::sqrt(Real(state.var[c]) + eps);
        };
        BlockStatistics st;
        if (!p_.own_statistics()) {
            st.mean = state.mean[c], st.s = running_sigma(), st.var = st.s * st.s - eps;
            return st;
        }
        const Box box = block_of(at);
        const Shape shape = box.shape();
        Sum sum, squares;
        if (p_.spec.centred()) box.each([&](Index i) { sum += x(i); });
        st.mean = sum.value() / static_cast<Real>(shape.size());
        double left = p_.spec.part_of(static_cast<double>(shape.size()));
        box.each([&](Index i) {
            if (left-- > 0) squares += (x(i) - st.mean) * (x(i) - st.mean);
        });
        st.var = squares.value() / Real(p_.divisor());
        st.s = sigma_of(p_.spec, st.var);
        if (p_.has_correction()) {
            st.raw_r = st.s / running_sigma(), st.raw_d = (st.mean - state.mean[c]) / running_sigma();
            st.r = std::clamp(st.raw_r, 1 / Real(p_.spec.r_max), Real(p_.spec.r_max));
            st.d = std::clamp(st.raw_d, -Real(p_.spec.d_max), Real(p_.spec.d_max));
        }
        return st;
    }

    truth::Block described(const BlockStatistics& st) const {
        truth::Block b;
        b.mean = st.mean, b.var = st.var, b.s = st.s, b.r = st.r, b.d = st.d, b.raw_r = st.raw_r, b.raw_d = st.raw_d;
        b.divisor = p_.divisor();
        if (p_.spec.is_partial()) b.part = static_cast<std::size_t>(b.divisor);
        const auto ratio = st.s == 0 ? 0 : static_cast<double>(st.mean / st.s);
        b.kappa = p_.spec.centred() ? std::sqrt(1 + ratio * ratio) : 1;
        return b;
    }

    Probe begin(const Box& box, std::string name, bool backward) const {
        Probe probe;
        probe.name = std::move(name), probe.channel = box.c.begin;
        probe.in.problem = p_;
        probe.in.problem.shape = box.shape();
        probe.in.problem.spec.groups = 1;
        probe.scales.resize(static_cast<std::size_t>(probe.in.problem.scale_count()));
        box.each([&](Index i) {
            if (!probe.scales.empty())
                probe.scales[probe.in.problem.scale_entry(probe.places.size())] =
                    p_.scale_entry(static_cast<std::size_t>((i.n * p_.shape.C + i.c) * p_.shape.S + i.s));
            probe.places.push_back(view_.offset(i.n, i.c, i.s));
            probe.in.x.push_back(read(data_.x, i));
            if (backward) probe.in.dy.push_back(read(data_.dy, i));
            if (!p_.spec.adds()) return;
            probe.in.residual.push_back(read(data_.residual, i));
            if (backward) probe.in.ds.push_back(read(data_.ds, i));
        });
        for (Index i{0, box.c.begin, 0}; i.c < box.c.end; ++i.c) {
            probe.in.gamma.push_back(static_cast<double>(gamma(i)));
            probe.in.beta.push_back(static_cast<double>(beta(i)));
        }
        return probe;
    }

    void add_channels(const Box& box, Probe& probe) {
        std::vector<Sum> dgamma(static_cast<std::size_t>(box.c.size())), dbeta(dgamma.size());
        std::size_t k = 0;
        box.each([&](Index i) {
            const auto c = static_cast<std::size_t>(i.c - box.c.begin);
            const BlockStatistics& st = statistics(i);
            const Real of_z = dz(i, st);
            dgamma[c] += of_z * ((Real(probe.expected.x_hat[k].high) + probe.expected.x_hat[k].low) * st.r + st.d);
            dbeta[c] += of_z;
            ++k;
        });
        for (std::size_t c = 0; c < dgamma.size(); ++c) {
            probe.expected.dgamma.push_back(wide(dgamma[c].value()));
            probe.expected.dbeta.push_back(wide(dbeta[c].value()));
        }
    }

    Problem p_;
    const Data& data_;
    Axes axes_;
    ConstTensor view_;
    std::unordered_map<std::int64_t, BlockStatistics> known_;
};

}  // namespace

Data::Data(const Problem& p, std::uint64_t seed)
    : parameters(p, seed), x(Device::host, tensor_bytes(p)), dy(Device::host, tensor_bytes(p)),
      residual(Device::host, p.spec.adds() ? tensor_bytes(p) : 0), ds(Device::host, residual.bytes()) {
    Random random(seed + 1);
    const auto shifts = [&](std::int64_t count) {
        std::vector<double> v;
        for (std::int64_t i = 0; i < count; ++i) v.push_back(2 * random.uniform());
        return v;
    };
    const std::vector<double> of_channel = shifts(p.shape.C), of_sample = shifts(p.shape.N);
    const ConstTensor view{nullptr, p.dtype, p.shape, p.layout};
    with_storage_type(p.dtype, [&](auto tag) {
        using T = decltype(tag);
        const auto store = [](void* to, std::int64_t i, double v) { static_cast<T*>(to)[i] = convert<T>(v); };
        for (std::int64_t n = 0; n < p.shape.N; ++n)
            for (std::int64_t c = 0; c < p.shape.C; ++c)
                for (std::int64_t s = 0; s < p.shape.S; ++s) {
                    const double z = 3.4 * random.uniform() - 1.7;  // sd 0.98
                    const std::int64_t i = view.offset(n, c, s);
                    store(x.data(), i,
                          of_channel[static_cast<std::size_t>(c)] + of_sample[static_cast<std::size_t>(n)] + z);
                    store(dy.data(), i, 3.4 * random.uniform() - 1.2 + 0.5 * z);
                    if (!p.spec.adds()) continue;
                    store(residual.data(), i, 3.4 * random.uniform() - 1.7);
                    store(ds.data(), i, 3.4 * random.uniform() - 1.7);
                }
    });
}

std::vector<Probe> make_probes(const Problem& p, const Data& data, bool backward, std::uint64_t seed) {
    Random random(seed);
    Prober prober(p, data);
    std::vector<Index> at{{p.shape.N - 1, p.shape.C - 1, p.shape.S - 1}, {0, 0, 0}};
    for (int i = 0; i < 2; ++i)
        at.push_back(
            {random.integer(0, p.shape.N - 1), random.integer(0, p.shape.C - 1), random.integer(0, p.shape.S - 1)});
    const std::int64_t affordable = std::int64_t{1} << 21;
    at.resize(
        static_cast<std::size_t>(std::clamp<std::int64_t>(affordable / prober.block_of(at[0]).shape().size(), 1, 4)));
    std::vector<Probe> probes;
    std::set<std::int64_t> blocks, channels;
    for (const Index& i : at) {
        if (blocks.insert(prober.number_of(i)).second) probes.push_back(prober.probe_block(i, backward));
        if (backward && !prober.block_is_channel() && channels.insert(i.c).second)
            probes.push_back(prober.probe_channel(i));
    }
    return probes;
}

}  // namespace normlab::bench
