// What a call promises whatever the numbers are: the same bits however it is made, and no memory touched but what it is
// for.

#include <algorithm>

#include <fmt/format.h>

#include "norms/variants.hpp"
#include "verify/check/twice.hpp"
#include "verify/check/watched.hpp"
#include "verify/truth/elements.hpp"

namespace normlab::verify {
namespace {

// Sizes e in which vector lanes have a body, a tail, or both.
std::vector<Case> sized_cases(const Case& base, const std::vector<std::int64_t>& sizes, bool every_shape) {
    std::vector<Case> cases;
    for (std::size_t k = 0; k < sizes.size(); ++k) {
        const std::int64_t e = sizes[k];
        const std::vector<Shape> shapes{{3, 2, e}, {2, e, 1}, {e, 3, 2}, {3, e, 5}};
        for (std::size_t s = 0; s < shapes.size(); ++s) {
            if (!every_shape && s != k % shapes.size()) continue;
            cases.push_back(with_state(base));
            cases.back().shape = shapes[s];
            if (base.spec().groups > 1) cases.back().groups = shapes[s].C % 3 == 0 ? 3 : shapes[s].C % 2 == 0 ? 2 : 1;
        }
    }
    return cases;
}

std::vector<Case> memory_cases(const Case& base, Tier tier) {
    if (repeats_training(with_state(base))) return {};
    std::vector<Case> cases{with_state(with_small_shape(base))};
    if (tier == Tier::smoke) return cases;
    const auto add = [&](const std::vector<Case>& more) { cases.insert(cases.end(), more.begin(), more.end()); };
    if (tier == Tier::ci) add(sized_cases(base, {1, 3, 7, 17, 65, 257}, false));
    else add(sized_cases(base, {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 129, 255, 257, 513}, true));
    cases.push_back(cases[0]);
    cases.back().affine = AffineUse::none;
    cases.push_back(cases[0]);
    cases.back().residual = Residual::stored;
    if (is_narrow(base.dtype)) cases.back().residual_dtype = DType::f32;
    if (base.dtype == DType::f32)
        for (const AffineSet set : other_sets) cases.push_back(cases[0]), cases.back().affine_set = set;
    if (!is_weights(base.spec())) cases.push_back(cases[0]), cases.back().mask = MaskPattern::poisoned;
    if (arithmetic_dtype(base.dtype) == DType::f32)
        for (const Scale scale : {Scale::given, Scale::block})
            cases.push_back(cases[0]), cases.back().output = DType::e4m3, cases.back().scale = scale;
    if (base.spec().block.samples && may_keep_state(base.spec()) && base.mode == Mode::train) {
        cases.push_back(cases[0]);
        cases.back().shape.N = 6, cases.back().stat_batch = 2;
    }
    // several threads only take part in larger tensors, and none in the reference
    if (tier == Tier::ci && base.dtype == DType::f32 && base.implementation != "reference") {
        cases.push_back(cases[0]);
        cases.back().shape = {64, 48, 13};
    }
    if (tier == Tier::full)
        // enough for several threads and several chunks
        for (const Shape& shape : {Shape{64, 48, 13}, Shape{3, 6, 4099}, Shape{11003, 3, 1}}) {
            cases.push_back(cases[0]);
            cases.back().shape = shape;
        }
    return cases;
}

// --- repeat ----------------------------------------------------------------------------------------------------------

// Views into larger host tensors, with a gap between samples and, channels-last, between positions.
class Sliced {
public:
    Sliced(const Problem& p, DType dtype)
        : view_{nullptr, dtype, p.shape, p.layout, Device::host, p.shape.C * p.shape.S + 5, 0} {
        if (p.layout == Layout::channels_last)
            view_.position_stride = p.shape.C + 3, view_.sample_stride = p.shape.S * view_.position_stride + 7;
        bytes_.assign(static_cast<std::size_t>(p.shape.N * view_.sample_stride + 1) * size_of(dtype), filler);
    }
    Tensor view() {
        Tensor t = view_;
        t.data = &bytes_[size_of(t.dtype)];
        return t;
    }
    void write(const std::vector<double>& values) {
        for_elements(view_,
                     [&](std::size_t i, std::int64_t at) { write_element(view().data, view_.dtype, at, values[i]); });
    }
    std::vector<double> read() {
        std::vector<double> values(static_cast<std::size_t>(view_.shape.size()));
        for_elements(view_, [&](std::size_t i, std::int64_t at) {
            values[i] = read_element<double>(view().data, view_.dtype, at);
        });
        return values;
    }
    bool gaps_intact() {
        std::vector<bool> gap(bytes_.size() / size_of(view_.dtype), true);
        for_elements(view_, [&](std::size_t, std::int64_t at) { gap[static_cast<std::size_t>(at) + 1] = false; });
        for (std::size_t i = 0; i < bytes_.size(); ++i)
            if (gap[i / size_of(view_.dtype)] && bytes_[i] != filler) return false;
        return true;
    }

private:
    static constexpr std::byte filler{0xc3};
    Tensor view_;
    std::vector<std::byte> bytes_;
};

Finding strided(Inputs<double> in, const Implementation& implementation, const std::optional<Bounds>& within) {
    in.v.clear(), in.u.clear(), in.w.clear();
    const Problem& p = in.problem;
    const Outputs<double> expected = run(implementation, in);
    Sliced x(p, p.dtype), y(p, p.outputs()), dy(p, p.dtype), dx(p, p.dtype);
    x.write(in.x), dy.write(in.dy);
    std::vector<float> scale(static_cast<std::size_t>(p.scale_count()));
    std::ranges::transform(in.scale, scale.begin(), [](double v) { return static_cast<float>(v); });
    const DType params = p.params(), sums = p.residuals();
    const bool adds = p.spec.adds();
    Sliced residual(p, sums), ds(p, sums), s(p, sums), d_residual(p, sums);
    if (adds) residual.write(in.residual);
    if (!in.ds.empty()) ds.write(in.ds);
    std::vector<std::byte> gamma(in.gamma.size() * size_of(params)), beta(in.beta.size() * size_of(params)),
        tau(in.tau.size() * size_of(params));
    for (std::size_t c = 0; c < in.gamma.size(); ++c)
        write_element(gamma.data(), params, static_cast<std::int64_t>(c), in.gamma[c]);
    for (std::size_t c = 0; c < in.beta.size(); ++c)
        write_element(beta.data(), params, static_cast<std::int64_t>(c), in.beta[c]);
    for (std::size_t c = 0; c < in.tau.size(); ++c)
        write_element(tau.data(), params, static_cast<std::int64_t>(c), in.tau[c]);
    const Affine affine{gamma.empty() ? nullptr : gamma.data(), beta.empty() ? nullptr : beta.data(),
                        tau.empty() ? nullptr : tau.data()};
    const Mask mask = in.mask.empty() ? nullptr : in.mask.data();
    State state = in.state;
    Saved saved;
    try {
        forward(p.spec, p.mode, x.view(), affine, p.spec.running == Running::none ? nullptr : &state, saved, y.view(),
                implementation, adds ? Added{residual.view(), s.view()} : Added{}, mask, scale.data());
        backward(p.spec, p.mode, adds ? s.view() : x.view(), dy.view(), affine, saved,
                 {dx.view(), nullptr, nullptr, adds ? d_residual.view() : Tensor{}}, implementation,
                 in.ds.empty() ? Tensor{} : ds.view(), mask);
    } catch (const Error& e) {
        Finding f = none_of("strided", 0, "");
        f.note = fmt::format("sliced views are refused: {}", e.what());
        return f;
    }
    if (!y.gaps_intact() || !dx.gaps_intact() || !s.gaps_intact() || !d_residual.gaps_intact())
        return none_of("strided", 1, "elements between the samples of a sliced view were written");
    const auto of_sum = [&](Sliced& t) { return adds ? t.read() : std::vector<double>(); };
    const auto judged = [&](const std::optional<Bounds>& by) {
        const auto same = [&](std::string_view name, const auto& got, const auto& wanted, auto bound) {
            Finding f = same_values("strided", p, got, wanted, tolerance_of(by, bound));
            if (!f.where.empty()) f.where = fmt::format("{} {}", name, f.where);
            return f;
        };
        const bool quantizes = p.spec.quantizes();  // bounds are of what is stored only where it is y itself
        Finding of_y = quantizes && by ? none_of("strided", 0, "")
                                       : same("y", y.read(), quantizes ? expected.q : expected.y, &Bounds::y);
        return worst({of_y, same("dx, asked for alone,", dx.read(), expected.dx, &Bounds::dx),
                      same("s", of_sum(s), expected.s, &Bounds::s),
                      same("d_residual", of_sum(d_residual), expected.d_residual, &Bounds::d_residual),
                      same("running mean", state.mean, expected.state.mean, &Bounds::running_mean),
                      same("saved rstd", saved.rstd, expected.saved.rstd, &Bounds::rstd)});
    };
    // Nobody promises the bits of dense tensors: a kernel may sum those in another order.
    const Finding f = judged(within);
    return f.verdict == Verdict::fail && !within ? judged(bounds_of_two(implementation, in)) : f;
}

std::vector<Finding> repeat(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw_for(c, implementation);
    const WatchedRun plain = run_watched(implementation, in);
    const std::optional<Bounds> within = tolerance(implementation, in);
    std::vector<Breach> breaches = plain.breaches;
    const auto same = [&](std::string_view quantity, const std::vector<How>& ways) {
        std::vector<Finding> all;
        for (const How& how : ways) {
            const WatchedRun r = run_watched(implementation, in, how);
            all.push_back(same_bits(quantity, in.problem, r.results, plain.results, within));
            breaches.insert(breaches.end(), r.breaches.begin(), r.breaches.end());
        }
        return worst(all);
    };
    std::vector<Finding> findings{
        same("twice", {{.calls = 2}}),
        same("other calls between", {{.interleaved = true}}),
        same("dirty workspace", {{.dirt = nan_poison}, {.dirt = huge_poison}}),
        same("threads", {{.threads = 2}, {.threads = 3}, {.threads = 8}, {.threads = 0}}),
        same("misaligned", {{.offset = 1}, {.offset = 3}, {.stagger = 1}}),
        same("in place", {{.in_place = true}, {.offset = 1, .in_place = true}}),
    };
    findings.push_back(strided(in, implementation, within));
    findings.push_back(none_of("memory", breaches.size(), breaches.empty() ? "" : breaches[0].what));
    return findings;
}

// --- contracts -------------------------------------------------------------------------------------------------------

// Bytes that hold the poison in both runs were written in neither; elements that differ between them were written from
// what was there before.
Finding fully_written(const Problem& p, const WatchedRun& nan, const WatchedRun& huge,
                      const std::optional<Bounds>& within) {
    std::size_t unwritten = 0;
    std::string first;
    for (std::size_t a = 0; a < nan.results.size(); ++a) {
        const Array &one = nan.results[a], &other = huge.results[a];
        const std::size_t width = size_of(one.dtype);
        const auto holds = [&](const Array& array, std::size_t i, std::uint8_t poison) {
            return std::all_of(array.bytes.begin() + static_cast<std::ptrdiff_t>(i * width),
                               array.bytes.begin() + static_cast<std::ptrdiff_t>((i + 1) * width),
                               [poison](std::byte b) { return b == std::byte{poison}; });
        };
        for (std::size_t i = 0; i < one.size(); ++i)
            if (holds(one, i, nan_poison) && holds(other, i, huge_poison) && unwritten++ == 0)
                first = fmt::format("{}: element {} in memory was not written", one.name, i);
    }
    if (unwritten > 0) return none_of("outputs written", unwritten, first);
    Finding f = same_bits("outputs written", p, huge.results, nan.results, within);
    if (f.verdict == Verdict::fail)
        f.note = "results depend on what the outputs, or memory outside the arrays, held before";
    return f;
}

std::vector<Finding> contracts(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw_for(c, implementation);
    std::vector<WatchedRun> runs;
    using Edge = system::GuardedMemory::Edge;
    for (const How& how : {How{.poison = nan_poison}, How{.poison = huge_poison},
                           How{.offset = 1, .poison = nan_poison}, How{.in_place = true, .edge = Edge::end},
                           How{.edge = Edge::end}, How{.interleaved = true, .edge = Edge::begin}})
        if (!how.edge || how.in_place || implementation.device() == Device::host)  // elsewhere they are zones
            runs.push_back(run_watched(implementation, in, how));
    std::vector<Breach> breaches;
    for (const WatchedRun& r : runs) breaches.insert(breaches.end(), r.breaches.begin(), r.breaches.end());
    return {breaches_of(Breach::outside, "writes outside", breaches),
            fully_written(in.problem, runs[0], runs[1], tolerance(implementation, in)),
            breaches_of(Breach::input, "inputs modified", breaches),
            breaches_of(Breach::state, "State moved", breaches), breaches_of(Breach::read, "reads outside", breaches)};
}

}  // namespace

extern const Check repeat_check{"repeat",
                                "the same bits twice, with other calls between, with a dirty workspace, with any "
                                "number of threads, misaligned, in place and on sliced views",
                                false,
                                always,
                                memory_cases,
                                repeat,
                                true,
                                true,
                                true,
                                true};
extern const Check contracts_check{
    "contracts",
    "every output is written, nothing else is: no zone around an array, no input, no State in evaluation; nothing "
    "beyond an array is read, and of a plug-in's calls nothing is left behind",
    false,
    always,
    memory_cases,
    contracts,
    true,
    true,
    true,
    true};

}  // namespace normlab::verify
