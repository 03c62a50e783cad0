// Layer norm in C++, in float and double, as a plug-in for normlab. plugin.h is a copy of norms/plugin.h beside this
// file.
//
//     c++ -O2 -std=c++17 -shared -fPIC layer_norm.cpp -o layer_norm_cpp.so
//     normlab verify --plugin ./layer_norm_cpp.so
#include <cmath>
#include <cstring>

#include "plugin.h"

struct normlab_plan {
    normlab_problem problem;  // what it points to does not outlive create, and is not used

    int64_t m() const { return problem.C * problem.S; }  // elements of a sample, which share one mean and one variance
    int64_t channel(int64_t k) const { return problem.layout == NORMLAB_CHANNELS_LAST ? k % problem.C : k / problem.S; }
};

namespace {

template <class T>
void forward_rows(const normlab_plan& p, const normlab_forward_args& a) {
    const T *gamma = static_cast<const T*>(a.gamma), *beta = static_cast<const T*>(a.beta);
    for (int64_t n = 0, m = p.m(); n < p.problem.N; ++n) {
        const T* x = static_cast<const T*>(a.x) + n * m;
        T* y = static_cast<T*>(a.y) + n * m;  // may be x
        double sum = 0, squares = 0;
        for (int64_t k = 0; k < m; ++k) sum += x[k];
        const double mean = sum / static_cast<double>(m);
        for (int64_t k = 0; k < m; ++k) squares += (x[k] - mean) * (x[k] - mean);
        const double var = squares / static_cast<double>(m),
                     rstd = var + p.problem.eps == 0 ? 0 : 1 / std::sqrt(var + p.problem.eps);
        for (int64_t k = 0; k < m; ++k)
            y[k] = static_cast<T>((gamma ? gamma[p.channel(k)] : 1) * ((x[k] - mean) * rstd) +
                                  (beta ? beta[p.channel(k)] : 0));
        a.saved.mean[n] = mean, a.saved.var[n] = var, a.saved.rstd[n] = rstd;
    }
}

template <class T>
void backward_rows(const normlab_plan& p, const normlab_backward_args& a) {
    const T *x = static_cast<const T*>(a.x), *dy = static_cast<const T*>(a.dy), *gamma = static_cast<const T*>(a.gamma);
    const int64_t m = p.m(), C = p.problem.C;
    const auto x_hat = [&](int64_t n, int64_t k) { return (x[n * m + k] - a.saved.mean[n]) * a.saved.rstd[n]; };
    const auto g = [&](int64_t n, int64_t k) {
        return (gamma ? gamma[p.channel(k)] : 1) * static_cast<double>(dy[n * m + k]);
    };
    double* sums = static_cast<double*>(a.workspace);  // of dy and dy * x_hat, by channel
    std::memset(sums, 0, 2 * static_cast<std::size_t>(C) * sizeof(double));
    for (int64_t n = 0; n < p.problem.N; ++n) {
        double mean_g = 0, mean_g_xhat = 0;
        for (int64_t k = 0; k < m; ++k) {
            sums[p.channel(k)] += dy[n * m + k], sums[C + p.channel(k)] += dy[n * m + k] * x_hat(n, k);
            mean_g += g(n, k) / static_cast<double>(m), mean_g_xhat += g(n, k) * x_hat(n, k) / static_cast<double>(m);
        }
        for (int64_t k = 0; k < m && a.dx; ++k)  // dx may be dy
            static_cast<T*>(a.dx)[n * m + k] =
                static_cast<T>(a.saved.rstd[n] * (g(n, k) - mean_g - x_hat(n, k) * mean_g_xhat));
    }
    for (int64_t c = 0; c < C; ++c) {
        if (a.dbeta) static_cast<T*>(a.dbeta)[c] = static_cast<T>(sums[c]);
        if (a.dgamma) static_cast<T*>(a.dgamma)[c] = static_cast<T>(sums[C + c]);
    }
}

const char* supports(const normlab_problem* p) {
    const bool served = std::strcmp(p->variant, "layer_norm") == 0 && p->dtype <= NORMLAB_F32 &&
                        p->device == NORMLAB_HOST && p->epilogue == 0;
    return served ? nullptr : "layer norm in float and double on the host only";
}

}  // namespace

const normlab_plugin* normlab_plugin_entry(uint32_t, const char*) {
    static const normlab_plugin plugin = [] {
        normlab_plugin t{};
        t.size = sizeof t, t.version = NORMLAB_PLUGIN_VERSION, t.name = "layer_norm_cpp",
        t.description = "layer norm in plain C++, sums in double";
        t.device = NORMLAB_HOST, t.saves = NORMLAB_SAVES_MEAN | NORMLAB_SAVES_VAR | NORMLAB_SAVES_RSTD;
        // in double, and x - mean too; for double itself that is one chain: NORMLAB_SEQUENTIAL, 0
        t.accumulation[NORMLAB_F32] = NORMLAB_KAPPA_FREE;
        t.supports = supports;
        t.create = [](const normlab_problem* p, normlab_plan** plan) { return *plan = new normlab_plan{*p}, 0; };
        t.destroy = [](normlab_plan* p) { delete p; };
        t.workspace_bytes = [](const normlab_plan* p) {
            return 2 * static_cast<std::size_t>(p->problem.C) * sizeof(double);
        };
        t.forward = [](normlab_plan* p, const normlab_forward_args* a) {
            return (p->problem.dtype == NORMLAB_F32 ? forward_rows<float> : forward_rows<double>)(*p, *a), 0;
        };
        t.backward = [](normlab_plan* p, const normlab_backward_args* a) {
            return (p->problem.dtype == NORMLAB_F32 ? backward_rows<float> : backward_rows<double>)(*p, *a), 0;
        };
        return t;
    }();
    return &plugin;
}
