// Exported folders: what a script is asked for, what --judge says of what it wrote, and folders with something wrong in
// them.
#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "io/error.hpp"
#include "io/npy.hpp"
#include "tests/answers.hpp"
#include "tests/catch.hpp"
#include "verify/exchange/export.hpp"
#include "verify/exchange/judge.hpp"
#include "verify/exchange/vector_values.hpp"
#include "verify/exchange/vectors.hpp"
#include "verify/report/diagnosis.hpp"
#include "verify/report/report.hpp"
#include "verify/run/run_cases.hpp"
#include "verify/truth/truth.hpp"

using namespace normlab;
using namespace normlab::verify;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;

namespace {

const auto silent = [](std::size_t, std::size_t) {};

struct Folder {
    fs::path path = fs::temp_directory_path() / ("normlab-export-" + std::to_string(::getpid()));
    std::vector<std::string> left_out;
    Exported exported;

    explicit Folder(const Selection& selection, Tier tier = Tier::smoke, const FixedSettings& fixed = {}) {
        const std::vector<Case> cases = plan_export(selection, tier, left_out, fixed);
        exported = export_cases(path, cases, left_out, silent, fixed);
    }
    explicit Folder(const std::string& text) { exported = export_cases(path, {parse_case(text)}, left_out, silent); }
    ~Folder() { fs::remove_all(path); }

    std::vector<fs::path> calls() const {
        std::vector<fs::path> all;
        for (const auto& entry : fs::directory_iterator(path))
            if (entry.is_directory()) all.push_back(entry.path());
        std::ranges::sort(all);
        return all;
    }
};

struct Judgement {
    std::vector<Outcome> outcomes;
    Summary summary;
    std::string text;
    std::vector<std::string> left_out;

    // Those that make this call and FAIL with a finding of the quantity that says the text.
    std::size_t failing(const std::string& quantity, const std::string& says) const {
        return static_cast<std::size_t>(std::ranges::count_if(outcomes, [&](const Outcome& o) {
            return std::ranges::any_of(o.findings, [&](const Finding& f) {
                return f.verdict == Verdict::fail && f.quantity == quantity && f.where.find(says) != std::string::npos;
            });
        }));
    }
};
Judgement judge(const fs::path& folder, const fs::path& outputs = {},
                Accumulation accumulation = Accumulation::sequential, bool accept_nan = false) {
    static int number = 0;
    const Script& script = add_script({folder, outputs, accumulation, "script" + std::to_string(number++), accept_nan});
    Judgement j{run_cases(script.cases({}), 1, silent), {}, "", script.left_out()};
    for (Outcome& o : j.outcomes) script.complete(o);
    j.summary = summarize(j.outcomes);
    j.text = failures_text(j.outcomes, "normlab");
    return j;
}

std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

void eps_outside_the_root(const Inputs<double>& in, Outputs<double>& out) {
    const truth::Result t = truth::evaluate(in);
    for (const truth::Block& b : t.blocks)
        for (std::size_t i : b.elements) {
            const double s = static_cast<double>(b.s),
                         wrong = std::sqrt(static_cast<double>(b.var)) + in.problem.spec.eps;
            const std::size_t c =
                i / static_cast<std::size_t>(in.problem.shape.S) % static_cast<std::size_t>(in.problem.shape.C);
            const double beta = in.beta.empty() ? 0 : in.beta[c];
            out.y[i] = rounded(beta + (out.y[i] - beta) * (s / wrong), in.problem.dtype);
        }
}

}  // namespace

TEST_CASE("a right script holds every exported check of every variant, in both dtypes, layouts and modes") {
    const std::vector<std::string> checks{"accuracy",         "adjoint",       "zero_sum", "xhat_dx",     "symmetry",
                                          "scale_invariance", "running_stats", "fold",     "permutation", "isolation"};
    const Folder folder({.checks = checks, .layouts = {Layout::channels_first, Layout::channels_last}});
    REQUIRE(folder.exported.cases > 100);
    fill_in(folder.path);
    const Judgement j = judge(folder.path);
    INFO(j.text);
    CHECK(j.summary.failed == 0);
    CHECK(j.summary.unresolved == 0);
    CHECK(j.summary.skipped == 0);  // every call that a case makes was exported
    CHECK(j.outcomes.size() == folder.exported.cases);
    for (const Variant& v : variants)
        CHECK(std::ranges::any_of(j.outcomes,
                                  [&](const Outcome& o) { return o.test.variant == v.name && !o.findings.empty(); }));
}

TEST_CASE("a double backward is exported where its checks are named, and judged") {
    std::vector<std::string> left_out;
    for (const Case& c : plan_export({.variants = {"layer_norm"}}, Tier::smoke, left_out))
        CHECK(!c.check.starts_with("double_"));
    const Folder folder({.checks = {"double_backward", "double_identities"}});
    fill_in(folder.path);
    const Judgement right = judge(folder.path);
    INFO(right.text);
    CHECK(right.summary.failed + right.summary.unresolved + right.summary.skipped == 0);
    CHECK(right.outcomes.size() == folder.exported.cases);
    for (const Outcome& o : run_vectors(folder.path, {}, {.implementations = {"reference"}}, silent))
        CHECK(failures_text({o}, "normlab") == "");
    fill_in(folder.path, [](const Inputs<double>&, Outputs<double>& out) {
        for (double& v : out.ddx) v *= 1.01;
    });
    const Judgement wrong = judge(folder.path);
    CHECK(wrong.failing("ddx", "") > 0);
    CHECK(wrong.failing("ddy", "") == 0);
}

