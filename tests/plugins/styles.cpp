// Right kernels in the styles that people write, any variant, each with its honest declaration: none may fail a check.
// The option is the style: styles.so:welford. One is wrong, for verify --exhaustive: one_pair, for one pair of values.

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "norms/half.hpp"
#include "norms/plugin.h"

namespace {

using Floats = std::vector<float>;

struct Moments {
    double mean, var;
};

// ---- sums ----

float plain(const Floats& v) {
    float sum = 0;
    for (float e : v) sum += e;
    return sum;
}
float pairwise(const float* v, std::size_t n) {
    return n == 0 ? 0 : n == 1 ? v[0] : pairwise(v, n / 2) + pairwise(v + n / 2, n - n / 2);
}
float kahan(const Floats& v) {
    float sum = 0, lost = 0;
    for (float e : v) {
        const float y = e - lost, t = sum + y;
        lost = (t - sum) - y, sum = t;
    }
    return sum;
}
double wide(const Floats& v) {
    double sum = 0;
    for (float e : v) sum += e;
    return sum;
}
template <std::size_t lanes>
float in_lanes(const Floats& v) {
    float partial[lanes] = {}, sum = 0;
    const std::size_t body = v.size() / lanes * lanes;
    for (std::size_t i = 0; i < body; ++i) partial[i % lanes] += v[i];
    for (float p : partial) sum += p;
    for (std::size_t i = body; i < v.size(); ++i) sum += v[i];
    return sum;
}
// Threads that add to one float, each its share, in the order in which they come: drawn, so that one core shows it too.
float atomics(const Floats& v) {
    static std::atomic<unsigned> calls = 0;
    const std::size_t n = v.size(), first = n ? ++calls * 2654435761u % n : 0;
    float sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += v[(first + i) % n];
    return sum;
}

// ---- statistics; divisor: m, or 1 for a norm ----

using Sum = double (*)(const Floats&);

template <auto sum>
Moments two_pass(const Floats& x, bool centred, double divisor, double) {
    const auto mean = static_cast<decltype(sum(x))>(centred ? sum(x) / static_cast<float>(x.size()) : 0);
    Floats squares;
    for (float v : x) {
        const auto d = static_cast<float>(v - mean);
        squares.push_back(d * d);
    }
    return {mean, sum(squares) / divisor};
}
// max(0, v) would hide that v is NaN.
template <class T>
T not_below_0(T v) {
    return v < 0 ? 0 : v;
}
// About a pivot, in one pass.
Moments shifted(const Floats& x, bool centred, double divisor, double pivot) {
    const float p = centred ? static_cast<float>(pivot) : 0, m = static_cast<float>(x.size());
    float sum = 0, squares = 0;
    for (float v : x) {
        const float d = v - p;
        sum += d, squares += d * d;
    }
    if (!centred) return {0, squares / divisor};
    const float off = sum / m;
    return {p + off, not_below_0((squares - sum * off) / m)};
}
Moments about_first(const Floats& x, bool centred, double divisor, double) {
    return shifted(x, centred, divisor, x[0]);
}
Moments welford(const Floats& x, bool centred, double divisor, double) {
    if (!centred) return two_pass<plain>(x, centred, divisor, 0);
    float mean = 0, m2 = 0, n = 0;
    for (float v : x) {
        const float d = v - mean;
        mean += d / ++n, m2 += d * (v - mean);
    }
    return {mean, m2 / n};
}
struct Part {
    float n, mean, m2;
};
Part chan(const float* v, std::size_t n) {
    if (n == 1) return {1, v[0], 0};
    const Part a = chan(v, n / 2), b = chan(v + n / 2, n - n / 2);
    const float d = b.mean - a.mean, all = a.n + b.n;
    return {all, a.mean + d * (b.n / all), a.m2 + b.m2 + d * d * (a.n * b.n / all)};
}
float pairs(const Floats& v) { return pairwise(v.data(), v.size()); }
Moments merged(const Floats& x, bool centred, double divisor, double) {
    if (!centred) return two_pass<pairs>(x, centred, divisor, 0);
    const Part all = chan(x.data(), x.size());
    return {all.mean, all.m2 / all.n};
}
Moments fused(const Floats& x, bool centred, double divisor, double) {
    const float mean = centred ? plain(x) / static_cast<float>(x.size()) : 0;
    float squares = 0;
    for (float v : x) squares = std::fma(v - mean, v - mean, squares);
    return {mean, squares / divisor};
}
Moments in_double(const Floats& x, bool centred, double divisor, double) {
    const double mean = centred ? wide(x) / static_cast<double>(x.size()) : 0;
    double squares = 0;
    for (float v : x) squares += (v - mean) * (v - mean);
    return {mean, squares / divisor};
}
Moments one_pass_in_double(const Floats& x, bool centred, double divisor, double) {
    double sum = 0, squares = 0;
    for (double v : x) sum += v, squares += v * v;
    if (!centred) return {0, squares / divisor};
    const double mean = sum / static_cast<double>(x.size());
    return {mean, not_below_0(squares / static_cast<double>(x.size()) - mean * mean)};
}

// ---- styles ----

template <auto sum>
double sum_of(const Floats& v) {
    return sum(v);
}
float root(float v) { return 1 / std::sqrt(v); }
float newton(float v) {  // an estimate of a table, and Newton's steps
    if (!std::isnormal(v) || v > 1e37f) return root(v);
    float r = std::bit_cast<float>(0x5f3759dfu - (std::bit_cast<std::uint32_t>(v) >> 1));
    for (int k = 0; k < 4; ++k) r = r * (1.5f - 0.5f * v * r * r);
    return r;
}

struct Style {
    int accumulation = NORMLAB_SEQUENTIAL;
    Moments (*moments)(const Floats&, bool, double, double) = two_pass<plain>;
    Sum sum = sum_of<plain>;  // of backward
    bool nondeterministic = false, about_running = false, recomputes = false, keeps_x_hat = false, threads = false,
         coefficients = false, fma = false, in_double = false, by_memory = false, moves_state = false, one_pair = false;
    float (*rstd)(float) = root;
};

const std::map<std::string, Style> styles{
    {"naive", {}},
    {"welford", {.moments = welford}},
    {"chan", {.accumulation = NORMLAB_TREE, .moments = merged, .sum = sum_of<pairs>}},
    {"kahan", {.accumulation = NORMLAB_TREE, .moments = two_pass<kahan>, .sum = sum_of<kahan>}},
    {"pairwise", {.accumulation = NORMLAB_TREE, .moments = two_pass<pairs>, .sum = sum_of<pairs>}},
    {"pivot_first", {.accumulation = NORMLAB_PIVOT, .moments = about_first}},
    {"pivot_running", {.accumulation = NORMLAB_PIVOT, .moments = shifted, .about_running = true}},
    {"double", {.accumulation = NORMLAB_DOUBLE, .moments = in_double, .sum = wide}},
    {"one_pass_double", {.accumulation = NORMLAB_TREE, .moments = one_pass_in_double, .sum = wide}},
    {"kappa_free", {.accumulation = NORMLAB_KAPPA_FREE, .moments = in_double, .sum = wide, .in_double = true}},
    {"fma", {.moments = fused, .fma = true}},
    {"recomputed", {.recomputes = true}},
    {"moves_state", {.moves_state = true}},
    {"threads", {.threads = true}},
    {"lanes4", {.moments = two_pass<in_lanes<4>>, .sum = sum_of<in_lanes<4>>}},
    {"lanes8", {.moments = two_pass<in_lanes<8>>, .sum = sum_of<in_lanes<8>>}},
    {"lanes16", {.moments = two_pass<in_lanes<16>>, .sum = sum_of<in_lanes<16>>}},
    {"atomics", {.moments = two_pass<atomics>, .sum = sum_of<atomics>, .nondeterministic = true}},
    {"newton", {.rstd = newton}},
    {"keeps_x_hat", {.keeps_x_hat = true}},
    {"coefficients", {.coefficients = true}},
    {"by_memory", {.by_memory = true}},
    {"one_pair", {.one_pair = true}},
};

}  // namespace

