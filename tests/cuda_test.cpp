// The CUDA kernels through Operation, on device memory: over sizes at the edges of warps, CTAs and parts, in place, on
// a stream of their own, within the bounds of truth, and the same bits twice. Compiled twice: for a device, and with
// emulated kernels (tests/emulation).

#include <cstring>

#include "norms/cuda/runtime.hpp"
#include "norms/names.hpp"
#include "norms/operation.hpp"
#include "norms/variants.hpp"
#include "studies/noise/samples.hpp"
#include "tests/catch.hpp"
#include "verify/check/compare.hpp"
#include "verify/truth/quantities.hpp"

using namespace normlab;
using namespace normlab::verify;

namespace {

using Bytes = std::vector<std::byte>;

// Place in memory of logical element i = (n * C + c) * S + s.
std::int64_t place(const Problem& p, std::size_t i) {
    const auto C = static_cast<std::size_t>(p.shape.C), S = static_cast<std::size_t>(p.shape.S);
    return ConstTensor{nullptr, p.dtype, p.shape, p.layout}.offset(
        static_cast<std::int64_t>(i / (C * S)), static_cast<std::int64_t>(i / S % C), static_cast<std::int64_t>(i % S));
}

Bytes packed(const std::vector<double>& values, DType dtype, auto where) {
    Bytes bytes(values.size() * size_of(dtype));
    for (std::size_t i = 0; i < values.size(); ++i) write_element(bytes.data(), dtype, where(i), values[i]);
    return bytes;
}

Memory on_device(const Bytes& bytes) {
    Memory m(Device::cuda, bytes.size());
    m.upload(bytes);
    return m;
}

Memory on_device(const std::vector<double>& values) {
    return on_device(packed(values, DType::f64, [](std::size_t i) { return static_cast<std::int64_t>(i); }));
}

Bytes downloaded(const Memory& m) {
    Bytes bytes(m.bytes());
    m.download(bytes);
    return bytes;
}

struct DeviceResult {
    Bytes y, dx, dgamma, dbeta, mean, spread, saved;
    std::int64_t count = 0;
    bool operator==(const DeviceResult&) const = default;
};

struct Stream {
    void* get = cuda::new_stream();
    ~Stream() { cuda::release_stream(get); }
};

// A workspace or an output that an earlier call left clean would hide what is not written: everything starts as NaN.
DeviceResult run_on_device(const Inputs<double>& in, bool in_place) {
    const Stream stream;
    Problem p = in.problem;
    p.device = Device::cuda;
    Operation operation(p, find_implementation("cuda"), {0, stream.get});
    const auto in_memory = [&](std::size_t i) { return place(p, i); };
    const auto by_channel = [](std::size_t c) { return static_cast<std::int64_t>(c); };
    const DType params = p.params();
    const std::vector<double> nan(in.x.size(), std::nan("")),
        channel_nan(static_cast<std::size_t>(p.shape.C), std::nan(""));
    const Memory x = on_device(packed(in.x, p.dtype, in_memory)), dy = on_device(packed(in.dy, p.dtype, in_memory));
    const Memory gamma = on_device(packed(in.gamma, params, by_channel)),
                 beta = on_device(packed(in.beta, params, by_channel));
    const Memory other = on_device(packed(nan, p.dtype, in_memory)),
                 other_dx = on_device(packed(nan, p.dtype, in_memory));
    const Memory dgamma = on_device(packed(channel_nan, params, by_channel)),
                 dbeta = on_device(packed(channel_nan, params, by_channel));
    const Memory mean = on_device(in.state.mean), spread = on_device(spread_of(in.state));
    const SavedMemory saved(operation);

    const auto tensor = [&](const Memory& m) { return Tensor{m.data(), p.dtype, p.shape, p.layout, Device::cuda}; };
    const auto absent_if = [](bool absent, const Memory& m) { return absent ? nullptr : m.data(); };
    const Affine affine{absent_if(in.gamma.empty(), gamma), absent_if(in.beta.empty(), beta)};
    DeviceResult out;
    out.count = in.state.count;
    StateView state{.mean = static_cast<double*>(mean.data()), .count = &out.count};
    spread_of(state, p.spec) = static_cast<double*>(spread.data());
    Memory x_or_y = on_device(packed(in.x, p.dtype, in_memory));  // backward needs x, which y may have replaced
    operation.forward(tensor(in_place ? x_or_y : x), affine, state, saved.view(), tensor(in_place ? x_or_y : other));
    const Memory& dx = in_place ? dy : other_dx;
    operation.backward(tensor(x), tensor(dy), affine, saved.view(), {tensor(dx), dgamma.data(), dbeta.data()});
    synchronize(Device::cuda);
    out.y = downloaded(in_place ? x_or_y : other), out.dx = downloaded(dx);
    out.dgamma = downloaded(dgamma), out.dbeta = downloaded(dbeta);
    out.mean = downloaded(mean), out.spread = downloaded(spread);
    out.saved.resize((p.has_correction() ? 5 : 3) * static_cast<std::size_t>(p.statistics_count()) * sizeof(double));
    copy(out.saved.data(), Device::host, saved.view().mean, Device::cuda, out.saved.size());
    return out;
}

void check_case(Case c) {
    c.implementation = "cuda";
    INFO(c.text());
    const Inputs<double> in = draw(c);
    const Problem& p = in.problem;
    const truth::Result t = truth::evaluate(in);
    const Bounds bounds = error_bounds(in, t, find_implementation("cuda").accumulation(p.dtype));
    const DeviceResult out = run_on_device(in, false);
    const auto judge = [&](std::string_view quantity, const Bytes& bytes, DType dtype, bool elements, const auto& truth,
                           const auto& bound) {
        std::vector<double> got(bytes.size() / size_of(dtype));
        for (std::size_t i = 0; i < got.size(); ++i)
            got[i] = read_element<double>(bytes.data(), dtype, elements ? place(p, i) : static_cast<std::int64_t>(i));
        const Finding f = compare(quantity, p, got, truth, bound);
        INFO(f.quantity << ": error " << f.error << ", bound " << f.bound << " " << f.where);
        CHECK(f.verdict == Verdict::pass);
    };
    const DType params = p.params();
    judge("y", out.y, p.dtype, true, t.y, bounds.y);
    judge("dx", out.dx, p.dtype, true, t.dx, bounds.dx);
    judge("dgamma", out.dgamma, params, false, t.dgamma, bounds.dgamma);
    judge("dbeta", out.dbeta, params, false, t.dbeta, bounds.dbeta);
    // that State moves at all and rightly; verify's statistics check has the bound
    const std::vector<double> loose(in.state.mean.size(), 1e-9);
    judge("running mean", out.mean, DType::f64, false, t.running_mean, loose);
    std::vector<double> relative;
    for (const truth::Wide& v : t.running_spread) relative.push_back(1e-9 * (1 + static_cast<double>(v)));
    judge("running spread", out.spread, DType::f64, false, t.running_spread, relative);
    const bool moves = p.mode == Mode::train && p.spec.running != Running::none;
    CHECK(out.count == in.state.count + (moves ? p.slices() : 0));
    CHECK(run_on_device(in, false) == out);
    CHECK(run_on_device(in, true) == out);
}

template <class Use>
void each_case(const std::vector<DType>& dtypes, Use use) {
    if (const Support s = cuda::available(); !s) NORMLAB_SKIP("cuda cannot run here: " + s.reason);
    for (const Variant& v : variants) {
        if (!v.make().plain() || v.make().is_partial()) continue;  // it declines them
        for (const Layout layout : {Layout::channels_first, Layout::channels_last})
            for (const DType dtype : dtypes)
                for (const Mode mode : {Mode::train, Mode::eval}) {
                    Case c;
                    c.variant = v.name, c.dtype = dtype, c.layout = layout, c.mode = mode;
                    if (mode == Mode::eval && c.spec().running == Running::none) continue;  // the same as training
                    use(c);
                }
    }
}

void check_if_valid(const Case& c) {
    if (is_valid(c)) check_case(c);
}

}  // namespace