TEST_CASE("a script adds a residual where that is said") {
    for (const FixedSettings& fixed :
         {FixedSettings{.residual = Residual::stored}, FixedSettings{.residual = Residual::wide},
          FixedSettings{.residual = Residual::stored, .residual_dtype = DType::f32}}) {
        const Folder folder({.variants = {"rms_norm"}, .checks = {"accuracy"}, .dtypes = {DType::bf16}}, Tier::smoke,
                            fixed);
        CAPTURE(fixed.residual == Residual::stored, fixed.residual_dtype.has_value());
        REQUIRE(folder.exported.cases > 1);
        fill_in(folder.path);
        const Judgement right = judge(folder.path);
        INFO(right.text);
        CHECK(right.summary.failed + right.summary.unresolved + right.summary.skipped == 0);
        for (const Outcome& o : right.outcomes) CHECK(o.test.residual == fixed.residual);
        for (const Outcome& o : run_vectors(folder.path, {}, {.implementations = {"reference"}}, silent))
            CHECK(failures_text({o}, "normlab") == "");
        fill_in(folder.path, [](const Inputs<double>&, Outputs<double>& out) {
            for (double& v : out.s) v *= 1 + 0x1p-6;
        });
        CHECK(judge(folder.path).failing("s", "") > 0);
        fill_in(folder.path, [](const Inputs<double>& in, Outputs<double>& out) {
            for (std::size_t i = 0; i < in.ds.size(); ++i) out.d_residual[i] -= in.ds[i];
        });
        const Judgement wrong = judge(folder.path);
        CHECK(wrong.failing("d_residual", "") > 0);
        CHECK(wrong.failing("dx", "") == 0);
    }
}

TEST_CASE("a script has an offset of gamma, or another denominator, where that is said") {
    for (const auto& [variant, fixed] : {std::pair("rms_norm", FixedSettings{.gamma_offset = 1}),
                                         {"batch_norm", FixedSettings{.gamma_offset = 1}},
                                         {"batch_norm", FixedSettings{.param_dtype = DType::bf16}},
                                         {"weight_standardization", FixedSettings{.denominator = Denominator::root}}}) {
        const std::vector<DType> dtypes = fixed.param_dtype ? std::vector{DType::f32} : std::vector<DType>{};
        const Folder folder({.variants = {variant}, .checks = {"accuracy", "xhat_dx"}, .dtypes = dtypes}, Tier::smoke,
                            fixed);
        CAPTURE(variant);
        REQUIRE(folder.exported.cases > (fixed.param_dtype ? 5 : 10));
        fill_in(folder.path);
        const Judgement right = judge(folder.path);
        INFO(right.text);
        CHECK(right.summary.failed + right.summary.unresolved + right.summary.skipped == 0);
        for (const Outcome& o : right.outcomes) {
            CHECK(o.test.spec().gamma_offset == fixed.gamma_offset);
            CHECK(o.test.param_dtype == fixed.param_dtype);
            CHECK(o.test.spec().denominator == fixed.denominator.value_or(Denominator::root));
        }
        for (const Outcome& o : run_vectors(folder.path, {}, {.implementations = {"reference", "cpu"}}, silent))
            CHECK(failures_text({o}, "normlab") == "");
        if (fixed.param_dtype) {  // a gradient that is rounded twice is off by what it was rounded to
            fill_in(folder.path, [](const Inputs<double>&, Outputs<double>& out) {
                for (double& v : out.dgamma) v *= 1 + 0x1p-7;
            });
            CHECK(judge(folder.path).failing("dgamma", "") > 0);
            continue;
        }
        fill_in(folder.path, [](const Inputs<double>& in, Outputs<double>& out) {
            Inputs<double> without = in;
            without.problem.spec.gamma_offset = 0,
            without.problem.spec.denominator = find_variant(in.problem.spec.variant).make().denominator;
            out = run(find_implementation("reference"), without);
        });
        CHECK(judge(folder.path).failing("y", "") > 0);
    }
}

// Of an export with an option: the right script's answers hold, all of its cases have the option, and the files are
// vectors that these implementations pass.
static void right_script_holds(const Folder& folder, const std::vector<std::string>& implementations,
                               bool (*has_option)(const Spec&)) {
    REQUIRE(folder.exported.cases > 3);
    fill_in(folder.path);
    const Judgement right = judge(folder.path);
    INFO(right.text);
    CHECK(right.summary.failed + right.summary.unresolved + right.summary.skipped == 0);
    for (const Outcome& o : right.outcomes) CHECK(has_option(o.test.spec()));
    for (const Outcome& o : run_vectors(folder.path, {}, {.implementations = implementations}, silent))
        CHECK(failures_text({o}, "normlab") == "");
}

