// Outside test vectors: those of ../shared, planted faults found by them, and folders with something wrong in them.
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "io/error.hpp"
#include "io/npy.hpp"
#include "tests/catch.hpp"
#include "tests/folder.hpp"
#include "tests/planted.hpp"
#include "verify/exchange/vector_file.hpp"
#include "verify/exchange/vectors.hpp"
#include "verify/report/report.hpp"

using namespace normlab;
using namespace normlab::verify;
namespace fs = std::filesystem;
using Catch::Matchers::Contains;

namespace {

const fs::path shared = fs::path(SHARED_DIR) / "vectors";

std::vector<Outcome> run(const fs::path& folder, const Selection& selection = {.implementations = {"reference", "cpu"}},
                         const std::vector<std::string>& only = {}) {
    return run_vectors(folder, only, selection, [](std::size_t, std::size_t) {});
}

// A folder of vectors, written without the code under test.
struct Folder : TemporaryFolder {
    struct Array {
        std::string list, name;
        std::vector<std::int64_t> shape;
        std::vector<double> values;
    };
    // `settings`: what case.json says besides its lists.
    void put(const std::string& name, const std::string& settings, const std::vector<Array>& arrays) const {
        fs::create_directories(path / name);
        std::map<std::string, std::string> lists{{"inputs", ""}, {"outputs", ""}};
        for (const Array& a : arrays) {
            const std::string file = a.list + "_" + a.name + ".npy";
            io::write_npy(path / name / file, io::make_array<double>(a.shape, a.values));
            std::string shape;
            for (std::int64_t d : a.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(d);
            std::string& list = lists[a.list];
            list += (list.empty() ? "" : ", ") + ("{\"name\": \"" + a.name + "\", \"file\": \"" + file +
                                                  "\", \"dtype\": \"float64\", \"shape\": [" + shape + "]}");
        }
        std::ofstream json(path / name / "case.json");
        json << "{" << settings;
        for (const auto& [key, list] : lists) json << ", \"" << key << "\": [" << list << "]";
        json << "}";
    }
    // Layer norm of (1, 3) without eps: y = (-1, 1).
    void put_layer_norm(const std::string& name, std::vector<double> y, const std::string& more = "",
                        const std::string& attributes = "\"affine\": false") const {
        put(name,
            "\"op\": \"layer_norm\", \"dtype\": \"float64\", \"attributes\": {\"normalized_dims\": 1, \"eps\": 0.0, " +
                attributes + "}" + more,
            {{"inputs", "x", {1, 2}, {1, 3}}, {"outputs", "y", {1, 2}, std::move(y)}});
    }
};

// The findings of `folder`'s vectors that are FAIL, with the lines that rerun them.
std::string failures(const fs::path& folder) { return failures_text(run(folder), "normlab"); }

}  // namespace

TEST_CASE(
    "the outside vectors of ../shared hold for truth, the reference and the CPU, and only ops that normlab lacks are "
    "skipped") {
    if (!fs::exists(shared)) NORMLAB_SKIP("../shared/vectors is not here");
    const auto outcomes = run(shared);
    CHECK(failures_text(outcomes, "normlab") == "");
    std::map<std::string, std::set<std::string>> ran;  // by implementation
    std::size_t skipped = 0;
    for (const Outcome& o : outcomes) {
        if (o.skipped.empty()) ran[o.test.implementation].insert(o.name.substr(0, o.name.find(' ')));
        else if (o.test.implementation.empty()) CHECK_THAT(o.skipped, Contains("normlab has no "));
        else CHECK(o.skipped == "cpu declines double backward: it has no double backward");
        skipped += !o.skipped.empty() && o.test.implementation.empty();
    }
    CHECK(ran["reference"].size() == 154);
    CHECK(ran["cpu"].size() == 138);
    CHECK(ran["truth"].size() == 150);  // the other four make no call
    CHECK(skipped == 4);
    CHECK_THAT(vectors_text(outcomes), !Contains("weight_standardization 5") && Contains("sync_batch_norm 4"));
    CHECK_THAT(vectors_text(outcomes),
               Contains("wn_hard_zero_row_f64 cpu nchw, w: 6 of 24 are not finite outside; ours: 0"));
}

TEST_CASE("faults of each kind are found by the outside vectors, and nothing without one") {
    if (!fs::exists(shared)) NORMLAB_SKIP("../shared/vectors is not here");
    const auto failed = [](const Implementation& implementation) {
        return summarize(run(shared, {.implementations = {implementation.name()}})).failed;
    };
    CHECK(failed(planted::right()) == 0);
    CHECK(failed(planted::with_formula("first_dx", {.first_dx = 1.01})) > 0);
    for (const char* fault :
         {"mean_g_missing", "x_hat_term_missing", "eps_outside", "var_unbiased", "running_var_biased",
          "momentum_reversed", "r_d_not_frozen", "gamma_by_group", "means_over_m_minus_1", "dgamma_last_channel"}) {
        CAPTURE(fault);
        CHECK(failed(planted::with_fault(fault)) > 0);
    }
}

TEST_CASE("a vector with a wrong number fails for truth and implementations alike, with the line that reruns it") {
    const Folder f;
    f.put_layer_norm("right", {-1, 1});
    f.put_layer_norm("wrong", {-1, 1 + 1e-11});
    const std::string text = failures(f.path);
    CHECK_THAT(text, Contains("FAIL wrong truth nchw y: error 1e-11") && !Contains("right"));
    CHECK_THAT(text, Contains("rerun: normlab verify --vectors " + f.path.string() +
                              " --only wrong --impl cpu --layout nchw\n"));
    CHECK(run(f.path, {.implementations = {"cpu"}}, {"right"}).size() == 2);
}

TEST_CASE("of several values for an output the most exact is the target") {
    const Folder f;
    const std::string settings =
        "\"op\": \"layer_norm\", \"dtype\": \"float64\", \"attributes\": {\"normalized_dims\": 1, \"eps\": 0.0}";
    const Folder::Array x{"inputs", "x", {1, 2}, {1, 3}}, right{"outputs_ref80", "y", {1, 2}, {-1, 1}},
        wrong{"outputs", "y", {1, 2}, {7, 7}};
    f.put("a", settings, {x, wrong, right});
    CHECK(failures(f.path) == "");
    f.put("b", settings, {x, {"outputs", "y", {1, 2}, {-1, 1}}, {"outputs64", "y", {1, 2}, {7, 7}}});
    CHECK_THAT(failures(f.path), Contains("FAIL b"));
}

TEST_CASE("batch renorm over several steps, by hand: running sigma, a clipping limit a step, evaluation last") {
    const Folder f;
    using A = Folder::Array;
    const auto put = [&](const std::string& name, double y1) {
        f.put(
            name,
            R"("op": "batch_renorm_multistep", "dtype": "float64", "attributes": {"momentum": 0.5, "eps": 0.0, "affine": false, "steps": 2, "r_max": [1, 3],
            "d_max": [0, 5], "running_stat": "sigma", "running_mean_initial": 0.0, "running_sigma_initial": 1.0, "num_batches_tracked_initial": 0})",
            {A{"inputs", "x0", {2, 1}, {1, 5}},  // mean 3, sigma 2; r = 1, d = 0; running mean 1.5, sigma 1.5
             A{"inputs", "x1", {2, 1}, {3, 9}},  // mean 6, sigma 3; r = 2, d = 3; running mean 3.75, sigma 2.25
             A{"inputs", "x_eval", {1, 1}, {6}}, A{"outputs", "y0", {2, 1}, {-1, 1}},
             A{"outputs", "y1", {2, 1}, {1, y1}}, A{"outputs", "running_mean_0", {1}, {1.5}},
             A{"outputs", "running_sigma_0", {1}, {1.5}}, A{"outputs", "running_mean_1", {1}, {3.75}},
             A{"outputs", "running_sigma_1", {1}, {2.25}}, A{"outputs", "num_batches_tracked_1", {}, {2}},
             A{"outputs", "r_1", {1}, {2}}, A{"outputs", "d_1", {1}, {3}}, A{"outputs", "y_eval", {1, 1}, {1}}});
    };
    put("right", 5);
    const auto outcomes = run(f.path);
    CHECK(failures_text(outcomes, "normlab") == "");
    REQUIRE(outcomes.size() == 3);
    CHECK(outcomes[2].findings.size() == 10);
    put("wrong", 4);
    CHECK_THAT(failures(f.path), Contains("FAIL wrong cpu nchw y1"));
}

