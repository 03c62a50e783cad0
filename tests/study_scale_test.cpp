// The study of scale invariance: its verdicts, and that a gradient that feels the scale is caught.
#include "studies/scale/net.hpp"
#include "tests/catch.hpp"
#include "tests/study_reports.hpp"

using namespace normlab;
using namespace normlab::studies;

namespace {

std::map<std::string, Verdict> verdicts_for(double ratio, double law, int shrank) {
    const Study& study = find_study("scale");
    return verdicts(
        study, made_up(
                   study, {{"--impl", "cpu,reference"}},
                   [&](const json& s) -> json {
                       const std::string experiment = s.at("experiment");
                       const double off = 0.001 * s.at("seed").get<double>();
                       if (experiment == "gradients")
                           return {{"orthogonal", ratio}, {"cosine", 1e-16}, {"inverse_scale", ratio}};
                       if (experiment == "weight_norm")
                           return {{"step", {1}}, {"length", {1}}, {"shrank", shrank}, {"largest_fall_over_bound", 0}};
                       return {{"rate", 1},
                               {"step", {1}},
                               {"fourth_power", {1}},
                               {"law_per_step", 1},
                               {"start", 1},
                               {"equilibrium_law", 1},
                               {"growth_over_law", law + off},
                               {"equilibrium_over_law", law + off},
                               {"sphere_gradient_seen", 1},
                               {"growth_error", ratio},
                               {"growth_over_bound", 1e9}};
                   },
                   Size::quick));
}

const json tiny{{"inputs", 6}, {"units", 3}, {"batch", 8}, {"seed", 1}, {"impl", "cpu"}};

}  // namespace

TEST_CASE("scale: each claim can come out either way", "[studies]") {
    const auto good = verdicts_for(0.1, 1, 0), bad = verdicts_for(1.5, 1.3, 2), unknown = verdicts_for(0.1, 0.898, 0);
    CHECK(good.size() == 6);
    for (const auto& [claim, verdict] : good) CHECK(verdict == Verdict::reproduced);
    for (const auto& [claim, verdict] : bad) CHECK(verdict == Verdict::not_reproduced);
    CHECK(unknown.at("norm-growth-law") == Verdict::inconclusive);
}

TEST_CASE("scale: an eps that is not 0 breaks the invariance by more than the bound", "[studies]") {
    const auto ratio = [](double eps) {
        scale_laws::Net net(tiny, scale_laws::Kind::classifier);
        Spec spec = net.spec;
        spec.eps = eps;
        nn::Sequential other({.backend = &nn::cpu(), .dtype = DType::f64, .seed = 1});
        other.add<nn::Dense>(6, 3, nn::LinearOptions{.bias = false});
        other.add<nn::Norm>(3, spec, nn::NormOptions{.implementation = "cpu", .affine = false, .schedule = {}});
        net.draw(1, 0);
        net.pass(0);
        other.forward(net.x, {});
        net.dense->weight().value.set(static_cast<nn::Dense&>(other.layer(0)).weight().value.values());
        net.pass(0);
        const nn::Array& dy = net.net.gradient(1);
        other.forward(net.x, {});
        other.backward(net.x, dy, nullptr);
        const std::vector<double> w = net.weights(),
                                  dw = static_cast<nn::Dense&>(other.layer(0)).weight().gradient.values();
        double product = 0;
        for (std::size_t k = 0; k < 6; ++k) product += w[k] * dw[k];
        return std::abs(product) / net.rounding().product[0];
    };
    CHECK(ratio(0) < 1);
    CHECK(ratio(1e-5) > 1e3);
}

TEST_CASE("scale: runs are the same twice, and names tell runs apart", "[studies]") {
    const Study& study = find_study("scale");
    const std::map<std::string, std::string> few{{"--steps", "20"},          {"--draws", "5"}, {"--inputs", "6"},
                                                 {"--units", "3"},           {"--batch", "8"}, {"--seeds", "1"},
                                                 {"--impl", "cpu,reference"}};
    CHECK(results(study, few) == results(study, few));
    const auto runs = study.plan(Settings(study.settings, Size::standard, {}));
    CHECK(distinct_names(runs) == runs.size());
    const auto records = made_up(
        study, few,
        [&](const json& s) {
            return study.run(s, {data::Split{}, [](double) {}});
        },
        Size::quick);
    const auto all = verdicts(study, records);
    for (const char* exact : {"gradient-orthogonal", "gradient-inverse-scale", "norm-growth", "weight-norm-v-grows"})
        CHECK(all.at(exact) == Verdict::reproduced);
}
