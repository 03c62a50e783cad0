// y of another type than the data from the CPU kernels: the reference's bytes where y is known exactly, truth's bounds
// elsewhere, and the same bits whatever the instruction set and the number of threads.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "norms/cpu/kernels.hpp"
#include "norms/fp8.hpp"
#include "norms/names.hpp"
#include "norms/operation.hpp"
#include "norms/registry.hpp"
#include "norms/variants.hpp"
#include "system/random.hpp"
#include "tests/baseline_kernels.hpp"
#include "tests/catch.hpp"
#include "verify/case/draw.hpp"
#include "verify/check/check.hpp"
#include "verify/run/run_cases.hpp"

using namespace normlab;
using verify::parse_case;

namespace {

// Where y has no rounding of its own: x = 1 or -1 and eps = 0, so that rms norm's y is x gamma, bit by bit.
struct SignedRows {
    std::vector<float> x, gamma, beta;
    SignedRows(std::int64_t rows, std::vector<float> factors, Random& random)
        : gamma(std::move(factors)), beta(gamma.size()) {
        for (std::int64_t i = 0; i < rows * std::ssize(gamma); ++i) x.push_back(random.chance(0.5) ? -1.0f : 1.0f);
    }
};

struct Written {
    std::vector<std::uint8_t> y;  // bytes
    std::vector<float> scale;
    bool operator==(const Written&) const = default;
};

// y lies a byte or an element beside what is aligned, and what is around it has to stay.
Written written(const Implementation& implementation, Problem p, const SignedRows& rows, float given, int threads = 1) {
    Memory x(Device::host, rows.x.size() * size_of(p.dtype));
    for (std::size_t i = 0; i < rows.x.size(); ++i)
        write_element(x.data(), p.dtype, static_cast<std::int64_t>(i), rows.x[i]);
    const std::size_t size = size_of(p.outputs()), guard = 64;
    std::vector<std::uint8_t> room(rows.x.size() * size + 2 * guard, 0xa5);
    std::uint8_t* y = room.data() + guard + size;
    Written out{{}, std::vector<float>(static_cast<std::size_t>(p.scale_count()), given)};
    Operation operation(p, implementation, {.threads = threads});
    const SavedMemory saved(operation);
    operation.forward(p.tensor(x.data(), p.dtype, {}), {rows.gamma.data(), rows.beta.data()}, {}, saved.view(),
                      p.tensor(y, p.outputs(), {}), {}, nullptr, out.scale.empty() ? nullptr : out.scale.data());
    out.y.assign(y, y + rows.x.size() * size);
    const auto around = [](std::uint8_t byte) { return byte == 0xa5; };
    CHECK(std::all_of(room.data(), y, around));
    CHECK(std::all_of(y + out.y.size(), room.data() + room.size(), around));
    return out;
}

// NaN has no sign that matters.
void same(const Written& got, const Written& expected, DType type) {
    CHECK(got.scale == expected.scale);
    REQUIRE(got.y.size() == expected.y.size());
    std::size_t different = 0;
    for (std::size_t i = 0; i < got.y.size() / size_of(type); ++i) {
        const auto at = static_cast<std::int64_t>(i);
        const bool nan = std::isnan(read_element<double>(expected.y.data(), type, at));
        if (nan ? !std::isnan(read_element<double>(got.y.data(), type, at))
                : std::memcmp(&got.y[i * size_of(type)], &expected.y[i * size_of(type)], size_of(type)) != 0)
            ++different;
    }
    CHECK(different == 0);
}

float from_bits(std::uint64_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits)); }

// Sizes of any order, and on request among them what no type of 8 bits has.
std::vector<float> factors(std::int64_t count, bool hostile, Random& random) {
    constexpr float odd[] = {0.0f,     -0.0f,     1e-40f, 0x1p-149f, 0x1p-10f, 0x1.8p-9f, 0x1p-16f,
                             0x1p-17f, 464.0f,    465.0f, 61440,     61441,    3e38f,     -3e38f,
                             INFINITY, -INFINITY, NAN,    0x1.2p0f,  0x1.3p0f, 0x1.6p3f};
    std::vector<float> v;
    for (std::int64_t i = 0; i < count; ++i) {
        const int exponent = static_cast<int>(random.integer(-16, 8));
        v.push_back(std::ldexp(static_cast<float>(random.normal()), exponent));
        if (hostile && random.chance(0.3)) v.back() = odd[random.integer(0, std::size(odd) - 1)];
    }
    return v;
}