struct normlab_plan {
    const Style& style;
    normlab_problem p;
    bool own, renorm, centred;
    int threads = 1;
    struct Element {
        std::int64_t at, channel;  // in memory
    };
    std::vector<std::vector<Element>> blocks, channels;
    std::vector<std::size_t> block_of;  // by place in memory

    normlab_plan(const Style& s, const normlab_problem& problem);

    float load(const void* from, std::int64_t i) const {
        if (p.dtype == NORMLAB_F32) return static_cast<const float*>(from)[i];
        return p.dtype == NORMLAB_BF16 ? static_cast<float>(static_cast<const normlab::bf16*>(from)[i])
                                       : static_cast<float>(static_cast<const normlab::f16*>(from)[i]);
    }
    void store(void* to, std::int64_t i, float v) const {
        if (p.dtype == NORMLAB_F32) static_cast<float*>(to)[i] = v;
        else if (p.dtype == NORMLAB_BF16) static_cast<normlab::bf16*>(to)[i] = normlab::bf16(v);
        else static_cast<normlab::f16*>(to)[i] = normlab::f16(v);
    }
    double inverse(double var) const {
        if (var + p.eps == 0) return 0;
        return style.in_double || style.accumulation == NORMLAB_DOUBLE
                   ? 1 / std::sqrt(var + p.eps)
                   : style.rstd(static_cast<float>(var) + static_cast<float>(p.eps));
    }
    // x_hat, in the precision of the style.
    double x_hat(float x, double mean, double rstd) const {
        if (style.in_double) return (x - mean) * rstd;
        if (style.coefficients && centred) {
            const float a = static_cast<float>(rstd), b = static_cast<float>(-mean) * a;
            return x * a + b;
        }
        return (x - static_cast<float>(mean)) * static_cast<float>(rstd);
    }
    void each(std::size_t n, const std::function<void(std::size_t)>& f) const {
        if (!style.threads || threads < 2 || n < 2) {
            for (std::size_t i = 0; i < n; ++i) f(i);
            return;
        }
        std::vector<std::thread> all;
        const auto step = static_cast<std::size_t>(threads);
        for (std::size_t t = 0; t < step; ++t)
            all.emplace_back([&, t] {
                for (std::size_t i = t; i < n; i += step) f(i);
            });
        for (std::thread& t : all) t.join();
    }
    Moments measure(std::size_t b, const void* x, const normlab_state& s) const;
    void move(const normlab_state& s, const std::vector<Moments>& of) const;
    void forward(const normlab_forward_args& a) const;
    void backward(const normlab_backward_args& a) const;
};