TEST_CASE("where a vector says that the call must be refused, computing it fails, and the other way round") {
    const Folder f;
    f.put_layer_norm("computed", {-1, 1}, R"(, "expect_error": "RuntimeError: no")");
    CHECK_THAT(failures(f.path),
               Contains("FAIL computed cpu nchw vector") && Contains("the outside refuses it: RuntimeError: no"));
    f.put_layer_norm("computed", {-1, 1}, R"(, "expect_error": "no", "tags": ["quirk"])");
    CHECK(failures(f.path) == "");
    fs::remove_all(f.path / "computed");
    const std::string settings = R"("op": "batch_norm", "dtype": "float64", "attributes": {"training": true})";
    f.put("refused", settings + R"(, "expect_error": "one value")", {{"inputs", "x", {1, 2}, {1, 3}}});
    CHECK(failures(f.path) == "");
    f.put("refused", settings, {{"inputs", "x", {1, 2}, {1, 3}}, {"outputs", "y", {1, 2}, {0, 0}}});
    CHECK_THAT(failures(f.path), Contains("FAIL refused cpu nchw vector") && Contains("one value a channel"));
    f.put(
        "refused",
        R"("op": "batch_norm", "dtype": "float64", "attributes": {"training": false, "track_running_stats": true, "affine": true}, "expect_error": "x")",
        {{"inputs", "x", {2, 1}, {1, 3}}});
    CHECK(failures(f.path) == "");
    f.put(
        "refused",
        R"("op": "layer_norm", "dtype": "float64", "attributes": {"normalized_dims": 1, "normalized_shape": [3]}, "expect_error": "shape")",
        {{"inputs", "x", {1, 2}, {1, 3}}});
    CHECK(failures(f.path) == "");
}

