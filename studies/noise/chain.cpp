// The row on growth per layer, in networks: random dense layers, each followed by a norm and relu, forward and back.
// Nothing tells them what the Gram matrix of their activations should be: it is the fixed point of theory.hpp that is
// tested here.
#include <algorithm>

#include "norms/variants/batch_norm.hpp"
#include "norms/variants/layer_norm.hpp"
#include "studies/noise/experiments.hpp"
#include "studies/noise/theory.hpp"

namespace normlab::noise {
namespace {

using Matrix = std::vector<double>;  // row-major
constexpr std::size_t width = 256;
constexpr int burn_in = 4, measured = 8;

enum class Kind { batch_norm, layer_norm, none };  // each before a relu

// c[rows, width] = a[rows, width] b[width, width]
Matrix product(const Matrix& a, const Matrix& b) {
    Matrix c(a.size(), 0.0);
    for (std::size_t i = 0; i < a.size(); i += width)
        for (std::size_t k = 0; k < width; ++k)
            for (std::size_t j = 0; j < width; ++j) c[i + j] += a[i + k] * b[k * width + j];
    return c;
}

Matrix transposed(const Matrix& a) {
    Matrix t(a.size());
    for (std::size_t i = 0; i < width; ++i)
        for (std::size_t j = 0; j < width; ++j) t[j * width + i] = a[i * width + j];
    return t;
}

double squared_size(const Matrix& a) {
    double sum = 0;
    for (double v : a) sum += v * v;
    return sum;
}

// Squared gradient below a layer over that above it, the mean over `measured` layers.
double growth(const Trial& s, Kind kind, std::uint32_t replicate) {
    const Shape shape{s.m, static_cast<std::int64_t>(width), 1};
    const bool norm = kind != Kind::none;
    Spec spec = kind == Kind::layer_norm ? layer_norm(0) : batch_norm(0);
    spec.running = Running::none;
    const auto drawn = [&](unsigned stream, std::int64_t rows, int layer, double scale) {
        Array a = array_of(Device::host, {rows, static_cast<std::int64_t>(width), 1}, DType::f64);
        Draw draw = draw_of(s, 5, stream);
        draw.scale = scale;
        draw.first_channel = (replicate * 64 + static_cast<std::uint32_t>(layer)) * static_cast<std::uint32_t>(width);
        fill(draw, a);
        return a.values();
    };
    constexpr int depth = burn_in + measured;
    std::vector<Matrix> weights, inputs;  // of layer l: its weight [in, out]; what its norm sees
    std::vector<MeasuredNorm> layers;
    Matrix a = drawn(0, s.m, 0, 1);
    for (int l = 0; l < depth; ++l) {
        weights.push_back(
            drawn(1, static_cast<std::int64_t>(width), l, std::sqrt((norm ? 1.0 : 2.0) / static_cast<double>(width))));
        inputs.push_back(product(a, weights.back()));
        a = inputs.back();
        if (norm) {
            layers.emplace_back(spec, shape, Mode::train, s.dtype, s.implementation);
            Array x = layers.back().array();
            x.set(inputs.back());
            layers.back().forward(x);
            a = layers.back().y();
        }
        for (double& v : a) v = std::fmax(v, 0.0);
    }
    Matrix g = drawn(2, s.m, 0, 1);
    if (kind == Kind::batch_norm)  // as a layer above with batch norm would send it: sums of 0 over the batch
        for (std::size_t c = 0; c < width; ++c) {
            double sum = 0;
            for (std::size_t j = c; j < g.size(); j += width) sum += g[j];
            for (std::size_t j = c; j < g.size(); j += width) g[j] -= sum / static_cast<double>(s.m);
        }
    double ratios = 0;
    for (int l = depth; l-- > burn_in;) {
        const auto i = static_cast<std::size_t>(l);
        const double above = squared_size(g);
        const Matrix y = norm ? layers[i].y() : inputs[i];
        for (std::size_t j = 0; j < g.size(); ++j) g[j] = y[j] > 0 ? g[j] : 0;
        if (norm) {
            Array x = layers[i].array(), dy = layers[i].array();
            x.set(inputs[i]);
            dy.set(g);
            layers[i].backward(x, dy);
            g = layers[i].dx();
        }
        g = product(g, transposed(weights[i]));
        ratios += squared_size(g) / above;
    }
    return ratios / measured;
}

}  // namespace

void measure_chain(const Trial& s, Measured& out) {
    const auto replicates = static_cast<std::uint32_t>(std::clamp<std::int64_t>(s.samples / (2048 * s.m), 8, 48));
    const double m = static_cast<double>(s.m);
    struct Wanted {
        Kind kind;
        const char* quantity;
        double theory;
    };
    for (const Wanted& w :
         {Wanted{Kind::batch_norm, "relu + BN, network", theory::growth_relu(m).rate},
          Wanted{Kind::layer_norm, "relu + LN, network", 1}, Wanted{Kind::none, "relu, no norm, network", 1}}) {
        Tally tally;
        for (std::uint32_t r = 0; r < replicates; ++r) tally.add(growth(s, w.kind, r));
        // theory is of infinite width: the rest is of order 1/width
        out.cells.push_back(cell(s, Row::growth, w.quantity, tally, w.theory, 0.01));
    }
}

}  // namespace normlab::noise