normlab_plan::normlab_plan(const Style& s, const normlab_problem& problem)
    : style(s), p(problem), own(p.mode == NORMLAB_TRAIN || p.running == NORMLAB_RUNNING_NONE),
      renorm(p.correction == NORMLAB_RENORM && p.mode == NORMLAB_TRAIN), centred(p.moments == NORMLAB_CENTRED),
      blocks(static_cast<std::size_t>(p.statistics)), channels(static_cast<std::size_t>(p.C)),
      block_of(static_cast<std::size_t>(p.N * p.C * p.S)) {
    const std::int64_t slice = p.stat_batch ? p.stat_batch : p.N, D = p.C / p.groups;
    for (std::int64_t n = 0; n < p.N; ++n)
        for (std::int64_t c = 0; c < p.C; ++c)
            for (std::int64_t k = 0; k < p.S; ++k) {
                const std::int64_t first = p.block & NORMLAB_SAMPLES ? n / slice : n;
                const std::int64_t width = p.block & NORMLAB_GROUPS ? 1 : p.block & NORMLAB_CHANNELS ? p.groups : p.C;
                const std::int64_t second = p.block & NORMLAB_GROUPS ? 0 : p.block & NORMLAB_CHANNELS ? c / D : c;
                const bool apart = !(p.block & NORMLAB_POSITIONS);
                const std::int64_t b = !own ? c : (first * width + second) * (apart ? p.S : 1) + (apart ? k : 0);
                const std::int64_t at =
                    p.layout == NORMLAB_CHANNELS_LAST ? (n * p.S + k) * p.C + c : (n * p.C + c) * p.S + k;
                blocks[static_cast<std::size_t>(b)].push_back({at, c});
                channels[static_cast<std::size_t>(c)].push_back({at, c});
                block_of[static_cast<std::size_t>(at)] = static_cast<std::size_t>(b);
            }
    if (style.by_memory)
        for (auto* lists : {&blocks, &channels})
            for (auto& list : *lists) std::ranges::sort(list, {}, &Element::at);
}

Moments normlab_plan::measure(std::size_t b, const void* x, const normlab_state& s) const {
    Floats v;
    for (const Element& e : blocks[b]) v.push_back(load(x, e.at));
    const double pivot = style.about_running && s.mean ? s.mean[blocks[b][0].channel] : v[0];
    Moments got = style.moments(v, centred, p.moments == NORMLAB_NORM ? 1 : static_cast<double>(v.size()), pivot);
    if (style.accumulation == NORMLAB_TREE || style.accumulation == NORMLAB_SEQUENTIAL)
        got = {static_cast<float>(got.mean), static_cast<float>(got.var)};
    if (style.one_pair && v.size() == 2 && v[0] == 3.140625f && v[1] == -0.0078125f) got.var *= 1.1;
    return got;
}