TEST_CASE("a script has an activation behind the norm where that is said") {
    const FixedSettings fixed{.activation = Activation::gelu_tanh};
    const Folder folder({.variants = {"group_norm"}, .checks = {"accuracy"}}, Tier::smoke, fixed);
    right_script_holds(folder, {"reference"},
                       [](const Spec& spec) { return spec.activation == Activation::gelu_tanh; });
    fill_in(folder.path, [](const Inputs<double>& in, Outputs<double>& out) {
        Inputs<double> other = in;
        other.problem.spec.activation = Activation::gelu;
        out = run(find_implementation("reference"), other);
    });
    CHECK(judge(folder.path).failing("y", "") > 0);
}

TEST_CASE("a script has a threshold, whose tau is an input and dtau an output, where that is said") {
    const FixedSettings fixed{.activation = Activation::threshold};
    const Folder folder({.variants = {"filter_response_norm", "batch_norm"}, .checks = {"accuracy"}}, Tier::smoke,
                        fixed);
    right_script_holds(folder, {"reference"}, [](const Spec& spec) { return spec.thresholds(); });
    fill_in(folder.path, [](const Inputs<double>& in, Outputs<double>& out) {
        Inputs<double> other = in;
        std::ranges::fill(other.tau, 0);
        out = run(find_implementation("reference"), other);
    });
    CHECK(judge(folder.path).failing("y", "") > 0);
    fill_in(folder.path, [](const Inputs<double>&, Outputs<double>& out) {
        for (double& v : out.dtau) v *= 2;
    });
    CHECK(judge(folder.path).failing("dtau", "") > 0);
    for (const auto& call : folder.calls()) fs::remove(call / "dtau.npy");
    CHECK(judge(folder.path).failing("dtau", "is missing") > 0);
}

TEST_CASE("a script rounds x_hat before gamma where that is said") {
    const FixedSettings fixed{.cast = Cast::before};
    const Folder folder({.variants = {"rms_norm"}, .checks = {"accuracy"}, .dtypes = {DType::f16}}, Tier::smoke, fixed);
    right_script_holds(folder, {"reference", "cpu"}, [](const Spec& spec) { return spec.casts(); });
    fill_in(folder.path, [](const Inputs<double>& in, Outputs<double>& out) {
        Inputs<double> other = in;
        other.problem.spec.cast = Cast::after;
        out = run(find_implementation("reference"), other);
    });
    CHECK(judge(folder.path).failing("y", "") > 0);
}

TEST_CASE("a script gives y of 16-bit data in f32 where that is said") {
    const FixedSettings fixed{.output = DType::f32};
    const Folder folder({.variants = {"rms_norm"}, .checks = {"accuracy"}, .dtypes = {DType::f16}}, Tier::smoke, fixed);
    right_script_holds(folder, {"reference"}, [](const Spec& spec) { return spec.output == DType::f32; });
    fill_in(folder.path, [](const Inputs<double>&, Outputs<double>& out) { out.y = rounded(out.y, DType::f16); });
    CHECK(judge(folder.path).failing("y", "") > 0);
}

TEST_CASE("a script gives y of 8 bits, and the scale that it finds, where that is said") {
    for (const FixedSettings& fixed :
         {FixedSettings{.output = DType::e4m3, .scale = Scale::block},
          FixedSettings{
              .output = DType::e5m2, .scale = Scale::channels, .scale_power_of_two = true, .scale_inverse = true},
          FixedSettings{.output = DType::e4m3, .scale_inverse = true}}) {
        const Folder folder({.variants = {"rms_norm"}, .checks = {"accuracy"}, .dtypes = {DType::bf16}}, Tier::smoke,
                            fixed);
        REQUIRE(folder.exported.cases > 1);
        fill_in(folder.path);
        const Judgement right = judge(folder.path);
        INFO(right.text);
        CHECK(right.summary.failed + right.summary.unresolved + right.summary.skipped == 0);
        for (const Outcome& o : right.outcomes) CHECK(o.test.spec().output == fixed.output);
        for (const Outcome& o : run_vectors(folder.path, {}, {}, silent)) CHECK(o.skipped != "");
        fill_in(folder.path, [](const Inputs<double>&, Outputs<double>& out) { out.q[1] *= 2, out.q[2] = 0; });
        CHECK(judge(folder.path).failing("q", "") > 0);
        if (fixed.scale == Scale::given) continue;
        fill_in(folder.path, [](const Inputs<double>&, Outputs<double>& out) { out.scale.back() *= 1.5; });
        CHECK(judge(folder.path).failing("scale", "") > 0);
        for (const auto& call : folder.calls()) fs::remove(call / "scale.npy");
        CHECK(judge(folder.path).failing("scale", "is missing; float32 of shape") > 0);
    }
}

TEST_CASE("a script leaves out what a mask does where that is said") {
    const FixedSettings fixed{.mask = MaskPattern::poisoned};
    const Folder folder({.variants = {"layer_norm", "batch_norm"}, .checks = {"accuracy"}}, Tier::smoke, fixed);
    right_script_holds(folder, {"reference"}, [](const Spec& spec) { return spec.masked; });
    fill_in(folder.path, [](const Inputs<double>& in, Outputs<double>& out) {
        Inputs<double> other = in;
        std::ranges::fill(other.mask, 1);
        out = run(find_implementation("reference"), other);
    });
    CHECK(judge(folder.path).failing("y", "") > 0);
}

