#include "studies/nn/mlp.hpp"

namespace normlab::nn {

Mlp::Mlp(const Setup& setup, const MlpOptions& o) : net_(setup), stride_(o.norm ? 3 : 2) {
    for (std::int64_t hidden = 0; hidden < o.layers; ++hidden) {
        dense_.push_back(
            &net_.add<Dense>(hidden == 0 ? o.in : o.width, o.width, LinearOptions{.init = o.init, .bias = !o.norm}));
        if (o.norm) net_.add<Norm>(o.width, *o.norm, o.norm_options);
        if (o.sigmoid) net_.add<Sigmoid>();
        else net_.add<Relu>();
    }
    dense_.push_back(&net_.add<Dense>(o.layers == 0 ? o.in : o.width, o.out, LinearOptions{.init = o.init}));
}

}  // namespace normlab::nn