TEST_CASE(
    "whatever keeps a vector from being judged is a failure with its reason, but ops that normlab lacks are skipped") {
    const Folder f;
    const auto fails = [&](const std::string& reason) {
        INFO(reason);
        CHECK_THAT(failures(f.path), Contains("FAIL bad") && Contains(reason));
    };
    const std::string op = R"("op": "layer_norm", "dtype": "float64")";
    f.put_layer_norm("bad", {-1, 1}, "", R"("elementwise_affine": true)");
    fails("unknown attribute 'elementwise_affine'");
    f.put_layer_norm("bad", {-1, 1}, "", R"("affine": 1)");
    fails("affine = '1'; true, false");
    f.put_layer_norm("bad", {-1, 1}, "", R"("affine": true)");
    fails("affine says that there is a gamma, the inputs that there is none");
    f.put_layer_norm("bad", {-1, 1}, R"(, "schema": 2)");
    fails("schema = '2'; 1 is accepted");
    f.put_layer_norm("bad", {-1, 1});
    fs::remove(f.path / "bad" / "outputs_y.npy");
    fails("outputs_y.npy: cannot be opened");
    io::write_npy(f.path / "bad" / "outputs_y.npy", io::make_array<double>({2}, std::vector<double>{-1, 1}));
    fails("case.json says f64 of shape (1, 2)");
    f.put("bad", R"("op": "layernorm", "dtype": "float64", "attributes": {})", {});
    fails("unknown op 'layernorm' (did you mean layer_norm?)");
    f.put("bad", op + R"(, "attributes": {"normalized_dims": 1})", {{"inputs", "X", {1, 2}, {1, 3}}});
    fails("unknown input 'X'");
    f.put("bad", op + R"(, "attributes": {"normalized_dims": 1})", {{"inputs", "dy", {1, 2}, {1, 3}}});
    fails("has no input x, which layer_norm needs");
    f.put("bad", op + R"(, "attributes": {"normalized_dims": 1})",
          {{"inputs", "x", {1, 2}, {1, 3}}, {"outputs", "z", {1}, {0}}});
    fails("output 'z' is unknown");
    f.put("bad", op + R"(, "attributes": {"normalized_dims": 1})",
          {{"inputs", "x", {1, 2}, {1, 3}}, {"outputs", "dx", {1, 2}, {0, 0}}});
    fails("0 values where 2 are expected");
    f.put("bad", R"("op": "batch_norm_multistep", "dtype": "float64", "attributes": {"steps": 3})",
          {{"inputs", "x0", {2, 1}, {1, 3}}});
    fails("has no input x1");
    std::ofstream(f.path / "bad" / "case.json") << "{";
    fails("is no JSON");
    fs::remove(f.path / "bad" / "case.json");
    f.put_layer_norm("good", {-1, 1});
    fails("cannot be opened");
    fs::remove_all(f.path / "bad");
    f.put("lacking", R"("op": "sync_batch_norm", "dtype": "float32", "attributes": {})", {});
    const auto outcomes = run(f.path);
    CHECK(summarize(outcomes).good(false));
    CHECK(summarize(outcomes).skipped == 1);
}

TEST_CASE("a folder that is none, or holds no vector, and names and selections that fit nothing are refused") {
    const Folder f;
    CHECK_THROWS_WITH(run(f.path / "nowhere"), Contains("is no folder"));
    CHECK_THROWS_WITH(run(f.path), Contains("holds no vector"));
    f.put_layer_norm("plain", {-1, 1});
    CHECK_THROWS_WITH(run(f.path, {}, {"plane"}), Contains("did you mean plain"));
    CHECK_THROWS_WITH(run(f.path, {.variants = {"batch_norm"}}), Contains("leaves none of the vectors"));
    CHECK_THROWS_WITH(run(f.path, {.variants = {"batchnorm"}}), Contains("did you mean batch_norm"));
    CHECK_THROWS_WITH(run(f.path, {.dtypes = {DType::bf16}}), Contains("leaves none of the vectors"));
}