TEST_CASE("on a device: blocks of sizes at the edges of vectors, warps and CTAs") {
    each_case({kernel_dtypes.begin(), kernel_dtypes.end()}, [](const Case& c) {
        for (const std::int64_t m : {1, 3, 5, 7, 8, 9, 31, 63, 65, 127, 255, 257, 521})
            check_if_valid(with_block(c, m));
    });
}

TEST_CASE("on a device: every combination of few and many samples, channels and positions") {
    each_case({DType::f64, DType::f32}, [](Case c) {
        for (const std::int64_t N : {1, 2, 9})
            for (const std::int64_t C : {1, 6, 34})
                for (const std::int64_t S : {1, 5, 17}) {
                    c.shape = {N, C, S};
                    if (c.spec().groups != 1) c.groups = C == 1 ? 1 : 2;
                    check_if_valid(c);
                }
    });
}

TEST_CASE("on a device: blocks long enough for every size of team and for several parts") {
    each_case(sanitized ? std::vector{DType::f32} : std::vector{DType::f32, DType::bf16}, [](Case c) {
        if (c.mode == Mode::eval) return;
        for (const std::int64_t m : {1031, 2503, 9001}) check_if_valid(with_block(c, m));
    });
}

TEST_CASE("on a device: normalisation batches, options and absent parameters") {
    each_case({DType::f64, DType::f32}, [](Case c) {
        c = with_small_shape(c);
        for (const AffineUse use : {AffineUse::gamma, AffineUse::beta, AffineUse::none}) {
            c.affine = use;
            check_case(c);
        }
        if (!c.spec().block.samples || !c.spec().centred()) return;
        c.affine = AffineUse::both, c.shape.N = 6, c.stat_batch = 2;
        for (const StateKind state : {StateKind::near, StateKind::far})
            for (const char* momentum : {"0.1", "none"}) {
                c.state = state, c.momentum = momentum;
                check_case(c);
            }
    });
}

