// What every implementation that can run here must do on sizes at the edges of vector lanes, whatever the alignment and
// the number of threads.

#include <cstring>

#include "norms/cpu/kernels.hpp"
#include "norms/names.hpp"
#include "norms/operation.hpp"
#include "norms/variants.hpp"
#include "tests/baseline_kernels.hpp"
#include "tests/catch.hpp"
#include "verify/check/check.hpp"
#include "verify/run/plan.hpp"
#include "verify/run/run_cases.hpp"
#include "verify/truth/bounds.hpp"

using namespace normlab;

namespace {

constexpr std::int64_t edges[] = {1, 3, 5, 7, 8, 9, 61, 63, 65, 127, 131, 255, 257};

// Every array that a call reads or writes, with room before and after it that must stay as it was.
class Watched {
public:
    Watched(std::size_t bytes, std::size_t misaligned)
        : bytes_(bytes), first_(guard + misaligned), memory_(Device::host, bytes + 2 * guard + 64) {
        std::memset(memory_.data(), canary, memory_.bytes());
    }
    std::byte* data() const { return memory_.at(first_); }
    std::size_t bytes() const { return bytes_; }
    bool intact() const {
        for (std::size_t i = 0; i < memory_.bytes(); ++i)
            if ((i < first_ || i >= first_ + bytes_) && *memory_.at(i) != std::byte{canary}) return false;
        return true;
    }
    std::vector<std::byte> copy() const { return {data(), data() + bytes_}; }

private:
    static constexpr std::size_t guard = 256;
    static constexpr unsigned char canary = 0xa5;
    std::size_t bytes_, first_;
    Memory memory_;
};

struct How {
    int threads = 1;
    std::size_t offset = 0;  // of every array, in elements
    bool in_place = false;
};

// All results of a forward and a backward call, as bytes.
std::vector<std::vector<std::byte>> results(const Problem& p, const Implementation& implementation, How how) {
    const std::size_t size = size_of(p.dtype), param = size_of(p.params());
    const auto elements = static_cast<std::size_t>(p.shape.size()), C = static_cast<std::size_t>(p.shape.C);
    Watched x(elements * size, how.offset * size), y(elements * size, how.offset * size),
        dy(elements * size, how.offset * size), dx(elements * size, how.offset * size);
    Watched gamma(C * param, how.offset * param), beta(C * param, how.offset * param),
        dgamma(C * param, how.offset * param), dbeta(C * param, how.offset * param);
    Random random(7);
    const auto fill = [&](const Watched& to, DType dtype) {
        for (std::size_t i = 0; i < to.bytes() / size_of(dtype); ++i)
            write_element(to.data(), dtype, static_cast<std::int64_t>(i), 3 + random.normal());
    };
    fill(x, p.dtype), fill(dy, p.dtype), fill(gamma, p.params()), fill(beta, p.params());
    const auto before = x.copy();
    State state = initial_state(p.spec, p.shape.C);
    for (auto* v : {&state.mean, &state.var, &state.sigma})
        for (double& e : *v) e += 0.5 + random.uniform();
    const StateView running{state.mean.data(), state.var.data(), state.sigma.data(), &state.count};
    const auto tensor = [&](const Watched& m) { return Tensor{m.data(), p.dtype, p.shape, p.layout}; };

    Operation operation(p, implementation, {.threads = how.threads});
    const SavedMemory saved(operation);
    const Affine affine{gamma.data(), beta.data()};
    operation.forward(tensor(x), affine, running, saved.view(), tensor(how.in_place ? x : y));
    const auto y_bytes = (how.in_place ? x : y).copy();
    if (how.in_place) std::memcpy(x.data(), before.data(), before.size());
    operation.backward(tensor(x), tensor(dy), affine, saved.view(),
                       {tensor(how.in_place ? dy : dx), dgamma.data(), dbeta.data()});
    CHECK((x.copy() == before));
    for (const Watched* g : {&x, &y, &dy, &dx, &gamma, &beta, &dgamma, &dbeta}) CHECK(g->intact());
    const auto as_bytes = [](const auto* data, std::size_t count) {
        const auto* b = reinterpret_cast<const std::byte*>(data);
        return std::vector<std::byte>(b, b + count * sizeof *data);
    };
    const auto blocks = static_cast<std::size_t>(p.statistics_count()), corrections = p.has_correction() ? blocks : 0;
    return {y_bytes,
            (how.in_place ? dy : dx).copy(),
            dgamma.copy(),
            dbeta.copy(),
            as_bytes(saved.view().mean, blocks),
            as_bytes(saved.view().var, blocks),
            as_bytes(saved.view().rstd, blocks),
            as_bytes(saved.view().r, corrections),
            as_bytes(saved.view().d, corrections),
            as_bytes(state.mean.data(), state.mean.size()),
            as_bytes(state.var.data(), state.var.size()),
            as_bytes(state.sigma.data(), state.sigma.size())};
}

// f of every variant, dtype, layout and mode on these shapes, and of one in seven also behind an activation, each in
// turn.
template <class F>
void for_problems(const std::vector<Shape>& shapes, F f) {
    int count = 0;
    for (const Variant& v : variants)
        for (const DType dtype : kernel_dtypes)
            for (const Layout layout : {Layout::channels_first, Layout::channels_last})
                for (const Mode mode : {Mode::train, Mode::eval})
                    for (const Shape& shape : shapes) {
                        Problem p{v.make(), shape, dtype, layout, mode};
                        if (p.spec.groups > 1) p.spec.groups = shape.C % 3 == 0 ? 3 : shape.C % 5 == 0 ? 5 : 1;
                        if (mode == Mode::eval && p.spec.running == Running::none) continue;
                        if (p.spec.is_partial()) continue;  // the reference alone has it
                        if (p.block_size() == 1 && p.own_statistics() &&
                            (may_keep_state(p.spec) || p.spec.divisor == Divisor::less_one))
                            continue;
                        CAPTURE(v.name, name_of(dtype), name_of(layout), name_of(mode), shape.N, shape.C, shape.S);
                        f(p);
                        if (++count % 7) continue;
                        p.spec.activation = static_cast<Activation>(1 + count / 7 % 4);
                        CAPTURE(name_of(p.spec.activation));
                        f(p);
                    }
}

std::vector<Shape> edge_shapes() {
    std::vector<Shape> shapes;
    for (const std::int64_t e : edges)
        for (const Shape& s : {Shape{2, e, 1}, Shape{2, 3, e}, Shape{e, 3, 2}, Shape{3, e, 5}}) shapes.push_back(s);
    return shapes;
}

std::vector<const Implementation*> host_implementations() {
    std::vector<const Implementation*> out;
    for (const Implementation* i : implementations())
        if (i->device() == Device::host && i->name() != "reference") out.push_back(i);
    return out;
}

}  // namespace

