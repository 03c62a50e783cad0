/* Layer norm in C, as a plug-in for normlab. plugin.h is a copy of norms/plugin.h beside this file.
 *
 *     cc -O2 -shared -fPIC layer_norm.c -o layer_norm.so -lm
 *     normlab verify --plugin ./layer_norm.so
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plugin.h"

struct normlab_plan { int64_t N, C, S; int last; double eps; };

static const char *supports(const normlab_problem *p) {
    return strcmp(p->variant, "layer_norm") || p->dtype != NORMLAB_F32 || p->device != NORMLAB_HOST || p->epilogue ? "layer norm in float on the host only" : NULL;
}
static int create(const normlab_problem *p, normlab_plan **plan) {
    if (!(*plan = malloc(sizeof **plan))) return 1;
    **plan = (normlab_plan){p->N, p->C, p->S, p->layout == NORMLAB_CHANNELS_LAST, p->eps};
    return 0;
}
static void destroy(normlab_plan *p) { free(p); }

/* The channel of element k of a sample: gamma and beta have one entry a channel. */
static int64_t channel(const normlab_plan *p, int64_t k) { return p->last ? k % p->C : k / p->S; }

static int forward(normlab_plan *p, const normlab_forward_args *a) {
    const float *gamma = a->gamma, *beta = a->beta;
    const int64_t m = p->C * p->S;   /* elements of a sample, which share one mean and one variance */
    for (int64_t n = 0; n < p->N; ++n) {
        const float *x = (const float *)a->x + n * m;
        float *y = (float *)a->y + n * m;   /* may be x */
        double sum = 0, squares = 0;
        for (int64_t k = 0; k < m; ++k) sum += x[k];
        const double mean = sum / m;
        for (int64_t k = 0; k < m; ++k) squares += (x[k] - mean) * (x[k] - mean);
        const double var = squares / m, rstd = var + p->eps == 0 ? 0 : 1 / sqrt(var + p->eps);
        for (int64_t k = 0; k < m; ++k) {
            const int64_t c = channel(p, k);
            y[k] = (float)((gamma ? gamma[c] : 1) * ((x[k] - mean) * rstd) + (beta ? beta[c] : 0));
        }
        a->saved.mean[n] = mean, a->saved.var[n] = var, a->saved.rstd[n] = rstd;
    }
    return 0;
}

static int backward(normlab_plan *p, const normlab_backward_args *a) {
    const float *gamma = a->gamma, *x = a->x, *dy = a->dy;
    const int64_t m = p->C * p->S;
    for (int64_t c = 0; c < p->C && (a->dgamma || a->dbeta); ++c) {   /* before dx, which may overwrite dy */
        double sum_dy = 0, sum_dy_xhat = 0;
        for (int64_t n = 0; n < p->N; ++n)
            for (int64_t s = 0; s < p->S; ++s) {
                const int64_t i = n * m + (p->last ? s * p->C + c : c * p->S + s);
                sum_dy += dy[i], sum_dy_xhat += dy[i] * ((x[i] - a->saved.mean[n]) * a->saved.rstd[n]);
            }
        if (a->dgamma) ((float *)a->dgamma)[c] = (float)sum_dy_xhat;
        if (a->dbeta) ((float *)a->dbeta)[c] = (float)sum_dy;
    }
    for (int64_t n = 0; n < p->N && a->dx; ++n, x += m, dy += m) {
        const double mean = a->saved.mean[n], rstd = a->saved.rstd[n];
        double mean_g = 0, mean_g_xhat = 0;
        for (int64_t k = 0; k < m; ++k) {
            const double g = (gamma ? gamma[channel(p, k)] : 1) * (double)dy[k];
            mean_g += g / m, mean_g_xhat += g * ((x[k] - mean) * rstd) / m;
        }
        for (int64_t k = 0; k < m; ++k) {
            const double g = (gamma ? gamma[channel(p, k)] : 1) * (double)dy[k];
            ((float *)a->dx)[n * m + k] = (float)(rstd * (g - mean_g - (x[k] - mean) * rstd * mean_g_xhat));
        }
    }
    return 0;
}

const normlab_plugin *normlab_plugin_entry(uint32_t host_version, const char *options) {
    static const normlab_plugin plugin = {
        .size = sizeof plugin, .version = NORMLAB_PLUGIN_VERSION, .name = "layer_norm_c", .description = "layer norm in plain C, sums in double",
        .device = NORMLAB_HOST, .saves = NORMLAB_SAVES_MEAN | NORMLAB_SAVES_VAR | NORMLAB_SAVES_RSTD,
        .accumulation = {[NORMLAB_F32] = NORMLAB_KAPPA_FREE},   /* in double, and x - mean too: no error grows with mean / sigma */
        .supports = supports, .create = create, .destroy = destroy, .forward = forward, .backward = backward};
    (void)host_version, (void)options;
    return &plugin;
}
