// Large tensors at the price of small ones: a tensor that repeats a tile along samples, channels and positions has the
// tile's statistics, so truth on the tile is truth for all of it. Long blocks, many rows, many channels, offsets beyond
// 32 bits. Works in the storage type alone.

#include <algorithm>
#include <cstring>
#include <iterator>
#include <optional>

#include <fmt/format.h>

#include "norms/operation.hpp"
#include "verify/case/fill.hpp"
#include "verify/check/compare.hpp"
#include "verify/check/running_roundings.hpp"
#include "verify/checks/tiled_cases.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {
namespace {

// One array on the implementation's device, filled by repeating the tile's values.
class Tiled {
public:
    Tiled(const Problem& big, const Shape& tile)
        : p_(big), tile_(tile), bytes_(static_cast<std::size_t>(big.shape.size()) * size_of(big.dtype)) {}

    // Calls f(element in memory, element of the tile) for all elements in memory order.
    template <class F>
    void each(F f) const {
        const bool first = p_.layout == Layout::channels_first;
        const std::int64_t outers = first ? p_.shape.C : p_.shape.S, inners = first ? p_.shape.S : p_.shape.C,
                           period = first ? tile_.S : tile_.C;
        std::size_t at = 0;
        for (std::int64_t n = 0; n < p_.shape.N; ++n)
            for (std::int64_t outer = 0; outer < outers; ++outer) {
                const std::int64_t row = n % tile_.N * tile_.C;
                const std::int64_t start = first ? (row + outer % tile_.C) * tile_.S : row * tile_.S + outer % tile_.S,
                                   step = first ? 1 : tile_.S;
                for (std::int64_t inner = 0, k = 0; inner < inners; ++inner, ++at, k = k + 1 == period ? 0 : k + 1)
                    f(at, static_cast<std::size_t>(start + k * step));
            }
    }
    /// 0 but for 1 at these places of each channel, of N * S.
    void fill_places(Memory& memory, const std::vector<std::size_t>& places) {
        on_host(memory, true, [&](std::byte* to) {
            std::memset(to, 0, bytes_);
            const auto C = static_cast<std::size_t>(p_.shape.C), S = static_cast<std::size_t>(p_.shape.S);
            for (const std::size_t k : places)
                for (std::size_t c = 0; c < C; ++c)
                    write_element(to, p_.dtype,
                                  static_cast<std::int64_t>(memory_index(p_, (k / S * C + c) * S + k % S)), 1.0);
        });
    }
    void fill(Memory& memory, const std::vector<double>& values) {
        const std::size_t size = size_of(p_.dtype);
        std::vector<std::byte> stored(values.size() * size);
        for (std::size_t i = 0; i < values.size(); ++i)
            write_element(stored.data(), p_.dtype, static_cast<std::int64_t>(i), values[i]);
        on_host(memory, true, [&](std::byte* to) {
            with_storage_type(p_.dtype, [&](auto tag) {
                each([&](std::size_t at, std::size_t i) {
                    std::memcpy(to + at * sizeof tag, stored.data() + i * sizeof tag, sizeof tag);
                });
            });
        });
    }
    // The worst element against truth on the tile.
    Finding judge(std::string_view quantity, Memory& memory, const std::vector<truth::Wide>& truth,
                  const std::vector<double>& bound) {
        std::size_t worst_at = 0, worst_i = 0;
        double worst_ratio = -1, worst_error = 0, worst_got = 0;
        on_host(memory, false, [&](std::byte* from) {
            with_reader<double>(from, p_.dtype, [&](auto read) {
                each([&](std::size_t at, std::size_t i) {
                    const double got = read(static_cast<std::int64_t>(at));
                    if (worst_at > 0 && truth::distance(got, truth[i]) <= worst_ratio * bound[i]) return;  // most
                    const double error = error_of(got, truth[i], bound[i], p_.dtype);
                    const double ratio = Finding::ratio(error, bound[i]);
                    if (ratio > worst_ratio)
                        worst_ratio = ratio, worst_error = error, worst_at = at, worst_i = i, worst_got = got;
                });
            });
        });
        return measured(
            quantity, worst_error, bound[worst_i],
            fmt::format("element {} in memory: {:.9g}, truth {:.9g}", worst_at, worst_got, truth[worst_i].high));
    }
    std::size_t bytes() const { return bytes_; }

private:
    template <class F>
    void on_host(Memory& memory, bool upload, F f) {
        if (memory.device() == Device::host) return f(memory.at(0));
        std::vector<std::byte> host(bytes_);
        if (!upload) memory.download(host);
        f(host.data());
        if (upload) memory.upload(host);
    }

