#include <filesystem>

#include "io/error.hpp"
#include "io/npy.hpp"
#include "tests/catch.hpp"
#include "tests/folder.hpp"
#include "verify/report/report.hpp"
#include "verify/run/real_data.hpp"
#include "verify/run/run_cases.hpp"

using namespace normlab;
using namespace normlab::verify;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;

namespace {

template <class T>
fs::path write(const fs::path& to, std::vector<std::int64_t> dims, std::size_t count, double spoil = 0) {
    std::vector<T> v;
    Random random(4);
    for (std::size_t i = 0; i < count; ++i) v.push_back(static_cast<T>(3 + 2 * random.normal()));
    if (spoil != 0 && count > 7) v[7] = static_cast<T>(spoil);
    io::write_npy(to, io::make_array<T>(std::move(dims), v));
    return to;
}

std::string refusal(const InputOptions& options, const Selection& selection = {}) {
    std::vector<std::string> left_out;
    try {
        plan_input(options, selection, left_out);
    } catch (const std::exception& e) {
        return e.what();
    }
    return "accepted";
}

}  // namespace

TEST_CASE(
    "a user's activations pass every check in both layouts, variants that cannot take them are left out by reason") {
    TemporaryFolder f;
    InputOptions options;
    options.x = write<float>(f.path / "x.npy", {6, 4, 3, 5}, 360);
    options.gamma = write<float>(f.path / "gamma.npy", {4}, 4);
    for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
        options.layout = layout;
        if (layout == Layout::channels_last) options.gamma = write<float>(f.path / "gamma5.npy", {5}, 5);
        std::vector<std::string> left_out;
        const auto cases = plan_input(options, {.implementations = {"reference", "cpu"}}, left_out);
        CHECK(cases[0].shape == (layout == Layout::channels_first ? Shape{6, 4, 15} : Shape{6, 5, 12}));
        CHECK(cases[0].dtype == DType::f32);
        REQUIRE(left_out.size() == 2);  // weights have 6 channels by dim 0, so gamma does not fit
        CHECK_THAT(left_out[0], Contains("weight_norm") && Contains("of shape (6,) here"));
        CHECK_THAT(left_out[1], Contains("weight_standardization") && Contains("of shape (6,) here"));
        const Summary s = summarize(run_cases(cases, 1, [](auto, auto) {}));
        CHECK(s.held > 50);
        CHECK(s.good(false));
    }
    options.layout = Layout::channels_first, options.gamma.clear(), options.normalized = 2, options.weight_dim = "none";
    std::vector<std::string> left_out;
    for (const Case& c : plan_input(options, {.implementations = {"reference", "cpu"}}, left_out)) {
        if (c.variant == "layer_norm") CHECK(c.shape == Shape{24, 15, 1});
        if (c.variant == "weight_norm") CHECK(c.shape == Shape{1, 1, 360});
        if (c.variant == "batch_norm") CHECK(c.shape == Shape{6, 4, 15});
    }
}

TEST_CASE("what is wrong with an input file is said by name and value") {
    TemporaryFolder f;
    InputOptions options;
    const auto said = [&](const fs::path& x, const Selection& selection = {}) {
        options.x = x;
        return refusal(options, selection);
    };
    CHECK_THAT(said(f.path / "absent.npy"), Contains("absent.npy"));
    CHECK_THAT(said(f.path), Contains(f.path.string()));
    CHECK_THAT(said(write<float>(f.path / "nan.npy", {4, 5}, 20, std::nan(""))),
               Contains("element 7 is") && Contains("finite"));
    CHECK_THAT(said(write<float>(f.path / "inf.npy", {4, 5}, 20, -INFINITY)), Contains("-inf"));
    CHECK_THAT(said(write<float>(f.path / "flat.npy", {20}, 20)), Contains("rank 1"));
    CHECK_THAT(said(write<float>(f.path / "empty.npy", {0, 5}, 0)), Contains("empty"));
    CHECK_THAT(said(write<std::int32_t>(f.path / "ints.npy", {4, 5}, 20)),
               Contains("f64, f32, bf16 and f16 are accepted"));
    CHECK_THAT(said(write<float>(f.path / "one.npy", {1, 5}, 5), {.variants = {"batch_norm"}}),
               Contains("one value a channel"));
    const fs::path good = write<float>(f.path / "good.npy", {4, 6}, 24);
    options.groups = 4;
    CHECK_THAT(said(good, {.variants = {"group_norm"}}), Contains("C = 6") && Contains("G = 4"));
    options.groups.reset();
    options.eps = -1;
    CHECK_THAT(said(good, {.variants = {"layer_norm"}}), Contains("--eps -1"));
    CHECK_THAT(said(good), Contains("--eps -1"));
    options.eps.reset();
    options.weight_dim = "9";
    CHECK_THAT(said(good), Contains("dim 9") && Contains("0 to 1"));
    options.weight_dim.reset();
    options.normalized = 4294967297;
    CHECK_THAT(said(good), Contains("4294967297"));
    options.normalized.reset();
    CHECK_THAT(said(good, {.variants = {"layr_norm"}}), Contains("did you mean layer_norm?"));
    CHECK_THAT(said(good, {.checks = {"recalibrate"}}), Contains("draws its own data"));
    options.beta = write<float>(f.path / "beta.npy", {5}, 5);
    CHECK_THAT(said(good, {.variants = {"layer_norm"}}), Contains("shape (5,)") && Contains("of shape (6,) here"));
}

TEST_CASE("activations of layers fed with MNIST pass") {
    const fs::path folder = fs::path(SHARED_DIR) / "data" / "mnist";
    if (!fs::exists(folder)) NORMLAB_SKIP("no MNIST files in ../shared/data/mnist");
    std::vector<std::string> left_out;
    Selection selection;
    selection.variants = {"batch_norm", "instance_norm"};
    selection.implementations = {"reference", "cpu"};
    selection.layouts = {Layout::channels_last};
    const auto cases = plan_mnist(folder, "", selection, 1, left_out);
    const Summary s = summarize(run_cases(cases, 2, [](auto, auto) {}));
    CHECK(s.held > 20);
    CHECK(s.good(false));
}

TEST_CASE("the line that reruns a case on a file names the file and the settings") {
    TemporaryFolder f;
    InputOptions options;
    options.x = write<double>(f.path / "x.npy", {6, 4, 3}, 72);
    options.eps = 0.5;
    std::vector<std::string> left_out;
    const auto cases = plan_input(
        options, {.variants = {"layer_norm"}, .implementations = {"reference"}, .checks = {"zero_sum"}}, left_out);
    REQUIRE(cases.size() == 1);
    CHECK(cases[0].rerun() == "normlab verify --input " + options.x.string() +
                                  " --variant layer_norm --impl reference --dtype f64 --layout nchw --mode train "
                                  "--check zero_sum --seed 1 --eps 0.5");
}
