#include "verify/truth/truth.hpp"

#include <array>
#include <map>

#include "verify/truth/tape.hpp"

namespace normlab::truth {
namespace {

Quad clip(const Quad& v, const Quad& low, const Quad& high) { return v < low ? low : v > high ? high : v; }

// x_hat of one block, by definition. T is Quad, or Recorded to differentiate.
template <class T>
std::vector<T> normalize(const Problem& p, const std::vector<T>& x, Block& block) {
    using std::sqrt;
    T mean(block.mean), spread(block.s);  // as given, where statistics come from State
    if (p.own_statistics()) {
        const T m(Quad(static_cast<double>(x.size())));
        const bool centred = p.spec.moments == Moments::centred;
        T total(Quad(0)), squares(Quad(0));
        for (const T& v : x) total = total + v;
        mean = centred ? total / m : T(Quad(0));
        for (const T& v : x) squares = squares + (v - mean) * (v - mean);
        const T var = squares / T(Quad(block.divisor));
        block.mean = value_of(mean);
        block.var = value_of(var);
        if (block.var + Quad(p.spec.eps) == 0) {
            block.s = 0;
            return std::vector<T>(x.size(), T(Quad(0)));
        }
        spread = sqrt(var + T(Quad(p.spec.eps)));
        block.s = value_of(spread);
    }
    std::vector<T> x_hat;
    for (const T& v : x) x_hat.push_back((v - mean) / spread);
    return x_hat;
}

// The running statistics of one channel, moved as norm.hpp says; its own words for the formulas of running_stats.hpp.
class Running {
public:
    Running(const Problem& p, const State& state) : spec_(p.spec), count_(state.count) {
        for (std::size_t c = 0; c < state.mean.size(); ++c) {
            mean.push_back(Quad(state.mean[c]));
            spread.push_back(Quad(keeps_sigma() ? state.sigma[c] : state.var[c]));
        }
    }
    bool keeps_sigma() const { return spec_.running == normlab::Running::sigma; }
    Quad sigma(std::size_t c) const { return keeps_sigma() ? spread[c] : sqrt(spread[c] + Quad(spec_.eps)); }

    void step(std::size_t c, std::int64_t step_number, const Quad& batch_mean, const Quad& batch_spread) {
        const Quad a = spec_.momentum ? Quad(*spec_.momentum) : Quad(1) / Quad(count_ + step_number + 1);
        mean[c] += a * (batch_mean - mean[c]);
        spread[c] += a * (batch_spread - spread[c]);
    }
    Quad spread_of(const Block& b) const {
        if (keeps_sigma()) return b.s;
        const Quad m(static_cast<double>(b.elements.size()));
        return spec_.running == normlab::Running::unbiased_variance ? b.var * m / (m - 1) : b.var;
    }