TEST_CASE("a script has statistics of the part that is said, or the variant's own") {
    for (const std::optional<double> part : {std::optional<double>(), std::optional(0.3)}) {
        const FixedSettings fixed{.part = part};
        const Folder folder({.variants = {"partial_rms_norm"}, .checks = {"accuracy"}}, Tier::smoke, fixed);
        right_script_holds(
            folder, {"reference"}, part ? [](const Spec& spec) { return spec.part == 0.3; } : [](const Spec& spec) {
                return spec.part == 0.0625;
            });
        fill_in(folder.path, [](const Inputs<double>& in, Outputs<double>& out) {
            Inputs<double> other = in;
            other.problem.spec.part = 0.5;
            out = run(find_implementation("reference"), other);
        });
        CHECK(judge(folder.path).failing("y", "") > 0);
    }
}

TEST_CASE("a script is asked for views with strides where that is said") {
    const Selection selection{.variants = {"layer_norm", "batch_norm", "weight_norm"},
                              .checks = {"accuracy"},
                              .dtypes = {DType::f32},
                              .layouts = {Layout::channels_first, Layout::channels_last}};
    std::vector<std::string> left_out;
    for (const Case& c : plan_export(selection, Tier::ci, left_out)) CHECK(c.strides == Strides::dense);
    CHECK(std::ranges::find(left_out,
                            "accuracy: views with strides, which a script makes of its arrays; --strides exports "
                            "them") != left_out.end());
    const std::vector<Case> all = plan_export(selection, Tier::ci, left_out, {.strided = true});
    std::vector<Case> cases;
    std::ranges::copy_if(all, std::back_inserter(cases),
                         [](const Case& c) { return c.strides != Strides::dense && c.shape.size() < 1000; });
    REQUIRE(cases.size() > 20);
    const fs::path path = fs::temp_directory_path() / ("normlab-strides-" + std::to_string(::getpid()));
    struct Removed {
        const fs::path& path;
        ~Removed() { fs::remove_all(path); }
    } removed{path};
    const Exported exported = export_cases(path, cases, left_out, silent, {.strided = true});
    REQUIRE(exported.cases > 20);
    fill_in(path);
    const Judgement right = judge(path);
    INFO(right.text);
    for (const Outcome& o : right.outcomes) CHECK(o.skipped == "");
    CHECK(right.summary.failed + right.summary.unresolved == 0);
    CHECK(right.outcomes.size() == exported.cases);
    fill_in(path, [](const Inputs<double>& in, Outputs<double>& out) {  // takes an expanded dy for a dense one
        if (in.problem.gaps.dy.expands() && !out.dgamma.empty()) out.dgamma.back() *= 0.5;
    });
    CHECK(judge(path).failing("dgamma", "") > 0);
}

TEST_CASE("case.json says the strides of a view, in elements and one an axis") {
    const Folder folder("layer_norm script f32 nchw train 3x8x1 strides=expanded_samples seed=1 check=accuracy");
    const fs::path file = folder.calls().at(0) / "case.json";
    const std::string said = text_of(file);
    CHECK_THAT(said,
               Contains(R"("name":"dy","file":"dy.npy","dtype":"float32","shape":[3,8],"axes":"N C","strides":[0,1])"));
    CHECK_THAT(text_of(folder.calls().at(0) / "case.json"), !Contains(R"("axes":"C","strides")"));
    fill_in(folder.path);
    std::ofstream(file) << std::string(said).replace(said.find("[0,1]"), 5, "[0]");
    CHECK_THROWS_WITH(judge(folder.path), Contains("strides = '[0]'"));
    std::ofstream(file) << std::string(said).replace(said.find("[0,1]"), 5, "[1,1]");
    CHECK_THROWS_WITH(judge(folder.path), Contains("case.json"));  // elements would overlap
}

TEST_CASE("a script has other entries of gamma and beta where that is said") {
    for (const auto& [variant, set] : {std::pair("layer_norm", AffineSet::element),
                                       {"instance_norm", AffineSet::sample_channel},
                                       {"group_norm", AffineSet::group}}) {
        const FixedSettings fixed{.affine_set = set};
        const Folder folder({.variants = {variant}, .checks = {"accuracy"}}, Tier::smoke, fixed);
        CAPTURE(variant);
        REQUIRE(folder.exported.cases > 3);
        fill_in(folder.path);
        const Judgement right = judge(folder.path);
        INFO(right.text);
        CHECK(right.summary.failed + right.summary.unresolved + right.summary.skipped == 0);
        for (const Outcome& o : right.outcomes) CHECK(o.test.spec().affine_set == set);
        for (const Outcome& o : run_vectors(folder.path, {}, {.implementations = {"reference"}}, silent))
            CHECK(failures_text({o}, "normlab") == "");
        fill_in(folder.path, [](const Inputs<double>& in, Outputs<double>& out) {
            Inputs<double> other = in;
            std::ranges::reverse(other.gamma);
            out = run(find_implementation("reference"), other);
        });
        CHECK(judge(folder.path).failing("y", "") > 0);
    }
}

