#include "norms/variants/weight_norm.hpp"

#include "norms/variants/batch_norm.hpp"

namespace normlab {

WeightNormInit weight_norm_init(ConstTensor t, const Implementation& implementation) {
    Spec spec = batch_norm(0);
    spec.running = Running::none;
    std::vector<std::byte> scratch(static_cast<std::size_t>(t.shape.size()) * size_of(t.dtype));
    Saved saved;
    forward(spec, Mode::train, t, {}, nullptr, saved, {scratch.data(), t.dtype, t.shape, t.layout}, implementation);
    WeightNormInit init{saved.rstd, saved.mean};
    init.g.resize(static_cast<std::size_t>(t.shape.C)), init.b.resize(init.g.size());  // an empty t
    for (std::size_t c = 0; c < init.b.size(); ++c) init.b[c] *= -init.g[c];
    return init;
}

}  // namespace normlab
