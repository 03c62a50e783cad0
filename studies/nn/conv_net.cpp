#include "studies/nn/conv_net.hpp"

#include <fmt/format.h>

#include "studies/nn/layers.hpp"
#include "studies/nn/linear.hpp"

namespace normlab::nn {

Sequential conv_net(const Setup& setup, const ConvNet& s) {
    if (s.channels.empty()) throw Error("a net of no convolutions; at least one is accepted");
    const auto halvings = s.channels.size() - 1;
    const std::int64_t H = s.H >> halvings, W = s.W >> halvings;
    if (H == 0 || W == 0)
        throw Error(
            fmt::format("{} convolutions of images of {} x {}: pooling between them leaves nothing; fewer are accepted",
                        halvings + 1, s.H, s.W));
    Sequential net(setup);
    LinearOptions linear;
    linear.bias = !s.norm, linear.weight_norm = s.weight_norm, linear.implementation = s.options.implementation;
    std::int64_t in = 1;
    for (const std::int64_t out : s.channels) {
        if (net.size()) net.add<MaxPool>();
        net.add<Conv>(in, out, 3, linear);
        if (s.norm) net.add<Norm>(out, *s.norm, s.options);
        net.add<Relu>();
        in = out;
    }
    linear.bias = true;
    net.add<Dense>(H * W * in, s.classes, linear);
    return net;
}

}  // namespace normlab::nn