void normlab_plan::move(const normlab_state& s, const std::vector<Moments>& of) const {
    const auto C = static_cast<std::size_t>(p.C), steps = p.block & NORMLAB_SAMPLES ? of.size() / C : 1,
               averaged = of.size() / C / steps;
    for (std::size_t k = 0; k < steps; ++k, ++*s.count) {
        const double a = p.momentum < 0 ? 1 / static_cast<double>(*s.count + 1) : p.momentum;
        for (std::size_t c = 0; c < C; ++c) {
            double mean = 0, spread = 0;
            for (std::size_t n = 0; n < averaged; ++n) {
                const Moments& one = of[(k * averaged + n) * C + c];
                const auto m = static_cast<double>(blocks[c].size());
                mean += one.mean / static_cast<double>(averaged);
                spread += (p.running == NORMLAB_RUNNING_SIGMA               ? std::sqrt(one.var + p.eps)
                           : p.running == NORMLAB_RUNNING_UNBIASED_VARIANCE ? one.var * m / (m - 1)
                                                                            : one.var) /
                          static_cast<double>(averaged);
            }
            double& kept = s.sigma ? s.sigma[c] : s.var[c];
            s.mean[c] = (1 - a) * s.mean[c] + a * mean, kept = (1 - a) * kept + a * spread;
        }
    }
}

void normlab_plan::forward(const normlab_forward_args& a) const {
    std::vector<Moments> of(blocks.size());
    std::vector<double> r(blocks.size(), 1), d(blocks.size(), 0);
    const auto *gamma = static_cast<const float*>(a.gamma), *beta = static_cast<const float*>(a.beta);
    each(blocks.size(), [&](std::size_t b) {
        if (own) of[b] = measure(b, a.x, a.state);
        else of[b] = {a.state.mean[b], a.state.sigma ? a.state.sigma[b] * a.state.sigma[b] - p.eps : a.state.var[b]};
        const double rstd = own || !a.state.sigma ? inverse(of[b].var) : 1 / a.state.sigma[b];
        if (renorm) {
            const auto c = static_cast<std::size_t>(blocks[b][0].channel);
            const double sigma = a.state.sigma ? a.state.sigma[c] : std::sqrt(a.state.var[c] + p.eps);
            r[b] = std::clamp(std::sqrt(of[b].var + p.eps) / sigma, 1 / p.r_max, p.r_max);
            d[b] = std::clamp((of[b].mean - a.state.mean[c]) / sigma, -p.d_max, p.d_max);
            a.saved.r[b] = r[b], a.saved.d[b] = d[b];
        }
        for (const Element& e : blocks[b]) {
            const double hat = x_hat(load(a.x, e.at), of[b].mean, rstd);
            if (style.keeps_x_hat) static_cast<float*>(a.saved.opaque)[e.at] = static_cast<float>(hat);
            const float scale = gamma ? gamma[e.channel] : 1, shift = beta ? beta[e.channel] : 0;
            if (style.in_double) store(a.y, e.at, static_cast<float>(scale * (hat * r[b] + d[b]) + shift));
            else {
                float h = static_cast<float>(hat);
                if (renorm) h = h * static_cast<float>(r[b]) + static_cast<float>(d[b]);
                store(a.y, e.at, style.fma ? std::fma(scale, h, shift) : scale * h + shift);
            }
        }
        if (a.saved.mean) a.saved.mean[b] = of[b].mean;
        if (a.saved.var) a.saved.var[b] = of[b].var;
        if (a.saved.rstd) a.saved.rstd[b] = rstd;
    });
    if (style.moves_state && p.mode == NORMLAB_TRAIN && p.running != NORMLAB_RUNNING_NONE) move(a.state, of);
}

