#include <cstdio>
#include <vector>

#include "norms/variants.hpp"

int main() {
    using namespace normlab;
    const Shape shape{2, 3, 4};  // N, C, S: 2 samples, 3 channels, 4 positions
    std::vector<float> x(24), y(24), dy(24, 1), dx(24), gamma{1, 2, 3}, beta{0, 0, 1}, dgamma(3), dbeta(3);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 7);
    const auto view = [&](std::vector<float>& v) { return Tensor{v.data(), DType::f32, shape}; };

    const Spec spec = batch_norm();  // eps 1e-5, momentum 0.1
    State state = initial_state(spec, shape.C);
    Saved saved;
    forward(spec, Mode::train, view(x), {gamma.data(), beta.data()}, &state, saved, view(y));
    backward(spec, Mode::train, view(x), view(dy), {gamma.data(), beta.data()}, saved,
             {view(dx), dgamma.data(), dbeta.data()});
    // evaluation: y = scale * x + shift
    const ChannelMap map = fold(spec, state, {gamma.data(), beta.data()}, DType::f32);
    std::printf("y[0] = %.4f, running mean %.4f, dbeta %.0f, scale %.4f\n", y[0], state.mean[0], dbeta[0],
                map.scale[0]);
    return dbeta[0] == 8 ? 0 : 1;
}
