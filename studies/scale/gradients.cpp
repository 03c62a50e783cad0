#include <algorithm>
#include <cmath>

#include "studies/scale/net.hpp"
#include "studies/scale/study.hpp"

namespace normlab::studies::scale_laws {
namespace {

// Keeps the largest ratio, and a NaN.
void raise(double& so_far, double error, double bound) {
    const double ratio = error == 0 ? 0 : error / bound;
    if (!(ratio <= so_far)) so_far = ratio;
}

std::vector<double> times(double a, std::vector<double> w) {
    for (double& v : w) v *= a;
    return w;
}

}  // namespace

json gradients(const json& s) {
    const double a = s.at("scale");
    Net net(s, Kind::classifier), linear(s, Kind::linear);
    const std::vector<double> w = net.weights();
    double product = 0, scaled = 0, cosine = 0;
    for (std::int64_t draw = 0; draw < s.at("draws").get<std::int64_t>(); ++draw) {
        net.dense->weight().value.set(times(a, w));
        net.draw(1, draw);
        net.pass(draw);
        const std::vector<double> aw = net.weights(), dw = net.gradient(), bound = net.rounding().product;
        for (std::int64_t c = 0; c < net.units; ++c) {
            double sum = 0;
            for (std::int64_t k = c * net.inputs; k < (c + 1) * net.inputs; ++k)
                sum += aw[static_cast<std::size_t>(k)] * dw[static_cast<std::size_t>(k)];
            raise(product, std::abs(sum), bound[static_cast<std::size_t>(c)]);
            cosine =
                std::max(cosine, std::abs(sum) / std::sqrt(squared(aw, c, net.inputs) * squared(dw, c, net.inputs)));
        }

        linear.draw(2, draw);
        linear.dense->weight().value.set(w);
        linear.pass(draw);
        const std::vector<double> at_w = linear.gradient(), bound_w = linear.rounding().entry;
        linear.dense->weight().value.set(times(a, w));
        linear.pass(draw);
        const std::vector<double> at_aw = linear.gradient(), bound_aw = linear.rounding().entry;
        // a w and a dL/dw(a w) are rounded: the first moves z by u sum |w_k x_k|, less than what the bound allows for z
        // twice over (its sum has more terms than one).
        for (std::size_t i = 0; i < at_w.size(); ++i)
            raise(scaled, std::abs(a * at_aw[i] - at_w[i]),
                  a * 2 * bound_aw[i] + bound_w[i] + nn::unit * std::abs(at_w[i]));
    }
    return {{"orthogonal", product}, {"cosine", cosine}, {"inverse_scale", scaled}};
}

}  // namespace normlab::studies::scale_laws
