// The peers' wrappers: on data without difficulty every configuration that they accept is right, in place, under any
// mask, on any number of threads; what they decline, they decline with a reason. What verify finds wrong with the
// libraries themselves is in norms/peers/README.md.
#include <atomic>
#include <cmath>
#include <filesystem>

#include <dlfcn.h>
#ifdef _OPENMP
#include <omp.h>
#endif

#include <fmt/format.h>

#include "norms/operation.hpp"
#include "norms/plugin.hpp"
#include "tests/catch.hpp"
#include "verify/case/draw.hpp"
#include "verify/run/plan.hpp"
#include "verify/run/run_cases.hpp"

using namespace normlab;
using namespace normlab::verify;

// The largest team that a parallel region was opened for. Code that GCC compiled, the libraries too, opens one by this
// function; the program's own comes before the OpenMP library's.
#ifdef _OPENMP
static std::atomic<int> largest_team = 1;
extern "C" void GOMP_parallel(void (*body)(void*), void* data, unsigned threads, unsigned flags) {
    static const auto next = reinterpret_cast<decltype(&GOMP_parallel)>(dlsym(RTLD_NEXT, "GOMP_parallel"));
    largest_team = std::max(largest_team.load(), threads ? static_cast<int>(threads) : omp_get_max_threads());
    next(body, data, threads, flags);
}
#endif

namespace {

const Implementation* peer(const std::string& name) {
    const std::filesystem::path file = std::filesystem::path(PEERS_DIR) / (name + ".so");
    return std::filesystem::exists(file) ? &load_plugin({file.string(), ""}) : nullptr;
}

struct Served {
    std::string variant, dtype, shape;
    bool evaluation = false;  // with running statistics
};

void check_holds(const Case& c) {
    INFO(c.text());
    for (const Finding& f : run_case(c).findings) {
        INFO(f.quantity << ": " << f.where << " error " << f.error << " bound " << f.bound);
        CHECK(f.verdict == Verdict::pass);
    }
}

void require_right(const std::string& name, const std::vector<Served>& all) {
    for (const Served& s : all)
        for (const char* layout : {"nchw", "nhwc"})
            for (const char* mode : {"train", "eval"})
                for (const char* affine : {"", " affine=none"})
                    for (const char* check : {"accuracy", "gradient_masks"}) {
                        if (s.evaluation != (std::string(mode) == "eval") ||
                            (s.dtype == "f64" && check != std::string("accuracy")))
                            continue;
                        const std::string shape = s.shape + affine;
                        const Case c = parse_case(fmt::format("{} {} {} {} {} {} check={}", s.variant, name, s.dtype,
                                                              layout, mode, shape, check));
                        const std::string reason = reason_to_skip(c);
                        if (reason.starts_with(name)) FAIL(c.text() << ": " << reason);
                        if (reason.empty()) check_holds(c);
                    }
}

std::string refusal_of(const Implementation& i, const std::string& text) {
    Problem p = parse_case(text).problem();
    p.device = i.device();
    return i.supports(p).reason;
}

}  // namespace

TEST_CASE("onednn serves batch norm and layer norm rightly") {
    if (!peer("onednn")) NORMLAB_SKIP("onednn is not built");
    require_right("onednn", {{"batch_norm", "f32", "4x6x5"},
                             {"batch_norm", "f32", "4x6x5", true},
                             {"batch_norm", "f32", "7x5x1"},
                             {"batch_norm", "f32", "16x1x3"},
                             {"layer_norm", "f32", "3x9x1"},
                             {"layer_norm", "f32", "1x64x1"},
                             {"channel_norm", "f32", "3x9x1"}});
}

TEST_CASE("libtorch serves batch, layer, instance, group and weight norm rightly") {
    if (!peer("libtorch")) NORMLAB_SKIP("libtorch is not built");
    std::vector<Served> all;
    for (const char* dtype : {"f32", "f64"})
        for (Served s : std::vector<Served>{{"batch_norm", "", "4x6x5"},
                                            {"batch_norm", "", "4x6x5", true},
                                            {"batch_norm", "", "7x5x1"},
                                            {"batch_norm", "", "16x1x3"},
                                            {"layer_norm", "", "3x9x1"},
                                            {"layer_norm", "", "3x4x5"},
                                            {"channel_norm", "", "3x9x1"},
                                            {"instance_norm", "", "3x4x5"},
                                            {"instance_norm running=unbiased", "", "3x4x5", true},
                                            {"group_norm G=3", "", "3x6x5"},
                                            {"group_norm G=1", "", "2x6x5"},
                                            {"weight_norm", "", "1x6x5"},
                                            {"weight_norm", "", "4x6x1"},
                                            {"weight_norm", "", "4x6x5"}}) {
            s.dtype = dtype;
            const std::size_t space = s.variant.find(' ');  // the settings follow the shape
            if (space != std::string::npos) s.shape += s.variant.substr(space), s.variant.resize(space);
            all.push_back(s);
        }
    require_right("libtorch", all);
}