TEST_CASE("conformance: sizes at the edges of lanes are within the bounds of truth", "[conformance]") {
    for (const Implementation* implementation : implementations()) {
        if (!implementation->available() || implementation->name() == "reference") continue;
        for_problems(edge_shapes(), [&](const Problem& p) {
            verify::Case c;
            c.variant = p.spec.variant, c.implementation = implementation->name(), c.dtype = p.dtype,
            c.layout = p.layout, c.mode = p.mode, c.shape = p.shape;
            if (p.spec.groups != 1 || p.spec.variant == "group_norm") c.groups = p.spec.groups;
            if (p.spec.activates()) c.activation = p.spec.activation;
            const verify::Outcome outcome = verify::run_case(c);
            for (const verify::Finding& f : outcome.findings) {
                CAPTURE(f.quantity, f.where, f.error, f.bound);
                CHECK(f.verdict == verify::Verdict::pass);
            }
        });
    }
}

TEST_CASE("conformance: misaligned and in-place calls give the bits of aligned ones and touch nothing else",
          "[conformance]") {
    for (const Implementation* implementation : host_implementations())
        for_problems(edge_shapes(), [&](const Problem& p) {
            const auto expected = results(p, *implementation, {});
            CHECK((results(p, *implementation, {.offset = 1}) == expected));
            CHECK((results(p, *implementation, {.offset = 3, .in_place = true}) == expected));
        });
}

TEST_CASE("conformance: any number of threads gives the same bits, and so does every run", "[conformance]") {
    for (const Implementation* implementation : host_implementations())
        for_problems(sanitized
                         ? std::vector<Shape>{{3, 5, 4099}, {257, 131, 1}}
                         : std::vector<Shape>{{64, 48, 13}, {3, 5, 4099}, {257, 131, 1}, {20011, 3, 1}, {1, 30, 2000}},
                     [&](const Problem& p) {
                         const auto expected = results(p, *implementation, {});
                         for (const int threads : sanitized ? std::vector{7} : std::vector{1, 2, 3, 7})
                             CHECK((results(p, *implementation, {.threads = threads}) == expected));
                     });
}

TEST_CASE("conformance: the CPU kernels of every instruction set give the same bits", "[conformance]") {
    for_problems({{2, 7, 1}, {2, 15, 5}, {3, 4, 257}, {65, 9, 2}, {5, 64, 7}}, [&](const Problem& p) {
        CHECK((results(p, Baseline(), {}) == results(p, find_implementation("cpu"), {})));
    });
}

TEST_CASE("conformance: where float coefficients would over- or underflow the CPU kernels compute in f64",
          "[conformance]") {
    for (const Variant& v : variants)
        for (const char* layout : {"nchw", "nhwc"})
            for (const char* sigma : {"1e-36", "1e-33", "1e-29", "1e29", "1e33", "1e36"}) {
                const verify::Case c = verify::parse_case(std::string(v.name) + " cpu f32 " + layout +
                                                          " train 8x6x3 eps=0 check=accuracy sigma=" + sigma);
                for (const verify::Finding& f : verify::run_case(c).findings) {
                    CAPTURE(c.text(), f.quantity, f.where, f.error, f.bound);
                    CHECK(f.verdict == verify::Verdict::pass);
                }
            }
}