Problem of_rows(std::int64_t rows, std::int64_t length, DType dtype, DType output) {
    Problem p{rms_norm(0), {rows, length, 1}, dtype};
    p.spec.output = output;
    return p;
}

// Every kind of scale, of a y of 8 bits.
template <class F>
void for_scales(Problem p, F f) {
    if (!p.spec.quantizes()) return f(p);
    for (const Scale scale : {Scale::given, Scale::block, Scale::channels})
        for (const bool power : {false, true})
            for (const bool inverse : {false, true}) {
                if (power && scale == Scale::given) continue;
                p.spec.scale = scale, p.spec.scale_power_of_two = power, p.spec.scale_inverse = inverse;
                CAPTURE(name_of(scale), power, inverse);
                f(p);
            }
}

const Implementation& cpu_kernels() { return find_implementation("cpu"); }

}  // namespace

TEST_CASE("cpu output: rows of 1 to 300 and hostile numbers have the reference's bytes and scales") {
    Random random(11);
    std::vector<std::int64_t> lengths{8191, 8192, 8193, 20000};
    for (std::int64_t length = 1; length <= 300; ++length) lengths.push_back(length);
    for (const std::int64_t length : lengths)
        for (const bool hostile : {false, true}) {
            const SignedRows rows(3, factors(length, hostile, random), random);
            const DType dtype = std::array{DType::f32, DType::bf16, DType::f16}[static_cast<std::size_t>(length % 3)];
            for (const DType output : {DType::f32, DType::e4m3, DType::e5m2})
                for_scales(of_rows(3, length, dtype, output), [&](const Problem& p) {
                    CAPTURE(length, hostile, name_of(dtype), name_of(output));
                    const auto by = [&](const Implementation& i) { return written(i, p, rows, 0.37f); };
                    same(by(cpu_kernels()), by(find_implementation("reference")), output);
                });
        }
}

TEST_CASE("cpu output: floats of every exponent and every leading fraction are rounded as a double is") {
    std::vector<float> all;
    for (std::uint64_t upper = 0; upper < 0x10000; ++upper)
        for (const std::uint64_t lower : {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff})
            all.push_back(from_bits(upper << 16 | lower));
    Random random(5);
    SignedRows rows(1, all, random);
    std::ranges::fill(rows.x, 1.0f);
    for (const DType output : {DType::e4m3, DType::e5m2}) {
        const Problem p = of_rows(1, std::ssize(all), DType::f32, output);
        Written expected{{}, {1.0f}};
        for (const float v : all) {
            expected.y.emplace_back();
            write_element(&expected.y.back(), output, 0, static_cast<double>(v) + 0.0);
        }
        same(written(cpu_kernels(), p, rows, 1.0f), expected, output);
    }
}

TEST_CASE("cpu output: the same bits for any number of threads and every instruction set") {
    Random random(3);
    for (const std::int64_t length : {131, 9001}) {
        SignedRows rows(257, factors(length, false, random), random);
        for (float& v : rows.x) v = static_cast<float>(random.normal());
        for (const DType dtype : {DType::f32, DType::bf16})
            for (const DType output : {DType::f32, DType::e4m3, DType::e5m2})
                for (const Activation activation : {Activation::none, Activation::silu}) {
                    if (length > 131 && (activation != Activation::none || output != DType::e4m3)) continue;
                    Problem of = of_rows(257, length, dtype, output);
                    of.spec.activation = activation;
                    for_scales(of, [&](const Problem& p) {
                        CAPTURE(length, name_of(dtype), name_of(output), name_of(activation));
                        const Written expected = written(cpu_kernels(), p, rows, 0.01f);
                        for (const int threads : {2, 7})
                            CHECK((written(cpu_kernels(), p, rows, 0.01f, threads) == expected));
                        CHECK((written(Baseline(), p, rows, 0.01f) == expected));
                    });
                }
    }
}

