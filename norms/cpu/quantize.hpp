#pragma once
// y of 8 bits. Elements are formed in floats, a buffer full at a time, and rounded into place from there; a scale that
// is found comes from the buffer, too. A block that is larger than the buffer is formed twice for its scale: it is read
// again, which costs less than floats of all of it that leave the cache.

#include "norms/cpu/blocks.hpp"
#include "norms/scale.hpp"

namespace normlab::cpu {
namespace NORMLAB_CPU_LEVEL {

/// The largest finite magnitude, or at_least.
inline float largest_finite(const float* y, std::int64_t n, float at_least) {
    U8 largest{};  // in bits, whose order is that of the magnitudes
    for_groups(n, [&](std::int64_t k, auto some) {
        const U8 magnitude = std::bit_cast<U8>(load<float>(y + k, some)) & 0x7fffffffu,
                 finite = magnitude < 0x7f800000u ? magnitude : U8{};
        largest = finite > largest ? finite : largest;
    });
    float out = at_least;
    for (std::int64_t j = 0; j < lane_count; ++j) out = std::max(out, std::bit_cast<float>(largest[j]));
    return out;
}

template <class Q>
void run_quantize(const float* y, std::int64_t n, const Spec& spec, float scale, Q* q) {
    for_groups(n, [&](std::int64_t k, auto some) {
        store<float>(q + k, quotient(spec, load<float>(y + k, some), scale), some);
    });
}

/// The y of a block of row or slab, as Elements makes it, in 8 bits.
template <class T, class Q>
struct QuantizedElements {
    const Setup& s;

    void operator()(const ForwardArgs& args, std::int64_t block, const AppliedStatistics& statistics) const {
        const Spec& spec = s.problem.spec;
        alignas(64) float y[buffer];
        const auto form = [&](std::int64_t r, const Part& part) {
            const auto to = [&](const auto& out) { part_elements<T>(s, args, block, r, part, 0, statistics, out); };
            spec.activates() ? to(Activated<float>{y, spec.activation}) : to(AsItIs<float>{y});
        };
        const auto put = [&](std::int64_t r, const Part& part, std::int64_t from, std::int64_t n, float scale) {
            auto* q = static_cast<Q*>(args.y.data) + s.start(s.y, block, r) + part.first;
            run_quantize(y + from, n, spec, scale, q + from);
        };
        const auto each_part = [&](std::int64_t length, const auto& f) {  // no part has elements of two lengths
            for (std::int64_t r = 0; r < s.g.runs; ++r)
                for (std::int64_t start = 0; start < s.g.len; start += length)
                    for (std::int64_t k = 0; k < length; k += buffer)
                        f(r, Part{start + k, std::min(buffer, length - k)});
        };
        if (spec.scale == Scale::channels) {
            float* scale = args.scale + block * s.scales_of_row();
            each_part(s.scaled_channels, [&](std::int64_t r, const Part& part) {
                form(r, part);
                for (std::int64_t k = 0; k < part.count; k += channels_of_a_scale, ++scale) {
                    const std::int64_t n = std::min(channels_of_a_scale, part.count - k);
                    *scale = found_scale(spec, largest_finite(y + k, n, 0));
                    put(r, part, k, n, *scale);
                }
            });
            return;
        }
        const bool found = spec.finds_scale(), whole = s.g.runs == 1 && s.g.len <= buffer;
        float* scale = args.scale + (found ? block : 0);
        if (found) {
            float amax = 0;
            each_part(s.g.len, [&](std::int64_t r, const Part& part) {
                form(r, part);
                amax = largest_finite(y, part.count, amax);
            });
            *scale = found_scale(spec, amax);
        }
        each_part(s.g.len, [&](std::int64_t r, const Part& part) {
            if (!found || !whole) form(r, part);
            put(r, part, 0, part.count, *scale);
        });
    }

private:
    static constexpr std::int64_t buffer = 8192;  // 32 KiB of a thread's stack
    static_assert(buffer % channels_of_a_scale == 0);
};

}  // namespace NORMLAB_CPU_LEVEL
}  // namespace normlab::cpu