    Problem p_;
    Shape tile_;
    std::size_t bytes_;
};

Memory channels_on(Device device, DType dtype, const std::vector<double>& values, std::size_t count) {
    std::vector<std::byte> host(count * size_of(dtype));
    for (std::size_t c = 0; c < count; ++c)
        write_element(host.data(), dtype, static_cast<std::int64_t>(c), values[c % values.size()]);
    Memory memory(device, host.size());
    memory.upload(host);
    return memory;
}

std::vector<double> read_channels(const Memory& memory, DType dtype) {
    std::vector<std::byte> host(memory.bytes());
    memory.download(host);
    std::vector<double> values(host.size() / size_of(dtype));
    for (std::size_t c = 0; c < values.size(); ++c)
        values[c] = read_element<double>(host.data(), dtype, static_cast<std::int64_t>(c));
    return values;
}

template <class T>
std::vector<T> repeated(const std::vector<T>& values, std::size_t count, double factor) {
    std::vector<T> out(count);
    for (std::size_t c = 0; c < count; ++c) out[c] = values[c % values.size()] * T(factor);
    return out;
}

// The running statistics after a call in training, one block a channel; unbiased: of the large batch.
std::vector<Finding> moved_state(const Implementation& implementation, const Problem& big, const Inputs<double>& in,
                                 const truth::Result& t, const Bounds& bounds, const Memory& mean,
                                 const Memory& spread) {
    const bool sigma = big.spec.running == Running::sigma;
    const double a = big.spec.momentum.value_or(1.0 / static_cast<double>(in.state.count + 1)),
                 m = static_cast<double>(big.block_size());
    std::vector<Quad> wanted, wanted_mean;
    std::vector<double> bound, bound_mean;
    const auto roundings = [&](const Quad& old, const Quad& fresh, const Quad& moved) {
        return update_rounding(big, implementation.accumulation(big.dtype), static_cast<double>(old),
                               static_cast<double>(moved)) +
               state_rounding(big, implementation, static_cast<double>(old), static_cast<double>(fresh), 1);
    };
    for (std::size_t b = 0; b < t.blocks.size(); ++b) {
        const truth::Block& block = t.blocks[b];
        const Quad old(spread_of(in.state)[b]);
        const Quad batch = sigma                                            ? block.s
                           : big.spec.running == Running::unbiased_variance ? Quad(block.var * m / (m - 1))
                                                                            : block.var;
        wanted.push_back(old + Quad(a) * (batch - old));
        const double s = static_cast<double>(block.s);
        wanted_mean.push_back(Quad(in.state.mean[b]) + Quad(a) * (block.mean - Quad(in.state.mean[b])));
        bound_mean.push_back(2 * a * bounds.mean[b] +
                             roundings(Quad(in.state.mean[b]), block.mean, wanted_mean.back()) +
                             0x1p-50 * (std::abs(in.state.mean[b]) + static_cast<double>(abs(block.mean))));
        bound.push_back(2 * a * (sigma ? bounds.var[b] / s : bounds.var[b]) + roundings(old, batch, wanted.back()) +
                        0x1p-50 * static_cast<double>(abs(wanted[b])));
    }
    Problem by_channel = big;
    by_channel.shape = {1, big.shape.C, 1};
    by_channel.dtype = DType::f64;
    const auto C = static_cast<std::size_t>(big.shape.C);
    return {compare("running mean", by_channel, read_channels(mean, DType::f64), wides(repeated(wanted_mean, C, 1)),
                    repeated(bound_mean, C, 1)),
            compare("running spread", by_channel, read_channels(spread, DType::f64), wides(repeated(wanted, C, 1)),
                    repeated(bound, C, 1))};
}

// For each block of the large tensor the tile's that it repeats.
std::vector<std::size_t> blocks_of_tile(const Problem& big, const Problem& tile) {
    const auto& [N, C, S] = big.shape;
    const Axes& b = big.spec.block;
    const std::int64_t samples = b.samples ? N : 1, positions = b.positions ? S : 1,
                       channels = !b.channels ? 1
                                  : b.groups  ? C
                                              : C / big.spec.groups;
    std::vector<std::size_t> of(static_cast<std::size_t>(big.statistics_count()));
    for (std::int64_t n = 0; n < N; n += samples)
        for (std::int64_t c = 0; c < C; c += channels)
            for (std::int64_t s = 0; s < S; s += positions) {
                const Shape& t = tile.shape;
                of[big.block_of(static_cast<std::size_t>((n * C + c) * S + s))] =
                    tile.block_of(static_cast<std::size_t>((n % t.N * t.C + c % t.C) * t.S + s % t.S));
            }
    return of;
}

// Statistics that forward keeps, in memory of their own.
class KeptStatistics {
public:
    KeptStatistics(const Implementation& implementation, const Problem& big) : big_(big) {
        for (const QuantityRow& q : quantities::saved())
            if (q.saves && implementation.saves().*q.saves)
                kept_.emplace_back(
                    &q, Memory(big.device, static_cast<std::size_t>(big.statistics_count()) * sizeof(double)));
    }
    SavedView in(SavedView view) {
        for (auto& [q, memory] : kept_) view.*q->view = static_cast<double*>(memory.data());
        return view;
    }
    std::vector<Finding> judge(const Problem& tile, const truth::Result& t, const Bounds& bounds) const {
        const std::vector<std::size_t> of = blocks_of_tile(big_, tile);
        Problem by_block = big_;
        by_block.dtype = DType::f64, by_block.shape = {1, std::ssize(of), 1};
        std::vector<Finding> all;
        for (const auto& [q, memory] : kept_) {
            const std::vector<truth::Wide> right = q->in(t);
            std::vector<truth::Wide> wanted;
            std::vector<double> bound;
            for (const std::size_t b : of) wanted.push_back(right[b]), bound.push_back((bounds.*q->bound)[b]);
            all.push_back(compare(q->name, by_block, read_channels(memory, DType::f64), wanted, bound));
        }
        return all;
    }

private:
    const Problem& big_;
    std::vector<std::pair<const QuantityRow*, Memory>> kept_;
};

// The tile with dy = 1 at those places of the large tensor: how many of them each element of the tile stands for.
Inputs<double> with_places(Inputs<double> tile, const Problem& big, const std::vector<std::size_t>& places) {
    const Shape& t = tile.problem.shape;
    std::ranges::fill(tile.dy, 0);
    for (const std::size_t k : places) {
        const auto at = static_cast<std::int64_t>(k), n = at / big.shape.S % t.N, s = at % big.shape.S % t.S;
        for (std::int64_t c = 0; c < t.C; ++c) tile.dy[static_cast<std::size_t>((n * t.C + c) * t.S + s)] += 1;
    }
    return tile;
}

constexpr std::size_t most_elsewhere = std::size_t{1} << 28;  // bytes

// What call(result) finds where the result lies over an input: half the memory. Where something is wrong there, the
// result is written elsewhere once more, and the findings say whether it is wrong there too.
template <class Call>
std::vector<Finding> in_place(Memory& over, std::string_view said, Call call) {
    const auto fails = [](const Finding& f) { return f.verdict == Verdict::fail; };
    std::vector<Finding> all = call(over), elsewhere;
    if (std::ranges::none_of(all, fails)) return all;
    if (over.bytes() <= most_elsewhere) {
        Memory beside(over.device(), over.bytes());
        elsewhere = call(beside);
    }
    for (std::size_t k = 0; k < all.size(); ++k)
        if (fails(all[k]))
            all[k].note = fmt::format("called in place, {}{}", said,
                                      elsewhere.empty()     ? ""
                                      : fails(elsewhere[k]) ? "; not in place it fails too"
                                                            : "; not in place it holds");
    return all;
}

std::vector<Finding> tiled(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(tile_of(c));
    Problem big = c.problem();
    big.device = implementation.device();
    const DType params = big.params();
    const auto C = static_cast<std::size_t>(big.shape.C);
    const double block = static_cast<double>(big.block_size()) / static_cast<double>(in.problem.block_size());
    const double channel =
        static_cast<double>(big.shape.N * big.shape.S) / static_cast<double>(in.problem.shape.N * in.problem.shape.S);
    const bool norm = big.spec.moments == Moments::norm;  // grows with the tensor: w = (g / sqrt(repeats)) v / |tile|

    Inputs<double> as_tile = in;
    if (norm) as_tile.problem.spec.eps /= std::pow(block, 0.5 * in.problem.spec.eps_degree());
    if (norm)
        for (double& g : as_tile.gamma) g /= std::sqrt(block);
    if (norm && in.gamma.empty())
        as_tile.gamma.assign(static_cast<std::size_t>(in.problem.shape.C), 1 / std::sqrt(block));
    const truth::Result t = truth::evaluate(as_tile);
    const Bounds bounds = error_bounds(as_tile, t, implementation.accumulation(c.dtype), Limit::hard, {block, channel});

    Operation operation(big, implementation);
    SavedMemory memory_of_saved(operation);
    KeptStatistics statistics(implementation, big);
    const SavedView saved = statistics.in(memory_of_saved.view());
    Tiled tensor(big, in.problem.shape);
    Memory x(big.device, tensor.bytes()), dy;
    const auto optional_channels = [&](const std::vector<double>& v) {
        return v.empty() ? Memory() : channels_on(big.device, params, v, C);
    };
    const Memory gamma = optional_channels(in.gamma), beta = optional_channels(in.beta);
    Memory mean, spread;
    std::int64_t count = in.state.count;
    StateView state;
    const bool stateful = big.spec.running != Running::none;
    if (stateful) {
        mean = channels_on(big.device, DType::f64, in.state.mean, C);
        spread = channels_on(big.device, DType::f64, spread_of(in.state), C);
        state.mean = static_cast<double*>(mean.data()), state.count = &count;
        spread_of(state, big.spec) = static_cast<double*>(spread.data());
    }
    const auto view = [&](const Memory& m) { return Tensor{m.data(), big.dtype, big.shape, big.layout, big.device}; };
    const Affine affine{gamma.data(), beta.data()};

    std::vector<Finding> all;
    const auto add = [&](std::vector<Finding> some) {
        all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
    };
    add(in_place(x, "y over x", [&](Memory& y) {
        tensor.fill(x, in.x);
        const bool first = &y == &x;
        std::optional<SavedMemory> other;  // what the first call kept stays
        Memory other_mean, other_spread;
        std::int64_t other_count = in.state.count;
        StateView moved = state;
        if (stateful && !first) {
            other_mean = channels_on(big.device, DType::f64, in.state.mean, C);
            other_spread = channels_on(big.device, DType::f64, spread_of(in.state), C);
            moved.mean = static_cast<double*>(other_mean.data()), moved.count = &other_count;
            spread_of(moved, big.spec) = static_cast<double*>(other_spread.data());
        }
        if (!first) other.emplace(operation);
        operation.forward(view(x), affine, moved, first ? saved : other->view(), view(y));
        synchronize(big.device);
        return std::vector{tensor.judge("y", y, t.y, bounds.y)};
    }));
    if (big.own_statistics() && !norm) add(statistics.judge(in.problem, t, bounds));

    tensor.fill(x, in.x);
    dy = Memory(big.device, tensor.bytes());
    Memory dgamma(big.device, C * size_of(params)), dbeta(big.device, C * size_of(params));
    Problem by_channel = big;
    by_channel.shape = {1, big.shape.C, 1}, by_channel.dtype = params;
    const std::string_view dx_over_dy = "dx over dy";
    add(in_place(dy, dx_over_dy, [&](Memory& dx) {
        tensor.fill(dy, in.dy);
        operation.backward(view(x), view(dy), affine, saved, {view(dx), dgamma.data(), dbeta.data()});
        synchronize(big.device);
        return std::vector{
            tensor.judge("dx", dx, t.dx, bounds.dx),
            compare("dgamma", by_channel, read_channels(dgamma, params),
                    repeated(t.dgamma, C, norm ? channel / std::sqrt(block) : channel), repeated(bounds.dgamma, C, 1)),
            compare("dbeta", by_channel, read_channels(dbeta, params), repeated(t.dbeta, C, channel),
                    repeated(bounds.dbeta, C, 1))};
    }));

    // Sums over many rows, of which few are not 0: one that is lost is seen, however loose the bound of a long sum.
    const std::vector<std::size_t> places = tail_places(static_cast<std::size_t>(big.shape.N * big.shape.S), c.seed);
    const Inputs<double> few = with_places(as_tile, big, places);
    const truth::Result of_few = truth::evaluate(few);
    // as many terms as places, though some share an element of the tile
    const Bounds few_bounds = error_bounds(few, of_few, implementation.accumulation(c.dtype), Limit::hard,
                                           {block, 1, static_cast<double>(places.size())});
    add(in_place(dy, dx_over_dy, [&](Memory& dx) {
        tensor.fill_places(dy, places);
        operation.backward(view(x), view(dy), affine, saved, {view(dx), dgamma.data(), dbeta.data()});
        synchronize(big.device);
        return std::vector{
            compare("dgamma of few rows", by_channel, read_channels(dgamma, params),
                    repeated(of_few.dgamma, C, norm ? 1 / std::sqrt(block) : 1), repeated(few_bounds.dgamma, C, 1)),
            compare("dbeta of few rows", by_channel, read_channels(dbeta, params), repeated(of_few.dbeta, C, 1),
                    repeated(few_bounds.dbeta, C, 1))};
    }));

    if (stateful && c.mode == Mode::train && big.spec.block.samples)
        for (Finding& f : moved_state(implementation, big, in, t, bounds, mean, spread)) all.push_back(std::move(f));
    return all;
}

}  // namespace

extern const Check tiled_check{
    "tiled",
    "a tensor that repeats a tile gives what the tile gives: long blocks, many rows and channels, 64-bit offsets",
    false,
    tiled_refuses,
    tiled_cases,
    tiled};

}  // namespace normlab::verify