TEST_CASE("cpu output: truth's bounds hold beside what may stand around a norm, and in every kind of block") {
    for (const char* base :
         {"rms_norm cpu bf16 nchw train 5x300x1 residual=stored gamma_offset=1 param_dtype=bf16",
          "rms_norm cpu f16 nchw train 4x9000x1 activation=silu", "l2_norm cpu bf16 nchw train 7x130x1 cast=before",
          "layer_norm cpu bf16 nhwc train 3x258x4 residual=stored",
          "layer_norm cpu f32 nhwc train 2x130x3 affine_set=group", "layer_norm cpu f32 nchw train 5x6x1",
          "channel_norm cpu bf16 nhwc train 3x300x2", "group_norm cpu f32 nchw train 3x256x1 G=2",
          "instance_norm cpu f32 nchw eval 1x6x40 running=unbiased",
          "layer_norm cpu bf16 nchw train 3x6x50 strides=samples", "batch_norm cpu f32 nchw train 5x3x40",
          "batch_renorm cpu f32 nchw train 1x3x400", "weight_norm cpu f32 nchw train 1x16x40",
          "layer_norm cpu bf16 nchw train 3x2x9 affine_set=element activation=gelu"})
        for (const char* output : {"f32", "e4m3", "e5m2 scale_inverse=1", "e4m3 scale=block", "e5m2 scale=channels",
                                   "e4m3 scale=block scale_power_of_two=1 scale_inverse=1"}) {
            const verify::Case c = parse_case(std::string(base) + " output=" + output + " seed=3 check=accuracy");
            if (c.scale == Scale::channels && !cpu_kernels().supports(c.problem())) continue;
            for (const verify::Finding& f : verify::run_case(c).findings) {
                CAPTURE(c.text(), f.quantity, f.where, f.error, f.bound, f.note);
                CHECK(f.verdict == verify::Verdict::pass);
            }
        }
}

TEST_CASE("cpu output: what it has, and what it declines") {
    const auto has = [](const std::string& text) {
        return static_cast<bool>(cpu_kernels().supports(parse_case(text + " seed=1 check=accuracy").problem()));
    };
    for (const char* yes :
         {"layer_norm cpu bf16 nchw 2x3x4 output=f32", "rms_norm cpu bf16 nchw 2x300x1 output=e4m3 scale=channels",
          "layer_norm cpu f32 nhwc 2x300x5 output=e5m2 scale=channels", "batch_norm cpu f32 nchw 2x3x40 output=e4m3",
          "group_norm cpu f32 nchw 2x256x1 G=2 output=e4m3 scale=channels",
          "layer_norm cpu f32 nchw 2x1x4 affine_set=element output=e4m3 scale=channels"}) {
        CAPTURE(yes);
        CHECK(has(yes));
    }
    for (const char* no :
         {"layer_norm cpu f32 nchw 2x300x5 output=e4m3 scale=channels", "batch_norm cpu f32 nhwc 9x3x4 output=e4m3",
          "batch_norm cpu bf16 nhwc 9x3x4 output=f32", "instance_norm cpu f32 nchw 2x3x40 output=e4m3 scale=channels",
          "group_norm cpu f32 nchw 2x384x1 G=4 output=e4m3 scale=channels",
          "layer_norm cpu f32 nchw 2x3x4 affine_set=element output=e4m3 scale=channels"}) {
        CAPTURE(no);
        CHECK_FALSE(has(no));
    }
}

TEST_CASE("cpu output: gradients are those of the layer without one") {
    for (const char* text : {"rms_norm cpu bf16 nchw train 5x300x1 output=e4m3 scale=block residual=stored",
                             "layer_norm cpu f16 nchw train 5x6x3 output=f32 activation=silu"}) {
        verify::Inputs<double> in = draw(parse_case(std::string(text) + " seed=3"));
        const verify::Outputs<double> with = run(cpu_kernels(), in);
        in.problem.spec = in.problem.spec.without_output(), in.scale.clear();
        const verify::Outputs<double> without = run(cpu_kernels(), in);
        CHECK((with.dx == without.dx && with.dgamma == without.dgamma && with.dbeta == without.dbeta));
        CHECK((with.s == without.s && with.saved.rstd == without.saved.rstd));
    }
}