void normlab_plan::backward(const normlab_backward_args& a) const {
    const auto* gamma = static_cast<const float*>(a.gamma);
    std::vector<double> mean(blocks.size()), rstd(blocks.size());
    Floats hat(block_of.size());
    each(blocks.size(), [&](std::size_t b) {
        mean[b] = a.saved.mean[b], rstd[b] = a.saved.rstd[b];
        if (style.recomputes && own) {
            const Moments again = measure(b, a.x, {});
            mean[b] = again.mean, rstd[b] = inverse(again.var);
        }
        for (const Element& e : blocks[b])
            hat[static_cast<std::size_t>(e.at)] = style.keeps_x_hat
                                                      ? static_cast<const float*>(a.saved.opaque)[e.at]
                                                      : static_cast<float>(x_hat(load(a.x, e.at), mean[b], rstd[b]));
    });
    each(channels.size(), [&](std::size_t c) {  // before dx, which may overwrite dy
        Floats dys, products;
        for (const Element& e : channels[c]) {
            const std::size_t b = block_of[static_cast<std::size_t>(e.at)];
            const float dy = load(a.dy, e.at), h = hat[static_cast<std::size_t>(e.at)];
            dys.push_back(dy);
            products.push_back(dy *
                               (renorm ? h * static_cast<float>(a.saved.r[b]) + static_cast<float>(a.saved.d[b]) : h));
        }
        if (a.dgamma) static_cast<float*>(a.dgamma)[c] = static_cast<float>(style.sum(products));
        if (a.dbeta) static_cast<float*>(a.dbeta)[c] = static_cast<float>(style.sum(dys));
    });
    if (!a.dx) return;
    each(blocks.size(), [&](std::size_t b) {
        Floats g, products;
        for (const Element& e : blocks[b]) {
            g.push_back((gamma ? gamma[e.channel] : 1) * (renorm ? static_cast<float>(a.saved.r[b]) : 1) *
                        load(a.dy, e.at));
            products.push_back(g.back() * hat[static_cast<std::size_t>(e.at)]);
        }
        const auto m = static_cast<float>(g.size()), q = p.moments == NORMLAB_NORM ? 1 : m;
        const auto s = static_cast<float>(rstd[b]);
        const float of_g = own && centred ? static_cast<float>(style.sum(g)) / m : 0,
                    of_hat = own ? static_cast<float>(style.sum(products)) / q : 0;
        for (std::size_t k = 0; k < g.size(); ++k) {
            const std::int64_t at = blocks[b][k].at;
            const float h = hat[static_cast<std::size_t>(at)];
            store(a.dx, at, style.fma ? s * (std::fma(-h, of_hat, g[k]) - of_g) : s * (g[k] - of_g - h * of_hat));
        }
    });
}

namespace {

const Style* chosen = nullptr;

const char* supports(const normlab_problem* p) {
    if (p->dtype == NORMLAB_F64) return "float and the types of 16 bits alone";
    return p->epilogue || (p->stat_batch && p->running != NORMLAB_RUNNING_NONE)
               ? "no slices, and nothing fused behind it"
               : nullptr;
}
int create(const normlab_problem* p, normlab_plan** plan) { return *plan = new normlab_plan(*chosen, *p), 0; }
void destroy(normlab_plan* plan) { delete plan; }
std::size_t saved_bytes(const normlab_plan* plan) {
    return plan->style.keeps_x_hat ? plan->block_of.size() * sizeof(float) : 0;
}
int forward(normlab_plan* plan, const normlab_forward_args* a) { return plan->forward(*a), 0; }
int backward(normlab_plan* plan, const normlab_backward_args* a) { return plan->backward(*a), 0; }
int set_threads(normlab_plan* plan, int threads) { return plan->threads = threads, 0; }

}  // namespace

const normlab_plugin* normlab_plugin_entry(std::uint32_t, const char* options) {
    const auto found = styles.find(options);
    if (found == styles.end()) return nullptr;
    chosen = &found->second;
    static std::string name;
    name = "style_" + found->first;
    static normlab_plugin t{};
    t.size = sizeof t, t.version = NORMLAB_PLUGIN_VERSION, t.name = name.c_str(), t.description = "a right kernel";
    t.saves = NORMLAB_SAVES_MEAN | NORMLAB_SAVES_VAR | NORMLAB_SAVES_RSTD, t.updates_state = chosen->moves_state;
    if (chosen->moves_state) t.saves = NORMLAB_SAVES_MEAN | NORMLAB_SAVES_RSTD;
    for (auto& a : t.accumulation) a = chosen->accumulation;
    t.nondeterministic = chosen->nondeterministic;
    t.supports = supports, t.create = create, t.destroy = destroy, t.saved_bytes = saved_bytes;
    t.forward = forward, t.backward = backward, t.set_threads = set_threads;
    return &t;
}
