#include "studies/nn/loss.hpp"

#include <fmt/format.h>

namespace normlab::nn {

void Loss::run(const Array& x, const Array& targets, Array& dx) {
    const Dims &d = x.dims(), &t = targets.dims();
    if (d != t || x.dtype() != targets.dtype())
        throw Error(fmt::format(
            "targets of {} x {} x {} x {} for outputs of {} x {} x {} x {}; the same dimensions and dtype are accepted",
            t.N, t.H, t.W, t.C, d.N, d.H, d.W, d.C));
    losses_.resize({d.N, 1});
    dx.resize(d);
    if (kind_ == LossKind::softmax) backend_.cross_entropy(x.rows(), targets.rows(), dx.rows(), losses_.rows());
    else backend_.squared_error(x.rows(), targets.rows(), dx.rows(), losses_.rows());
}

double Loss::value() {
    host_.resize(static_cast<std::size_t>(losses_.dims().N));
    copy(host_.data(), Device::host, losses_.tensor().data, losses_.device(), host_.size() * sizeof(double));
    double sum = 0;
    for (double loss : host_) sum += loss;
    return sum / static_cast<double>(host_.size());
}

}  // namespace normlab::nn