    std::vector<Quad> mean, spread;

private:
    const Spec& spec_;
    std::int64_t count_;
};

// Batch renorm's r and d, of a block of channel c.
void correct(Block& block, const Spec& spec, const Running& running, std::size_t c) {
    block.raw_r = block.s / running.sigma(c);
    block.raw_d = (block.mean - running.mean[c]) / running.sigma(c);
    block.r = clip(block.raw_r, 1 / Quad(spec.r_max), Quad(spec.r_max));
    block.d = clip(block.raw_d, -Quad(spec.d_max), Quad(spec.d_max));
}

// Instance norm: one step, the mean over samples.
void step_over_samples(Running& running, const std::vector<Block>& blocks, std::size_t C) {
    const std::size_t samples = blocks.size() / C;
    for (std::size_t c = 0; c < C; ++c) {
        Quad mean = 0, spread = 0;
        for (std::size_t n = 0; n < samples; ++n) {
            mean += blocks[n * C + c].mean;
            spread += running.spread_of(blocks[n * C + c]);
        }
        running.step(c, 0, mean / Quad(samples), spread / Quad(samples));
    }
}

}  // namespace

std::vector<std::vector<std::size_t>> index_sets(const Problem& p) {
    // slice or sample, channel or group, position: blocks in the order of Saved
    using Key = std::array<std::int64_t, 3>;
    const auto [N, C, S] = p.shape;
    const Axes& spans = p.spec.block;
    const std::int64_t D = C / p.spec.groups, slice = p.spec.stat_batch > 0 ? p.spec.stat_batch : N;
    std::map<Key, std::vector<std::size_t>> found;
    std::size_t i = 0;
    for (std::int64_t n = 0; n < N; ++n)
        for (std::int64_t c = 0; c < C; ++c)
            for (std::int64_t s = 0; s < S; ++s, ++i) {
                Key key{spans.samples ? n / slice : n, c, spans.positions ? 0 : s};
                if (spans.channels) key[1] = spans.groups ? 0 : c / D;
                if (!p.own_statistics()) key = {0, c, 0};
                found[key].push_back(i);
            }
    std::vector<std::vector<std::size_t>> sets;
    for (auto& [key, elements] : found) sets.push_back(std::move(elements));
    return sets;
}

Result evaluate(const verify::Inputs<double>& in) {
    const Problem& p = in.problem;
    const auto C = static_cast<std::size_t>(p.shape.C), S = static_cast<std::size_t>(p.shape.S);
    const auto channel_of = [&](std::size_t i) { return i / S % C; };
    const bool trains = p.mode == Mode::train && p.spec.running != normlab::Running::none;
    Running running(p, in.state);

    Result out;
    for (auto& elements : index_sets(p)) {
        out.blocks.emplace_back();
        out.blocks.back().divisor = p.spec.moments == Moments::norm ? 1 : static_cast<double>(elements.size());
        out.blocks.back().elements = std::move(elements);
    }
    out.x_hat.resize(in.x.size());
    out.y.resize(in.x.size());
    if (!in.dy.empty()) {
        out.dx.resize(in.x.size());
        out.dgamma.assign(C, Quad(0));
        out.dbeta.assign(C, Quad(0));
    }
    Tape tape;
    for (std::size_t b = 0; b < out.blocks.size(); ++b) {
        Block& block = out.blocks[b];
        const std::size_t c0 = channel_of(block.elements[0]);
        if (!p.own_statistics()) {
            block.mean = running.mean[c0];
            block.s = running.sigma(c0);
            block.var = running.keeps_sigma() ? block.s * block.s - Quad(p.spec.eps) : running.spread[c0];
        }
        tape.clear();
        std::vector<Recorded> x, gamma(C), beta(C);
        for (std::size_t i : block.elements) x.emplace_back(Quad(in.x[i]), tape);
        for (std::size_t c = 0; c < C; ++c) {  // those of the block's channels are used
            gamma[c] = Recorded(Quad(in.gamma.empty() ? 1 : in.gamma[c]), tape);
            beta[c] = Recorded(Quad(in.beta.empty() ? 0 : in.beta[c]), tape);
        }
        const std::vector<Recorded> x_hat = normalize(p, x, block);
        if (p.has_correction()) correct(block, p.spec, running, c0);
        if (trains && p.spec.block.samples)  // block b is channel b % C of slice b / C
            running.step(c0, static_cast<std::int64_t>(b / C), block.mean, running.spread_of(block));
        if (p.spec.centred() && block.s != 0)
            block.kappa = static_cast<double>(sqrt(1 + block.mean * block.mean / (block.s * block.s)));

        Recorded loss(Quad(0));
        for (std::size_t k = 0; k < x_hat.size(); ++k) {
            const std::size_t i = block.elements[k], c = channel_of(i);
            const Recorded y = gamma[c] * (x_hat[k] * Recorded(block.r) + Recorded(block.d)) + beta[c];
            out.x_hat[i] = x_hat[k].value;
            out.y[i] = y.value;
            if (!in.dy.empty()) loss = loss + Recorded(Quad(in.dy[i])) * y;
        }
        if (in.dy.empty()) continue;
        const std::vector<Quad> by = tape.derivatives(loss.node);
        for (std::size_t k = 0; k < x.size(); ++k) out.dx[block.elements[k]] = by[x[k].node];
        for (std::size_t c = 0; c < C; ++c) {
            out.dgamma[c] += by[gamma[c].node];
            out.dbeta[c] += by[beta[c].node];
        }
    }
    if (trains && !p.spec.block.samples) step_over_samples(running, out.blocks, C);
    out.running_mean = running.mean;
    out.running_spread = running.spread;
    return out;
}

}  // namespace normlab::truth