TEST_CASE("a filled in folder is a folder of outside vectors") {
    const Folder folder({.variants = {"batch_norm", "layer_norm", "weight_norm"},
                         .checks = {"accuracy", "zero_sum"},
                         .layouts = {Layout::channels_first, Layout::channels_last}});
    fill_in(folder.path);
    const Summary s = summarize(run_vectors(folder.path, {}, {.implementations = {"reference", "cpu"}}, silent));
    CHECK(s.failed == 0);
    CHECK(s.held > 100);
}

TEST_CASE("a script with eps outside the root fails in both dtypes, and the line that reruns it names the folder") {
    const Folder folder({.variants = {"layer_norm"}}, Tier::ci);
    fill_in(folder.path, eps_outside_the_root);
    const Judgement j = judge(folder.path);
    for (const DType d : {DType::f32, DType::f64})
        CHECK(std::ranges::any_of(j.outcomes, [&](const Outcome& o) {
            return o.test.dtype == d && o.test.check == "accuracy" &&
                   std::ranges::any_of(
                       o.findings, [](const Finding& f) { return f.quantity == "y" && f.verdict == Verdict::fail; });
        }));
    CHECK_THAT(j.text,
               Contains("rerun: normlab verify --judge " + folder.path.string() + " --case \"layer_norm script"));
    CHECK_THAT(j.text, Contains("of layer_norm_f"));
}

TEST_CASE("running statistics are judged where they are filled in, and only there") {
    const Selection selection{.variants = {"batch_norm"}, .checks = {"running_stats"}, .dtypes = {DType::f64}};
    const Change biased = [](const Inputs<double>& in, Outputs<double>& out) {
        if (in.problem.mode == Mode::train)
            for (double& v : out.state.var) v *= 1.001;
    };
    {
        const Folder folder(selection);
        fill_in(folder.path, biased);
        CHECK_THAT(judge(folder.path).text, Contains("FAIL running_stats running var"));
    }
    const Folder folder(selection);
    fill_in(folder.path, biased, false);
    const Judgement j = judge(folder.path);
    CHECK(j.summary.failed == 0);
    CHECK(j.summary.held > 0);  // y
    for (const Outcome& o : j.outcomes)
        for (const Finding& f : o.findings) CHECK_THAT(f.quantity, !Contains("running"));
}

TEST_CASE("outputs may lie in a folder of their own, and the promise of kappa-free sums is held to") {
    const Folder folder({.variants = {"layer_norm"}, .checks = {"accuracy"}, .dtypes = {DType::f32}});
    // as if applied with a mean rounded to float
    fill_in(
        folder.path,
        [](const Inputs<double>& in, Outputs<double>& out) {
            const truth::Result t = truth::evaluate(in);
            for (const truth::Block& b : t.blocks)
                for (std::size_t i : b.elements) {
                    const double lost = rounded(static_cast<double>(b.mean), DType::f32) - static_cast<double>(b.mean);
                    const double gamma =
                        in.gamma.empty() ? 1 : in.gamma[i % static_cast<std::size_t>(in.problem.shape.C)];
                    out.y[i] = rounded(out.y[i] - gamma * lost / static_cast<double>(b.s), DType::f32);
                }
        },
        false);
    const fs::path outputs = folder.path.string() + "-outputs";
    for (const fs::path& call : folder.calls()) {
        fs::create_directories(outputs / call.filename());
        for (const char* name : {"y", "dx", "dgamma", "dbeta"})
            if (const std::string file = std::string(name) + ".npy"; fs::exists(call / file))
                fs::rename(call / file, outputs / call.filename() / file);
    }
    CHECK_THROWS_WITH(judge(folder.path), Contains("holds no outputs yet"));
    CHECK(judge(folder.path, outputs).summary.failed == 0);
    CHECK(judge(folder.path, outputs, Accumulation::kappa_free).summary.failed > 0);
    fs::remove_all(outputs);
}

TEST_CASE("an output that is missing, of another dtype or shape, or NaN fails with its file's name") {
    const Folder folder(
        {.variants = {"group_norm"}, .checks = {"accuracy"}, .dtypes = {DType::f64}, .modes = {Mode::train}});
    fill_in(folder.path);
    const fs::path y = folder.calls()[0] / "y.npy";
    const io::Array right = io::read_npy(y);
    const auto fails_with = [&](const std::string& text) {
        const Judgement j = judge(folder.path);
        CHECK(j.summary.failed > 0);
        CHECK_THAT(j.text, Contains(y.string()) && Contains(text));
    };
    fs::remove(y);
    fails_with("is missing; float64 of shape (5, 6, 3)");
    std::vector<float> narrow(90);
    io::write_npy(y, io::make_array(right.shape, std::span<const float>(narrow)));
    fails_with("f32 of shape");
    io::write_npy(y, io::make_array({90}, right.as<double>()));
    fails_with("shape (90,)");
    io::Array nan = right;
    nan.as<double>()[7] = std::numeric_limits<double>::quiet_NaN();
    io::write_npy(y, nan);
    fails_with("y.npy: element 7 of 90 is NaN; of group_norm_f64_0001");
    CHECK_THAT(judge(folder.path).text, Contains("FAIL accuracy y"));
    std::ofstream(y) << "no array";
    fails_with("y.npy");
    io::write_npy(y, right);
    CHECK(judge(folder.path).summary.failed == 0);
}

