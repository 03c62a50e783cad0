#include "bench/gate.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include <fmt/format.h>

#include "bench/probe.hpp"
#include "norms/element.hpp"
#include "verify/check/compare.hpp"
#include "verify/check/quantized.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::bench {
namespace {

constexpr std::int64_t affordable = 16384;  // elements for truth, which takes some 10 us and 2 KB each
constexpr std::uint64_t seed = 1;

using verify::compare, verify::Finding, verify::Quantity, verify::QuantityRow;

void judge(Checked& checked, const Finding& f, const std::string& where) {
    const double ratio = std::isnan(f.error) ? std::numeric_limits<double>::infinity() : f.ratio();
    checked.ratio = std::max(checked.ratio, ratio);
    if (f.verdict == verify::Verdict::pass || !checked.wrong.empty()) return;
    checked.wrong =
        fmt::format("{} in {} at {}: error {:.3g}, bound {:.3g}", f.quantity, where, f.where, f.error, f.bound);
}

struct Results {
    std::map<Quantity, Memory> tensors;                   // y, s, dx
    std::map<Quantity, std::vector<double>> of_channels;  // dgamma, dbeta
    Saved saved;
    std::vector<float> scales;
};

Checked& direction_of(const QuantityRow& q, Gate::Result& result) { return q.by ? result.backward : result.forward; }

void judge_saved(Checked& checked, const Results& got, const Probe& probe, const verify::Bounds& bounds) {
    const auto at = static_cast<std::size_t>(probe.block);
    const truth::Block& b = probe.expected.blocks[0];
    Problem one = probe.in.problem;
    one.dtype = DType::f64, one.shape = {1, 1, 1};
    for (const QuantityRow& q : verify::quantities::saved())
        if (const std::vector<double>& values = got.saved.*q.saved; !values.empty())  // empty: not saved
            judge(checked, compare(q.name, one, {values[at]}, {truth::Wide(q.of_block(b))}, bounds.*q.bound),
                  probe.name);
}

// Every element of the full shape: the numbers drawn are finite, so NaN was never written, and infinity is wrong.
void judge_written(Checked& checked, const QuantityRow& q, const Memory& tensor, const Problem& p) {
    for (std::int64_t i = 0; i < p.shape.size() && checked.wrong.empty(); ++i)
        if (!std::isfinite(read_element<double>(tensor.data(), q.dtype(p), i)))
            checked.wrong =
                fmt::format("{}: element {} of {} in memory is not written, or not finite", q.name, i, p.shape.size());
}

// What is found of a quantity: of a y of 8 bits the numbers, what they stand for, and scales.
std::vector<Finding> findings(const QuantityRow& q, const verify::Inputs<double>& in, const truth::Result& truth,
                              const verify::Bounds& bounds, const verify::Outputs<double>& out) {
    if (q.quantity == Quantity::y && in.problem.spec.quantizes()) return judge_quantized(in, truth, bounds.y, {}, out);
    return {compare(q.name, q.stored(in.problem), q.in(out), q.in(truth), bounds.*q.bound)};
}

void judge_probe(Gate::Result& result, const Probe& probe, const Results& got, Accumulation accumulation) {
    const verify::Bounds bounds = verify::error_bounds(probe.in, probe.expected, accumulation);
    const Problem& p = probe.in.problem;
    const auto picked = [&](const Memory& tensor, DType dtype) {
        std::vector<double> values;
        for (std::int64_t i : probe.places) values.push_back(read_element<double>(tensor.data(), dtype, i));
        return values;
    };
    verify::Outputs<double> out;
    const auto channels = [&](const std::vector<double>& all) {
        const auto first = all.begin() + probe.channel;
        return std::vector<double>(first, first + p.shape.C);
    };
    for (const QuantityRow& q : verify::quantities::outputs(p)) {
        const bool of_block = q.per == verify::Per::element;
        if (!(of_block ? probe.has_block : probe.has_channel) || (q.by && probe.in.dy.empty())) continue;
        if (q.quantity == Quantity::d_residual) continue;  // dx is asked for in its place
        out.*q.output =
            of_block ? picked(got.tensors.at(q.quantity), q.dtype(p)) : channels(got.of_channels.at(q.quantity));
        if (q.quantity == Quantity::y && p.spec.quantizes()) {
            out.q = out.y, out.scale.clear();
            for (const std::size_t k : probe.scales) out.scale.push_back(got.scales[k]);
            dequantize(out, p);
        }
        for (const Finding& f : findings(q, probe.in, probe.expected, bounds, out))
            judge(direction_of(q, result), f, probe.name);
    }
    if (probe.has_block) judge_saved(result.forward, got, probe, bounds);
}

// More and more calls until they take long enough to be believed; the first of all counts only where it takes long
// itself.
template <class F>
double seconds_of(Device device, F&& call) {
    Stopwatch watch(device);
    for (int calls = 1;; calls *= 4) {
        watch.start();
        for (int i = 0; i < calls; ++i) call();
        if (const double seconds = watch.stop(); seconds > (calls == 1 ? 0.05 : 2e-3)) return seconds / calls;
    }
}

}  // namespace

struct Gate::Expected {
    Expected(const Problem& problem, verify::Case cut, bool gradients)
        : p(problem), backward(gradients), in(prepared(cut, gradients)), truth(truth::evaluate(in)),
          data(problem, seed), probes(make_probes(problem, data, gradients, seed)) {}

