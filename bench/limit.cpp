#include "bench/limit.hpp"

#include <algorithm>
#include <cstdint>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace normlab::bench {
namespace {

constexpr std::size_t line = 64 / sizeof(float);  // threads share no cache line

void plain_loop(Direction direction, float* a, const float* b, const float* c, std::size_t begin, std::size_t end) {
    if (direction == Direction::forward)
        for (std::size_t i = begin; i < end; ++i) a[i] = b[i];
    else
        for (std::size_t i = begin; i < end; ++i) a[i] = b[i] + 0.5f * c[i];
}

#if defined(__x86_64__)
template <Direction direction, Stores stores>
__attribute__((target("avx"))) void avx_loop(float* a, const float* b, const float* c, std::size_t begin,
                                             std::size_t end) {
    const __m256 half = _mm256_set1_ps(0.5f);
    std::size_t i = begin;
    for (; i + line <= end; i += line) {
        __m256 low = _mm256_load_ps(b + i), high = _mm256_load_ps(b + i + 8);
        if constexpr (direction == Direction::backward) {
            low = _mm256_add_ps(low, _mm256_mul_ps(half, _mm256_load_ps(c + i)));
            high = _mm256_add_ps(high, _mm256_mul_ps(half, _mm256_load_ps(c + i + 8)));
        }
        if constexpr (stores == Stores::plain) {
            _mm256_store_ps(a + i, low), _mm256_store_ps(a + i + 8, high);
        } else {
            _mm256_stream_ps(a + i, low), _mm256_stream_ps(a + i + 8, high);
        }
    }
    if constexpr (stores == Stores::non_temporal) _mm_sfence();
    plain_loop(direction, a, b, c, i, end);
}
#endif

void loop(Direction direction, [[maybe_unused]] Stores stores, float* a, const float* b, const float* c,
          std::size_t begin, std::size_t end) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx")) {
        const bool forward = direction == Direction::forward, plain = stores == Stores::plain;
        const auto chosen = forward ? (plain ? avx_loop<Direction::forward, Stores::plain>
                                             : avx_loop<Direction::forward, Stores::non_temporal>)
                                    : (plain ? avx_loop<Direction::backward, Stores::plain>
                                             : avx_loop<Direction::backward, Stores::non_temporal>);
        return chosen(a, b, c, begin, end);
    }
#endif
    plain_loop(direction, a, b, c, begin, end);
}

}  // namespace

std::string_view name_of(Stores stores) { return stores == Stores::plain ? "plain" : "non-temporal"; }

bool has_non_temporal_stores() {
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx") != 0;
#else
    return false;
#endif
}

void stream(Direction direction, Stores stores, int threads, void* a, const void* b, const void* c, std::size_t bytes) {
    auto* to = static_cast<float*>(a);
    const auto *from = static_cast<const float*>(b), *other = static_cast<const float*>(c);
    const std::size_t n = bytes / sizeof(float);
    if (threads == 1) return loop(direction, stores, to, from, other, 0, n);
    const std::size_t lines = (n + line - 1) / line, parts = static_cast<std::size_t>(threads);
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static, 1)
#endif
    for (std::int64_t t = 0; t < threads; ++t) {
        const auto part = static_cast<std::size_t>(t);
        loop(direction, stores, to, from, other, std::min(n, lines * part / parts * line),
             std::min(n, lines * (part + 1) / parts * line));
    }
}

}  // namespace normlab::bench