TEST_CASE(
    "where a part of a call is filled in the rest is missed by name, whatever the check looks at, and where nothing is "
    "the case is skipped") {
    const Folder folder({.variants = {"layer_norm"}, .checks = {"accuracy", "zero_sum"}, .dtypes = {DType::f64}});
    fill_in(
        folder.path, [](const Inputs<double>&, Outputs<double>&) {}, false);
    REQUIRE(judge(folder.path).summary.failed == 0);
    fs::path call;  // with gradients
    for (const fs::path& one : folder.calls())
        if (fs::exists(one / "dgamma.npy")) call = one;
    fs::remove(call / "dgamma.npy");
    Judgement j = judge(folder.path);
    INFO(j.text);
    CHECK(j.failing("dgamma", (call / "dgamma.npy").string() + ": is missing") > 0);
    CHECK(j.summary.failed == j.failing("dgamma", "is missing"));  // y, dx and dbeta hold
    CHECK(j.summary.skipped == 0);
    for (const char* name : {"y", "dx", "dbeta"}) fs::remove(call / (std::string(name) + ".npy"));
    j = judge(folder.path);
    CHECK(j.summary.failed == 0);
    CHECK(j.summary.skipped > 0);
    CHECK(std::ranges::any_of(j.outcomes, [&](const Outcome& o) {
        return o.skipped == "the script wrote nothing for " + call.filename().string();
    }));
    REQUIRE(!j.left_out.empty());
    CHECK_THAT(j.left_out[0], Contains("nothing was written for 1 of"));
}

TEST_CASE(
    "an output that is missing or cut is one cause, which stands first, and NaN of another result stays a finding") {
    const Folder folder({.variants = {"layer_norm"}, .dtypes = {DType::f64}});
    fill_in(folder.path);
    const fs::path y = folder.calls()[0] / "y.npy";
    fs::resize_file(y, fs::file_size(y) - 8);
    Judgement j = judge(folder.path);
    INFO(j.text);
    CHECK(j.failing("y", y.string() + ": truncated") > 1);
    CHECK_THAT(j.text, Contains("; write it again"));
    std::vector<Cause> causes = diagnose(j.outcomes);
    REQUIRE(causes.size() == 1);
    CHECK(causes[0].title == "y is missing or cannot be read");
    CHECK(causes[0].checks.size() > 1);
    VectorArray dx = read_vector(folder.calls()[0] / "case.json").outputs.at("dx").array;
    write_answer(dx, std::vector<double>(90, std::nan("")));
    j = judge(folder.path);
    causes = diagnose(j.outcomes);
    CHECK(causes.at(0).title == "y is missing or cannot be read");
    CHECK(j.failing("dx", "nan") > 0);
}

TEST_CASE("an option that no chosen variant or dtype can have is refused") {
    std::vector<std::string> left_out;
    const auto refused = [&](const Selection& selection, const FixedSettings& fixed, const std::string& message) {
        CHECK_THROWS_WITH(plan_export(selection, Tier::smoke, left_out, fixed), Contains(message));
    };
    const Selection layer{.variants = {"layer_norm"}, .checks = {"accuracy"}};
    refused(
        layer, {.denominator = Denominator::floor},
        "--denominator is for l2_norm and weight_standardization, of which --variant layer_norm chooses none; without "
        "--denominator it is accepted");
    refused(layer, {.divisor = Divisor::less_one}, "--divisor is for");
    refused(layer, {.running = Running::unbiased_variance}, "--running is for batch_norm, batch_renorm");
    refused(layer, {.momentum = "0.5"}, "--momentum is for");
    refused({.variants = {"weight_norm", "weight_standardization"}}, {.mask = MaskPattern::one},
            "of which --variant weight_norm,weight_standardization chooses none");
    refused(layer, {.output = DType::f32},
            "--output is for data of bf16 and f16, and those of f64 and f32 are chosen; --dtype bf16,f16 is accepted");
    refused({.dtypes = {DType::f64}}, {.param_dtype = DType::bf16}, "--param-dtype is for data of f32, bf16 and f16");
    refused({.dtypes = {DType::f64}}, {.residual = Residual::stored, .residual_dtype = DType::f32},
            "--residual-dtype is for data of f32");
    // what is chosen beside others goes to those that can have it
    const auto has = [](const Case& c) { return c.denominator == Denominator::floor_root; };
    const std::vector<Case> all =
        plan_export({.checks = {"accuracy"}}, Tier::smoke, left_out, {.denominator = Denominator::floor_root});
    CHECK(std::ranges::any_of(all, has));
    for (const Case& c : all) CHECK(has(c) == !find_variant(c.variant).make().plain());
    CHECK_NOTHROW(plan_export(layer, Tier::smoke, left_out, {.running = Running::none}));
}

