// What language models run, in one call: s = x + residual, its RMS norm with gamma stored less one or not, a learned
// threshold behind it on request, and y of the data's type or of 8 bits with a scale. For float and bfloat16 data, as a
// plug-in for normlab; an example of the fields of a problem that a plug-in has to say it reads. plugin.h is a copy of
// norms/plugin.h beside this file.
//
//     c++ -O2 -std=c++17 -shared -fPIC rms_norm.cpp -o rms_norm.so
//     normlab verify --plugin ./rms_norm.so
#include <algorithm>
#include <cmath>
#include <cstring>

#include "plugin.h"

struct normlab_plan {
    normlab_problem problem;
};

namespace {

constexpr double largest = 448, least_scale = 1 / (largest * 512);  // of e4m3

struct bfloat16 {
    uint16_t bits;
};

float load(float v) { return v; }
float load(bfloat16 v) {
    const uint32_t bits = uint32_t{v.bits} << 16;
    float f;
    std::memcpy(&f, &bits, sizeof f);
    return f;
}
// Rounded once: a double that was rounded to float first would be rounded twice.
void store(float& to, double v) { to = static_cast<float>(v); }
void store(bfloat16& to, double v) {
    float f = static_cast<float>(v);
    if (std::isfinite(f) && f != v) {  // to odd, so that the next rounding sees on which side of a tie v was
        const bool beyond = std::abs(f) > std::abs(v);
        if (beyond) f = std::nextafterf(f, 0);
        uint32_t odd;
        std::memcpy(&odd, &f, sizeof f), odd |= 1, std::memcpy(&f, &odd, sizeof f);
    }
    uint32_t bits;
    std::memcpy(&bits, &f, sizeof bits);
    to.bits = std::isnan(f) ? 0x7fc0 : static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
// To nearest even among multiples of 2^(e - 3), where e is the exponent: at least -6, where subnormal numbers begin.
uint8_t e4m3(double v) {
    if (std::isnan(v)) return 0x7f;
    const double size = std::min(std::abs(v), largest);
    const int e = size > 0 ? std::max(std::ilogb(size), -6) : -6;
    const int significand = static_cast<int>(std::nearbyint(std::ldexp(size, 3 - e)));  // 16 carries into the exponent
    return static_cast<uint8_t>((e + 6) * 8 + significand) | (std::signbit(v) ? 0x80 : 0);
}

int64_t channel(const normlab_problem& p, int64_t k) { return p.layout == NORMLAB_CHANNELS_LAST ? k % p.C : k / p.S; }

// Which scale element k of sample n uses.
int64_t scale_entry(const normlab_problem& p, int64_t n, int64_t k) {
    if (p.scale == NORMLAB_SCALE_GIVEN) return 0;
    if (p.scale == NORMLAB_SCALE_BLOCK) return n;
    const int64_t c = channel(p, k), s = p.layout == NORMLAB_CHANNELS_LAST ? k / p.C : k % p.S;
    return (n * p.S + s) * ((p.C + 127) / 128) + c / 128;
}

double scale_of(const normlab_problem& p, double amax) {
    double scale = std::max(amax / largest, least_scale);
    int exponent;
    if (p.scale_power_of_two && std::frexp(scale, &exponent) > 0.5) scale = std::ldexp(1, exponent);
    return p.scale_inverse ? 1 / scale : scale;
}

template <class T>
void forward_rows(const normlab_problem& p, const normlab_forward_args& a) {
    const float* gamma = static_cast<const float*>(a.gamma);
    const float *beta = static_cast<const float*>(a.beta), *tau = static_cast<const float*>(a.tau);
    const int64_t m = p.C * p.S;
    const bool finds_scale = a.scale && p.scale != NORMLAB_SCALE_GIVEN;
    if (finds_scale) std::fill_n(a.scale, p.scales, 0.0f);
    double* row = static_cast<double*>(a.workspace);
    for (int64_t n = 0; n < p.N; ++n) {
        const T* x = static_cast<const T*>(a.x) + n * m;
        const T* residual = a.residual ? static_cast<const T*>(a.residual) + n * m : nullptr;
        T* s = a.s ? static_cast<T*>(a.s) + n * m : nullptr;  // may be residual
        double squares = 0;
        for (int64_t k = 0; k < m; ++k) {
            row[k] = load(x[k]);
            if (residual) {
                const float sum = load(x[k]) + load(residual[k]);  // one addition in float, one rounding to s
                store(s[k], sum);
                row[k] = p.residual == NORMLAB_RESIDUAL_STORED ? load(s[k]) : sum;
            }
            squares += row[k] * row[k];
        }
        const double var = squares / static_cast<double>(m), rstd = var + p.eps == 0 ? 0 : 1 / std::sqrt(var + p.eps);
        a.saved.var[n] = var, a.saved.rstd[n] = rstd;
        for (int64_t k = 0; k < m; ++k) {
            const int64_t c = channel(p, k);
            row[k] =
                (gamma ? p.gamma_offset + static_cast<double>(gamma[c]) : 1) * (row[k] * rstd) + (beta ? beta[c] : 0);
            if (tau && row[k] < tau[c]) row[k] = tau[c];
            if (tau && std::isnan(tau[c])) row[k] = tau[c];
            if (const float size = static_cast<float>(std::abs(row[k])); finds_scale && std::isfinite(size)) {
                float& amax = a.scale[scale_entry(p, n, k)];
                amax = std::max(amax, size);
            }
        }
        if (p.output == NORMLAB_OUTPUT_DATA)
            for (int64_t k = 0; k < m; ++k) store(static_cast<T*>(a.y)[n * m + k], row[k]);
        if (p.output == NORMLAB_OUTPUT_DATA) continue;
        if (finds_scale) {
            const int64_t each = p.scales / p.N;
            for (int64_t e = n * each; e < (n + 1) * each; ++e)
                a.scale[e] = static_cast<float>(scale_of(p, a.scale[e]));
        }
        for (int64_t k = 0; k < m; ++k) {
            const double scale = a.scale[scale_entry(p, n, k)];
            static_cast<uint8_t*>(a.y)[n * m + k] = e4m3(p.scale_inverse ? row[k] * scale : row[k] / scale);
        }
    }
}

template <class T>
void backward_rows(const normlab_problem& p, const normlab_backward_args& a) {
    const float *gamma = static_cast<const float*>(a.gamma), *beta = static_cast<const float*>(a.beta),
                *tau = static_cast<const float*>(a.tau);
    const int64_t m = p.C * p.S;
    double* sums = static_cast<double*>(a.workspace);  // of dz, dz * x_hat and dy - dz, by channel
    std::fill_n(sums, 3 * p.C, 0.0);
    for (int64_t n = 0; n < p.N; ++n) {
        const T *s = static_cast<const T*>(a.x) + n * m, *dy = static_cast<const T*>(a.dy) + n * m;
        const T* ds = a.ds ? static_cast<const T*>(a.ds) + n * m : nullptr;
        const double rstd = a.saved.rstd[n];
        const auto factor = [&](int64_t c) { return gamma ? p.gamma_offset + static_cast<double>(gamma[c]) : 1; };
        const auto is_below = [&](int64_t k, int64_t c) {
            return tau && factor(c) * (load(s[k]) * rstd) + (beta ? beta[c] : 0) < tau[c];
        };
        const auto g = [&](int64_t k) {
            const int64_t c = channel(p, k);
            return is_below(k, c) ? 0 : factor(c) * load(dy[k]);
        };
        double sum = 0;
        for (int64_t k = 0; k < m; ++k) {
            const double x_hat = load(s[k]) * rstd;
            const int64_t c = channel(p, k);
            if (is_below(k, c)) sums[2 * p.C + c] += load(dy[k]);
            else sums[c] += load(dy[k]), sums[p.C + c] += load(dy[k]) * x_hat;
            sum += g(k) * x_hat;
        }
        const double mean = sum / static_cast<double>(m);
        for (int64_t k = 0; k < m; ++k) {
            const double d = (ds ? load(ds[k]) : 0) + rstd * (g(k) - load(s[k]) * rstd * mean);
            if (a.dx) store(static_cast<T*>(a.dx)[n * m + k], d);  // may be dy
            if (a.d_residual) store(static_cast<T*>(a.d_residual)[n * m + k], d);
        }
    }
    for (int64_t c = 0; c < p.C; ++c) {
        if (a.dbeta) static_cast<float*>(a.dbeta)[c] = static_cast<float>(sums[c]);
        if (a.dgamma) static_cast<float*>(a.dgamma)[c] = static_cast<float>(sums[p.C + c]);
        if (a.dtau) static_cast<float*>(a.dtau)[c] = static_cast<float>(sums[2 * p.C + c]);
    }
}

const char* supports(const normlab_problem* p) {
    if (std::strcmp(p->variant, "rms_norm") != 0 || p->device != NORMLAB_HOST) return "rms norm on the host only";
    if (p->dtype != NORMLAB_F32 && p->dtype != NORMLAB_BF16) return "float and bfloat16 only";
    if (p->epilogue != NORMLAB_ACTIVATION_NONE && p->epilogue != NORMLAB_ACTIVATION_THRESHOLD)
        return "nothing but a threshold behind it";
    if (p->residual_dtype) return "a residual of the data's type only";
    if (p->output == NORMLAB_OUTPUT_F32 || p->output == NORMLAB_OUTPUT_E5M2) return "y of the data's type, or e4m3";
    return nullptr;
}

}  // namespace

const normlab_plugin* normlab_plugin_entry(uint32_t, const char*) {
    static const normlab_plugin plugin = [] {
        normlab_plugin t{};
        t.size = sizeof t, t.version = NORMLAB_PLUGIN_VERSION, t.name = "rms_norm_cpp",
        t.description = "residual, RMS norm, threshold and 8-bit output in plain C++, all in double";
        t.device = NORMLAB_HOST, t.saves = NORMLAB_SAVES_VAR | NORMLAB_SAVES_RSTD;
        t.accumulation[NORMLAB_F32] = t.accumulation[NORMLAB_BF16] = NORMLAB_KAPPA_FREE;
        t.reads = NORMLAB_READS_RESIDUAL | NORMLAB_READS_GAMMA_OFFSET | NORMLAB_READS_OUTPUT | NORMLAB_READS_EPILOGUE |
                  NORMLAB_READS_THRESHOLD;
        t.supports = supports;
        t.create = [](const normlab_problem* p, normlab_plan** plan) { return *plan = new normlab_plan{*p}, 0; };
        t.destroy = [](normlab_plan* p) { delete p; };
        t.workspace_bytes = [](const normlab_plan* p) {
            return static_cast<std::size_t>(std::max(p->problem.C * p->problem.S, 3 * p->problem.C)) * sizeof(double);
        };
        t.forward = [](normlab_plan* p, const normlab_forward_args* a) {
            return (p->problem.dtype == NORMLAB_F32 ? forward_rows<float> : forward_rows<bfloat16>)(p->problem, *a), 0;
        };
        t.backward = [](normlab_plan* p, const normlab_backward_args* a) {
            return (p->problem.dtype == NORMLAB_F32 ? backward_rows<float> : backward_rows<bfloat16>)(p->problem, *a),
                   0;
        };
        return t;
    }();
    return &plugin;
}