    static verify::Inputs<double> prepared(const verify::Case& cut, bool gradients) {
        verify::Inputs<double> in = verify::draw(cut);
        if (!gradients) in.dy.clear();
        return in;
    }

    Problem p;
    bool backward;
    verify::Inputs<double> in;
    truth::Result truth;
    Data data;
    std::vector<Probe> probes;
};

Shape Gate::cut_down(const Problem& p) {
    auto [N, C, S] = p.shape;
    if (C > 4 * affordable) C = std::max<std::int64_t>(1, affordable / p.spec.groups) * p.spec.groups;
    N = std::min(N, std::max<std::int64_t>(2, affordable / (C * S)));
    S = std::min(S, std::max<std::int64_t>(N > 1 ? 1 : 2, affordable / (C * N)));
    return {N, C, S};
}

Gate::Gate(const Workload& w, const Problem& problem, bool backward) {
    verify::Case cut{.variant = w.variant,
                     .dtype = problem.dtype,
                     .layout = problem.layout,
                     .mode = problem.mode,
                     .shape = cut_down(problem)};
    if (cut.spec().groups != 1) cut.groups = w.groups;
    cut.eps = w.eps, cut.kappa = 2;
    if (w.activation != Activation::none) cut.activation = w.activation;
    if (w.cast != Cast::after) cut.cast = w.cast;
    if (w.residual != Residual::none) cut.residual = w.residual;
    cut.output = w.output;
    if (w.scale != Scale::given) cut.scale = w.scale;
    if (w.scale_power_of_two) cut.scale_power_of_two = 1;
    if (w.scale_inverse) cut.scale_inverse = 1;
    expected_ = std::make_unique<Expected>(problem, cut, backward);
}

Gate::~Gate() = default;

Gate::Result Gate::check(const Implementation& implementation, int threads) const {
    const Expected& e = *expected_;
    Result result;
    const Accumulation accumulation = implementation.accumulation(e.p.dtype);
    const verify::Bounds bounds = verify::error_bounds(e.in, e.truth, accumulation);
    const verify::Outputs<double> out = verify::run(implementation, e.in);
    const std::string cut = fmt::format("{}x{}x{}", e.in.problem.shape.N, e.in.problem.shape.C, e.in.problem.shape.S);
    for (const QuantityRow& q : verify::quantities::outputs(e.in.problem))
        if (!q.by || e.backward)
            for (const Finding& f : findings(q, e.in, e.truth, bounds, out)) judge(direction_of(q, result), f, cut);

    const Device device = implementation.device();
    const std::size_t bytes = tensor_bytes(e.p), most = std::max(bytes, y_bytes(e.p));
    const bool adds = e.p.spec.adds();
    std::vector<Memory> uploaded;  // on another device than the host
    const auto there = [&](const Memory& host) -> const void* {
        if (device == Device::host) return host.data();
        uploaded.emplace_back(device, bytes).upload({host.at(0), bytes});
        return uploaded.back().data();
    };
    // Filled with ones bits, NaN in every dtype: what is not written is seen.
    const std::vector<std::byte> unwritten(most, std::byte{0xff});
    const auto outcome = [&](const Memory& own) {
        Memory host(Device::host, own.bytes());
        own.download({host.at(0), own.bytes()});
        return host;
    };
    Call call(e.p, implementation, threads, e.data.parameters);
    Memory to(device, most), s(device, adds ? bytes : 0);
    const void *x = there(e.data.x), *residual = adds ? there(e.data.residual) : nullptr;
    const auto forward = [&] { call.forward(x, to.data(), 0, residual, s.data()); };
    to.upload(unwritten);
    if (adds) s.upload({unwritten.data(), bytes});
    forward();
    Results got{{}, {}, call.saved(), call.scales()};
    got.tensors[Quantity::y] = outcome(to);
    if (adds) got.tensors[Quantity::s] = outcome(s);
    if (e.backward) {
        const void *dy = there(e.data.dy), *ds = adds ? there(e.data.ds) : nullptr, *normalized = adds ? s.data() : x;
        const auto backward = [&] { call.backward(normalized, dy, to.data(), 0, ds); };
        to.upload(unwritten);
        backward();
        got.tensors[Quantity::dx] = outcome(to);
        got.of_channels = {{Quantity::dgamma, call.dgamma()}, {Quantity::dbeta, call.dbeta()}};
        result.backward.seconds = seconds_of(device, backward);
    }
    for (const auto& [q, tensor] : got.tensors) judge_written(direction_of(row_of(q), result), row_of(q), tensor, e.p);
    for (const float scale : got.scales)
        if (!std::isfinite(scale) && result.forward.wrong.empty())
            result.forward.wrong = "a scale is not written, or not finite";
    for (const Probe& probe : e.probes) judge_probe(result, probe, got, accumulation);
    result.forward.seconds = seconds_of(device, forward);
    return result;
}

double gate_bytes(const Problem& p) {
    const double block = static_cast<double>(p.own_statistics() ? p.block_size() : p.shape.N * p.shape.S),
                 all = static_cast<double>(p.shape.size());
    const double probed =
        block * std::clamp(std::floor(0x1p21 / block), 1.0, 4.0) + 4 * static_cast<double>(p.shape.N * p.shape.S);
    return (p.spec.adds() ? 10 : 6) * all * static_cast<double>(size_of(p.dtype)) + 200 * probed;
}

}  // namespace normlab::bench
