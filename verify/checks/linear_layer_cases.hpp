#pragma once
// What the invariance checks share: the layers they look at and the norm put into them.

#include "verify/check/compare.hpp"
#include "verify/check/linear_layer.hpp"

namespace normlab::verify {

/// A dense and a convolutional layer in training; only the latter where one position leaves no variance.
inline std::vector<Case> linear_layer_cases(const Case& base, Tier tier) {
    std::vector<Case> cases;
    const Axes block = base.spec().block;
    for (const Shape& shape : {Shape{6, 6, 1}, Shape{4, 6, 12}}) {
        if (shape.S == 1 && !block.samples && !block.channels) continue;
        cases.push_back(base);
        cases.back().shape = shape;
        if (base.spec().block.channels && !block.groups) cases.back().groups = 2;
    }
    if (tier == Tier::smoke) cases.erase(cases.begin(), cases.end() - 1);
    if (tier == Tier::full)
        for (std::uint64_t seed = 2; seed < 20; ++seed) {
            cases.push_back(cases[seed % 2 ? 0 : cases.size() - 1]);
            cases.back().seed = seed;
        }
    return cases;
}

inline NormSettings draw_norm(const Case& c, const LinearLayer& layer, Random& random) {
    NormSettings norm{c.problem(), {}, {}, {}, {}};
    norm.gamma = rounded(random.normals(static_cast<std::size_t>(c.shape.C)), norm.problem.params());
    norm.beta = rounded(random.normals(static_cast<std::size_t>(c.shape.C)), norm.problem.params());
    norm.dy = rounded(random.normals(static_cast<std::size_t>(layer.shape.size())), c.dtype);
    norm.state = initial_state(norm.problem.spec, c.shape.C);
    for (double& v : norm.state.mean) v = random.normal();
    for (auto* spread : {&norm.state.var, &norm.state.sigma})
        for (double& v : *spread) v = 20 + 5 * random.normal();
    return norm;
}

inline void scale_state(State& state, double a) {
    for (double& v : state.mean) v *= a;
    for (double& v : state.sigma) v *= a;
    for (double& v : state.var) v *= a * a;
}

}  // namespace normlab::verify
