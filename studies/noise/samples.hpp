#pragma once
// The samples of the study, drawn where they are used: on the host, or by a kernel on the device, with the same bits.

#include "norms/memory.hpp"
#include "system/random.hpp"

namespace normlab::noise {

using namespace random;

/// What is drawn. Element j = n*S + s of channel c (channels are independent batches) is a function of seed, stream, j
/// and first_channel + c alone.
struct Draw {
    std::uint64_t seed = 1;
    std::uint32_t stream = 0;  ///< keeps apart what must be independent
    Distribution distribution = Distribution::normal;
    double scale = 1;
    /// of the S positions of one sample: sqrt(correlation) * (one of the sample) + sqrt(1 - correlation) * (own)
    double correlation = 0;
    std::uint32_t first_channel = 0;
};

/// Elements 2 * pair and 2 * pair + 1 of one channel. `lane` 1 is the clusters' own stream.
NORMLAB_ANYWHERE inline void draw_pair(const Draw& d, std::uint32_t pair, std::uint32_t channel, std::uint32_t lane,
                                       double (&out)[2]) {
    const Words words = philox({{pair, d.first_channel + channel, d.stream, lane}}, d.seed);
    for (int i = 0; i < 2; ++i)
        out[i] = variate(d.distribution, std::uint64_t{words.w[2 * i + 1]} << 32 | words.w[2 * i]);
}

/// Writes elements 2 * pair and 2 * pair + 1 (where it exists) of one channel of x[N, C, S], dense, channels first,
/// rounded once to T.
template <class T>
NORMLAB_ANYWHERE void store_pair(const Draw& d, T* x, const Shape& shape, std::uint32_t pair, std::uint32_t channel) {
    double own[2];
    draw_pair(d, pair, channel, 0, own);
    for (int i = 0; i < 2; ++i) {
        const std::int64_t j = 2 * std::int64_t{pair} + i, n = j / shape.S, s = j % shape.S;
        if (j >= shape.N * shape.S) return;
        double value = own[i];
        if (d.correlation > 0) {
            double common[2];
            draw_pair(d, static_cast<std::uint32_t>(n / 2), channel, 1, common);
            value = std::sqrt(d.correlation) * common[n % 2] + std::sqrt(1 - d.correlation) * value;
        }
        x[(n * shape.C + channel) * shape.S + s] = static_cast<T>(d.scale * value);
    }
}

/// Fills x[N, C, S], dense, channels first, f32 or f64, on its own device.
void fill(const Draw& draw, const Tensor& x);

namespace cuda {
/// fill by a kernel (samples.cu). Throws Failure in a build without CUDA (absent/samples.cpp).
void fill(const Draw& draw, void* x, const Shape& shape, DType dtype);
}  // namespace cuda

}  // namespace normlab::noise
