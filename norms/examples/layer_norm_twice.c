/* Layer norm that can be differentiated twice: layer_norm.c, beside this file, with one function more.
 *
 *     cc -O2 -shared -fPIC layer_norm_twice.c -o layer_norm_twice.so -lm
 *     normlab verify --plugin ./layer_norm_twice.so
 */
#define normlab_plugin_entry layer_norm_entry
#include "layer_norm.c"
#undef normlab_plugin_entry

/* S = <dx, v> + <dgamma, u> + <dbeta, w>. With A = mean(g x_hat), B = mean(v x_hat) and P(v) = v - mean(v) - x_hat B:
 * ddy = gamma rstd P(v) + u x_hat + w, ddgamma = sum rstd dy P(v), and ddx is what comes through x_hat, P(h) rstd, less what comes through rstd. */
static int backward_backward(normlab_plan *p, const normlab_backward_backward_args *a) {
    const float *gamma = a->gamma, *v = a->v, *u = a->u, *w = a->w, *x = a->x, *dy = a->dy;
    const int64_t m = p->C * p->S;
    double *sums = calloc(p->C, sizeof *sums), *h = malloc(m * sizeof *h);
    if (!sums || !h) return free(sums), free(h), 1;
    for (int64_t n = 0; n < p->N; ++n, x += m, dy += m) {
        const double mean = a->saved.mean[n], rstd = a->saved.rstd[n];
        double mean_g = 0, mean_v = 0, A = 0, B = 0, gv = 0, mean_h = 0, along_h = 0;
        for (int64_t k = 0; k < m; ++k) {
            const double x_hat = (x[k] - mean) * rstd, g = (gamma ? gamma[channel(p, k)] : 1) * (double)dy[k], vk = v ? v[n * m + k] : 0;
            mean_g += g / m, mean_v += vk / m, A += g * x_hat / m, B += vk * x_hat / m, gv += g * vk / m;
        }
        for (int64_t k = 0; k < m; ++k) {
            const int64_t c = channel(p, k);
            const double x_hat = (x[k] - mean) * rstd, g = (gamma ? gamma[c] : 1) * (double)dy[k], vk = v ? v[n * m + k] : 0;
            const double with_u = u ? u[c] : 0, projected = rstd * (vk - mean_v - x_hat * B);
            if (a->ddy) ((float *)a->ddy)[n * m + k] = (float)((gamma ? gamma[c] : 1) * projected + with_u * x_hat + (w ? w[c] : 0));
            sums[c] += dy[k] * projected;
            h[k] = with_u * dy[k] - rstd * (g * B + vk * A);
            mean_h += h[k] / m, along_h += h[k] * x_hat / m;
        }
        for (int64_t k = 0; k < m && a->ddx; ++k) {
            const double x_hat = (x[k] - mean) * rstd;
            ((float *)a->ddx)[n * m + k] = (float)(rstd * (h[k] - mean_h - x_hat * along_h) - rstd * rstd * x_hat * (gv - mean_g * mean_v - A * B));
        }
    }
    for (int64_t c = 0; c < p->C && a->ddgamma; ++c) ((float *)a->ddgamma)[c] = (float)sums[c];
    free(sums), free(h);
    return 0;
}

NORMLAB_EXPORT const normlab_plugin *normlab_plugin_entry(uint32_t host_version, const char *options) {
    static normlab_plugin plugin;
    plugin = *layer_norm_entry(host_version, options);
    plugin.name = "layer_norm_twice_c", plugin.description = "layer norm in plain C with a double backward, sums in double";
    plugin.backward_backward = backward_backward;
    return &plugin;
}