TEST_CASE("on a device: coefficients that float cannot hold are applied in double") {
    each_case({DType::f32}, [](Case c) {
        c = with_small_shape(c);
        // the running statistics drawn would be judged by an absolute bound
        if (c.spec().running != Running::none) return;
        for (const double sigma : {1e-29, 1e-20, 1e20, 1e29}) {
            c.sigma = sigma, c.eps = 0;
            check_case(c);
        }
    });
}

TEST_CASE("on a device: an empty tensor has zero parameter gradients") {
    if (const Support s = cuda::available(); !s) NORMLAB_SKIP("cuda cannot run here: " + s.reason);
    const Problem p{layer_norm(), {0, 3, 2}, DType::f32, Layout::channels_first, Mode::train, Device::cuda};
    Operation operation(p, find_implementation("cuda"));
    const Memory dgamma = on_device(std::vector<double>(3, 1.0));
    operation.backward({}, {}, {}, {}, {{}, dgamma.data(), nullptr});
    synchronize(Device::cuda);
    const Bytes bytes = downloaded(dgamma);
    for (std::size_t i = 0; i < 3 * sizeof(float); ++i) CHECK(bytes[i] == std::byte{0});
    CHECK(bytes[15] != std::byte{0});  // only C floats
}

TEST_CASE("on a device: the study's samples are the host's, bit for bit") {
    if (const Support s = cuda::available(); !s) NORMLAB_SKIP("cuda cannot run here: " + s.reason);
    for (const DType dtype : {DType::f64, DType::f32})
        for (const auto distribution :
             {noise::Distribution::normal, noise::Distribution::exponential, noise::Distribution::uniform})
            for (const double correlation : {0.0, 0.5})
                for (const Shape& shape : {Shape{3, 5, 1}, Shape{2, 300, 7}, Shape{64, 33, 2}}) {
                    const noise::Draw draw{.seed = 9,
                                           .stream = 3,
                                           .distribution = distribution,
                                           .scale = 1.5,
                                           .correlation = correlation,
                                           .first_channel = 7};
                    const std::size_t bytes = static_cast<std::size_t>(shape.size()) * size_of(dtype);
                    Memory there(Device::cuda, bytes), here(Device::host, bytes);
                    noise::fill(draw, Tensor{there.data(), dtype, shape, Layout::channels_first, Device::cuda});
                    noise::fill(draw, Tensor{here.data(), dtype, shape, Layout::channels_first, Device::host});
                    std::vector<std::byte> copied(bytes);
                    there.download(copied);
                    CHECK(std::memcmp(copied.data(), here.data(), bytes) == 0);
                }
}