TEST_CASE("an optional output that some calls of a variant have is missed in the others") {
    const Folder folder({.variants = {"layer_norm", "group_norm"}, .checks = {"accuracy"}, .dtypes = {DType::f64}});
    fill_in(folder.path);
    for (const fs::path& call : folder.calls())
        // in none: not judged
        if (call.filename().string().starts_with("group_norm")) fs::remove(call / "save_rstd.npy");
    Judgement j = judge(folder.path);
    CHECK(j.summary.failed == 0);
    const auto says = [](const std::string& line) {
        return line.starts_with("saved rstd of group_norm: optional, not written");
    };
    CHECK(std::ranges::any_of(j.left_out, says));
    const fs::path missing = folder.calls().back() / "save_rstd.npy";  // of layer norm
    fs::remove(missing);
    j = judge(folder.path);
    CHECK(j.failing("saved rstd", missing.string()) > 0);
    CHECK_THAT(j.text, Contains("other calls of layer_norm have it"));
}

TEST_CASE("the calls of an exported variant are its own") {
    for (const char* variant : {"batch_norm", "group_norm", "instance_norm", "rms_norm"}) {
        const Folder folder({.variants = {variant}, .checks = {"accuracy", "cross_variant"}, .dtypes = {DType::f64}});
        for (const fs::path& call : folder.calls()) CHECK(read_vector(call / "case.json").op == variant);
        fill_in(folder.path);
        const Judgement j = judge(folder.path);
        CHECK(j.summary.failed == 0);
        CHECK(j.summary.skipped == 0);
    }
    const Folder both(
        {.variants = {"batch_norm", "instance_norm"}, .checks = {"cross_variant"}, .dtypes = {DType::f64}});
    CHECK(both.exported.cases > 0);
    fill_in(both.path);
    const Judgement j = judge(both.path);  // ghost batches are a call of no script: left out, and not answered
    INFO(j.text);
    CHECK(j.summary.failed == 0);
    CHECK(j.summary.held > 0);
}

TEST_CASE("a script with a library's settings built in holds what is exported for it") {
    for (const Convention& convention : conventions()) {
        INFO(convention.name);
        const Folder folder({.variants = {"batch_norm", "batch_renorm", "instance_norm", "rms_norm", "weight_norm"},
                             .checks = {"accuracy", "running_stats", "scale_invariance", "cross_variant"},
                             .dtypes = {DType::f32}},
                            Tier::smoke, {.convention = &convention});
        for (const fs::path& call : folder.calls()) {
            const VectorAttributes a = read_vector(call / "case.json").attributes;
            const bool batch = call.filename().string().starts_with("batch_norm");
            if (batch) CHECK(a.eps == convention.batch_eps);
            const double weighs_new = convention.weighs_old ? 1 - convention.momentum : convention.momentum;
            if (a.has_momentum) CHECK(a.momentum == weighs_new);
            if (batch) CHECK(a.running_stat.value_or(Running::unbiased_variance) == convention.running);
        }
        fill_in(folder.path);
        const Judgement j = judge(folder.path);
        INFO(j.text);
        CHECK(j.summary.failed == 0);
        CHECK(j.summary.skipped == 0);
        CHECK(j.summary.held > 50);
    }
    const Folder none({.variants = {"batch_norm", "batch_renorm"}, .checks = {"accuracy"}, .dtypes = {DType::f64}},
                      Tier::smoke, {.momentum = "none", .running = Running::none});
    for (const fs::path& call : none.calls())
        CHECK(!read_vector(call / "case.json").inputs.contains("running_mean_in"));
    CHECK(std::ranges::any_of(none.left_out, [](const std::string& line) { return line.starts_with("batch_renorm"); }));
}

TEST_CASE("a State of float32 is judged by bounds that have its rounding, and no more than that") {
    const Folder folder({.variants = {"batch_norm", "instance_norm", "batch_renorm"},
                         .checks = {"running_stats"},
                         .dtypes = {DType::f64}});
    const auto kept_in_f32 = [&](double factor) {
        fill_in(folder.path, [factor](const Inputs<double>& in, Outputs<double>& out) {
            if (in.problem.mode == Mode::eval || in.problem.spec.running == Running::none) return;
            for (std::vector<double>* kept : {&out.state.mean, &spread_of(out.state)})
                for (double& v : *kept) v = rounded(v * factor, DType::f32);
        });
        return judge(folder.path).summary.failed;
    };
    CHECK(kept_in_f32(1) == 0);
    CHECK(kept_in_f32(1 + 3e-6) > 0);
    fill_in(folder.path, [](const Inputs<double>& in, Outputs<double>& out) {  // one number is none of float32
        if (in.problem.mode == Mode::train && in.problem.spec.momentum == 0.1) out.state.mean[0] *= 1 + 1e-8;
    });
    CHECK(judge(folder.path).summary.failed > 0);
}