namespace {

// One f64 or f32 call of the CPU kernels on numbers given.
template <class T>
struct Results {
    std::vector<T> y, dx, dgamma, dbeta;
};
template <class T>
Results<T> on_cpu(const Spec& spec, Shape shape, std::vector<T> x, std::vector<T> dy, std::vector<T> gamma = {},
                  Layout layout = Layout::channels_first) {
    const auto C = static_cast<std::size_t>(shape.C);
    Results<T> out{x, x, std::vector<T>(C), std::vector<T>(C)};
    State state = initial_state(spec, shape.C);
    Saved saved;
    const auto view = [&](std::vector<T>& v) {
        return Tensor{v.data(), std::is_same_v<T, double> ? DType::f64 : DType::f32, shape, layout};
    };
    const Affine affine{gamma.empty() ? nullptr : gamma.data()};
    forward(spec, Mode::train, view(x), affine, &state, saved, view(out.y), find_implementation("cpu"));
    backward(spec, Mode::train, view(x), view(dy), affine, saved, {view(out.dx), out.dgamma.data(), out.dbeta.data()},
             find_implementation("cpu"));
    return out;
}

}  // namespace

TEST_CASE("conformance: a constant block has no variance, whatever the constant") {
    for (const std::int64_t C : {3, 600, 1000, 1031})
        for (const Spec& spec : {layer_norm(0), batch_norm(0)}) {
            const bool layer = spec.block.channels;
            const Shape shape = layer ? Shape{2, C, 1} : Shape{C, 3, 1};
            const auto size = static_cast<std::size_t>(shape.size());
            const auto r = on_cpu<double>(spec, shape, std::vector<double>(size, 0.1), std::vector<double>(size, 0.3));
            CAPTURE(C, layer);
            CHECK(r.y == std::vector<double>(size, 0.0));
            CHECK(r.dx == std::vector<double>(size, 0.0));
        }
}

TEST_CASE("conformance: sums of dgamma and dbeta over very many blocks stay within their bound") {
    const std::int64_t N = 1 << 17;
    const auto size = static_cast<std::size_t>(4 * N);
    std::vector<double> x(size);
    for (std::size_t i = 0; i < size; ++i) x[i] = i % 4 == 0 ? 1 : 0;
    // a mean's loss: all terms alike
    const auto r = on_cpu<double>(layer_norm(0), {N, 4, 1}, x, std::vector<double>(size, 0.1));
    const auto count = static_cast<long double>(N);
    const double l = 1 + std::log2(static_cast<double>(N));
    CHECK(std::abs(static_cast<double>(r.dbeta[0] - count * 0.1L)) <=
          4 * l * 0x1p-53 * 0.1 * static_cast<double>(N) + 0x1p-53);
    CHECK(std::abs(static_cast<double>(r.dgamma[0] - count * 0.1L * std::sqrt(3.0L))) <=
          8 * l * 0x1p-53 * 0.1 * 3 * static_cast<double>(N));
}

TEST_CASE("conformance: an infinite dy makes infinite parameter gradients, not NaN of d = 0 times it") {
    std::vector<float> x{1, 2, 3, 5, 4, 7}, dy(6, 1);
    dy[4] = std::numeric_limits<float>::infinity();
    for (const Shape& shape : {Shape{6, 1, 1}, Shape{3, 2, 1}}) {
        const auto r = on_cpu<float>(batch_norm(), shape, x, dy);
        CHECK(std::isinf(r.dbeta[0]));
        CHECK_FALSE(std::isnan(r.dgamma[0]));
    }
}

TEST_CASE("conformance: gamma times dy may be below float's range where dx is not") {
    const std::vector<float> x{1e-10F, 2e-10F, -1e-10F, 4e-10F}, dy{1e-29F, -2e-29F, 3e-29F, 1e-29F}, gamma(4, 1e-12F);
    const std::vector<double> wide(x.begin(), x.end()), wide_dy(dy.begin(), dy.end()),
        wide_gamma(gamma.begin(), gamma.end());
    const auto got = on_cpu<float>(layer_norm(0), {1, 4, 1}, x, dy, gamma);
    const auto expected = on_cpu<double>(layer_norm(0), {1, 4, 1}, wide, wide_dy, wide_gamma);
    for (std::size_t i = 0; i < 4; ++i) CHECK(std::abs(got.dx[i] - expected.dx[i]) <= 1e-6 * 1e-31);
}

TEST_CASE("conformance: a Spec whose channels would repeat along a block's runs is declined") {
    Spec spec = batch_norm();
    spec.block = {.samples = true, .groups = true, .channels = true};
    spec.running = Running::none;
    CHECK_FALSE(find_implementation("cpu").supports({spec, {3, 4, 5}, DType::f32}));
}