TEST_CASE("peers decline what they have not, with reasons") {
    const auto says = [](const std::string& name, const std::string& text, const std::string& reason) {
        const Implementation* i = peer(name);
        if (!i) return;
        INFO(name << " " << text);
        CHECK_THAT(refusal_of(*i, text), Catch::Matchers::Contains(reason));
    };
    says("onednn", "group_norm reference f32 nchw 2x6x5 G=3", "layer norm over the last axis");
    says("onednn", "layer_norm reference f32 nchw 2x6x5", "layer norm over the last axis");
    says("onednn", "batch_norm reference f64 nchw 2x6x5", "f32 and bf16");
    says("onednn", "batch_norm reference f32 nchw 4x6x5 stat_batch=2", "one normalisation batch");
    says("libtorch", "rms_norm reference f32 nchw 2x6x5", "batch, layer, instance, group and weight");
    says("libtorch", "batch_renorm reference f32 nchw 2x6x5", "batch, layer, instance, group and weight");
    says("libtorch", "batch_norm reference f16 nchw 2x6x5", "f64, f32 and bf16");
    says("libtorch", "batch_norm reference f32 nchw 2x6x5 running=biased", "unbiased variance");
    says("libtorch", "instance_norm reference f32 nchw 2x6x5 running=unbiased", "backward pass of its own");
    says("cudnn", "layer_norm reference f32 nchw 2x6x1", "batch norms");
    says("cudnn", "batch_norm reference f32 nchw eval 2x6x5", "backward pass of evaluation");
}

TEST_CASE("a CUDA peer without a GPU says why it cannot run") {
    const Implementation* i = peer("cudnn");
    if (!i) NORMLAB_SKIP("cudnn is not built");
    if (find_implementation("cuda").available()) NORMLAB_SKIP("there is a GPU");
    CHECK(!i->available().reason.empty());
}

TEST_CASE(
    "a peer's plans run on the threads that they are set to with the same y and dx, and leave OpenMP's number as it "
    "was") {
#ifndef _OPENMP
    NORMLAB_SKIP("OpenMP is absent");
#else
    constexpr std::int64_t rows = 512, columns = 1024;  // enough for libtorch to divide it among three
    constexpr int usual = 5;
    const Problem p = parse_case(fmt::format("layer_norm reference f32 nchw {}x{}x1", rows, columns)).problem();
    Random random(1);
    std::vector<float> x(rows * columns), dy(x.size()), gamma(columns, 1.5f), beta(columns, 0.5f);
    for (auto* v : {&x, &dy})
        for (float& e : *v) e = static_cast<float>(2 * random.uniform() - 1);
    struct Results {
        std::vector<float> y = std::vector<float>(rows * columns), dx = y, dgamma = std::vector<float>(columns),
                           dbeta = dgamma;
    };
    const auto view = [&](auto& v) { return Tensor{v.data(), p.dtype, p.shape}; };
    const int before = omp_get_max_threads();
    omp_set_num_threads(usual);
    for (const char* name : {"onednn", "libtorch"}) {
        const Implementation* i = peer(name);
        if (!i) {
            WARN(name << " is not built");
            continue;
        }
        INFO(name);
        std::vector<Results> all;
        for (const int threads : {1, 2, 3}) {
            INFO(threads << " threads");
            Results& r = all.emplace_back();
            Operation operation(p, *i, {.threads = threads});
            const SavedMemory saved(operation);
            largest_team = 1;
            operation.forward(view(x), {gamma.data(), beta.data()}, {}, saved.view(), view(r.y));
            CHECK(largest_team == threads);
            largest_team = 1;
            operation.backward(view(x), view(dy), {gamma.data(), beta.data()}, saved.view(),
                               {view(r.dx), r.dgamma.data(), r.dbeta.data()});
            CHECK(largest_team == threads);
            CHECK(omp_get_max_threads() == usual);
            CHECK(r.y == all[0].y);  // a row is one thread's
            CHECK(r.dx == all[0].dx);
            // A sum of m terms in any order is within (m - 1) u times the sum of their magnitudes of what it should be,
            // so two orders are within twice that of each other. x is even in (-1, 1), sd 0.58: |x_hat| < 2.
            for (std::size_t c = 0; c < columns; ++c) {
                double sum = 0;
                for (std::size_t n = 0; n < rows; ++n) sum += std::abs(dy[n * columns + c]);
                const double bound = 2 * (rows - 1) * 0x1p-24 * sum;
                if (std::abs(r.dbeta[c] - all[0].dbeta[c]) > bound) FAIL_CHECK("dbeta " << c);
                if (std::abs(r.dgamma[c] - all[0].dgamma[c]) > 2 * bound) FAIL_CHECK("dgamma " << c);
            }
        }
        for (const char* check : {"accuracy", "contracts"})
            check_holds(parse_case(fmt::format("layer_norm {} f32 nchw 64x48x1 check={}", name, check)));
    }
    omp_set_num_threads(before);
#endif
}