TEST_CASE("16-bit arrays go out and come back as their bits") {
    const Folder folder({.variants = {"batch_norm", "layer_norm"},
                         .checks = {"accuracy", "zero_sum", "running_stats"},
                         .dtypes = {DType::bf16, DType::f16}});
    const VectorFile first = read_vector(folder.calls()[0] / "case.json");
    CHECK(first.dtype == DType::bf16);
    CHECK(io::read_npy(first.inputs.at("x").file).type == io::ElementType::u16);
    CHECK(io::read_npy(first.inputs.at("gamma").file).type == io::ElementType::f32);
    fill_in(folder.path);
    const Judgement j = judge(folder.path);
    INFO(j.text);
    CHECK(j.summary.failed == 0);
    CHECK(j.summary.skipped == 0);
    CHECK(summarize(run_vectors(folder.path, {}, {.implementations = {"reference"}}, silent)).failed == 0);
    fill_in(folder.path, eps_outside_the_root);
    CHECK(judge(folder.path).summary.failed > 0);
}

TEST_CASE("NaN where variance and eps are 0 fails by convention, and holds where it is accepted") {
    for (const char* text :
         {"layer_norm script f32 nchw train 3x5x1 eps=0 x=constant affine=both seed=1 check=accuracy",
          "weight_norm script f64 nchw train 2x2x1 affine=gamma x=0,1,0,2 seed=1 check=accuracy"}) {
        INFO(text);
        const Folder folder(text);
        fill_in(folder.path, [](const Inputs<double>& in, Outputs<double>& out) {
            constexpr double nan = std::numeric_limits<double>::quiet_NaN();
            const truth::Result t = truth::evaluate(in);
            for (std::size_t k = 0; k < t.blocks.size(); ++k) {
                if (t.blocks[k].s != 0) continue;
                out.saved.rstd[k] = 1 / 0.0;
                for (const std::size_t i : t.blocks[k].elements) {
                    out.y[i] = out.dx[i] = nan;
                    const auto C = static_cast<std::size_t>(in.problem.shape.C);
                    out.dgamma[i / static_cast<std::size_t>(in.problem.shape.S) % C] = nan;
                }
            }
        });
        const Judgement j = judge(folder.path);
        CHECK(j.summary.failed > 0);
        CHECK_THAT(j.text, Contains("convention: ") && Contains(std::string(accept_nan_flag)));
        const Judgement accepted = judge(folder.path, {}, Accumulation::sequential, true);
        INFO(accepted.text);
        CHECK(accepted.summary.failed == 0);
    }
}

TEST_CASE("a folder that normlab export did not write, or that was spoilt, is refused") {
    const Folder folder({.variants = {"group_norm"}, .checks = {"zero_sum"}, .dtypes = {DType::f64}});
    fill_in(folder.path);
    const auto spoilt = [&](const fs::path& file, const std::string& from, const std::string& to) {
        std::string text((std::istreambuf_iterator<char>(*std::make_unique<std::ifstream>(file))), {});
        const std::string before = text;
        REQUIRE(text.find(from) != std::string::npos);
        text.replace(text.find(from), from.size(), to);
        std::ofstream(file) << text;
        CHECK_THROWS_AS(judge(folder.path), io::InputError);
        std::ofstream(file) << before;
    };
    const fs::path index = folder.path / "normlab.json", call = folder.calls()[0] / "case.json";
    spoilt(index, "{", "");
    spoilt(index, "\"schema\": 1", "\"schema\": 2");
    spoilt(index, "group_norm script", "groupnorm script");
    spoilt(index, "\"cases\"", "\"case\"");
    spoilt(index, "\"calls\"", "\"calls\": [], \"were\"");
    spoilt(index, "group_norm_f64_0001", "../elsewhere");
    spoilt(call, "\"num_groups\":3", "\"num_groups\":4");
    spoilt(call, "\"op\"", "\"no\"");
    spoilt(call, "[5,6,3]", "[4,6,3]");
    spoilt(call, "\"x.npy\"", "\"z.npy\"");
    CHECK(judge(folder.path).summary.failed == 0);
    fs::remove(index);
    CHECK_THROWS_AS(judge(folder.path), io::InputError);
}

TEST_CASE("export writes a new folder, all of it or nothing, and says what it leaves out") {
    std::vector<std::string> left_out;
    CHECK_THROWS_WITH(plan_export({.checks = {"contracts"}}, Tier::smoke, left_out), Contains("nothing to export"));
    const Folder folder({.variants = {"layer_norm"}, .checks = {"accuracy"}});
    const std::vector<Case> cases =
        plan_export({.variants = {"layer_norm"}, .checks = {"accuracy"}}, Tier::smoke, left_out);
    CHECK_THROWS_WITH(export_cases(folder.path, cases, left_out, silent), Contains("exists already"));
    CHECK_THROWS_AS(export_cases(folder.path / "no" / "where", cases, left_out, silent), io::InputError);
    CHECK_THROWS_AS(export_cases(folder.path / "ghosts", {parse_case("batch_norm script f64 nchw 6x3x2 stat_batch=2")},
                                 left_out, silent),
                    Error);
    CHECK(!fs::exists(folder.path / "ghosts"));
    for (const auto& entry : fs::directory_iterator(folder.path))
        CHECK_THAT(entry.path().filename().string(), !Contains(".tmp"));
    for (const fs::path& call : folder.calls()) CHECK(!fs::exists(call / "y.npy"));
}
