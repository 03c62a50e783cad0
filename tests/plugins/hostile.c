/* A layer norm that is right, in double precision for every dtype it takes (f64, f32), until N = 3: then it does what its options say, or, where it is given
 * none, the environment variable HOSTILE. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "norms/plugin.h"

struct normlab_plan {
    normlab_problem problem;
};

static char option[64];
static const char *message;

static double get(const void *p, int64_t i, int32_t dtype) { return dtype == NORMLAB_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i]; }
static void put(void *p, int64_t i, int32_t dtype, double v) {
    if (dtype == NORMLAB_F64) ((double *)p)[i] = v;
    else ((float *)p)[i] = (float)v;
}
static int chosen(const char *name) { return strcmp(option, name) == 0; }

static const char *supports(const normlab_problem *p) {
    if (p->N < 1 || p->C < 1 || p->S < 1) abort();
    if (strcmp(p->variant, "layer_norm") != 0) return "layer norm alone";
    if (p->dtype != NORMLAB_F64 && p->dtype != NORMLAB_F32) return "f64 and f32 alone";
    if (p->epilogue) return "no epilogues";
    return NULL;
}

static int create(const normlab_problem *p, normlab_plan **plan) {
    if (p->N < 1 || p->C < 1 || p->S < 1) abort();
    *plan = malloc(sizeof **plan);
    (*plan)->problem = *p;
    return 0;
}
static void destroy(normlab_plan *plan) { free(plan); }
static size_t workspace_bytes(const normlab_plan *plan) { return chosen("workspace") && plan->problem.N == 3 ? (size_t)1 << 62 : 0; }
static size_t saved_bytes(const normlab_plan *plan) { return chosen("saved") && plan->problem.N == 3 ? (size_t)1 << 62 : 0; }

/* The channel of element k of a sample. */
static int64_t channel(const normlab_problem *p, int64_t k) { return p->layout == NORMLAB_CHANNELS_FIRST ? k / p->S : k % p->C; }

/* Where the process that asked expects an answer: a message is its length, eight bytes, and its bytes. */
static void say(uint64_t length, const char *text) {
    if (write(3, &length, sizeof length) < 0 || write(3, text, strlen(text)) < 0) _exit(9);
}

static int misbehave(const normlab_problem *p, const void *y) {
    volatile int zero = 0;
    message = NULL;
    if (p->N != 3) return 0;
    if (chosen("segv")) *(volatile int *)8 = 1;
    if (chosen("fpe")) raise(SIGFPE), zero = 1 / zero;
    if (chosen("abort")) fprintf(stderr, "assertion failed: N != 3\n"), abort();
    if (chosen("loop")) for (;;) pause();
    if (chosen("exit")) exit(7);
    if (chosen("exit0")) exit(0);
    if (chosen("prints")) for (;;) printf("%080d\n", 0);
    if (chosen("chatty")) for (zero = 0; zero < 100000; ++zero) printf("%080d\n", zero);
    if (chosen("babbles")) say(5, "hello");
    if (chosen("floods")) say((uint64_t)1 << 35, "");
    if (chosen("invents")) {
        char row[64];
        snprintf(row, sizeof row, "layer_norm/row/%d/kernel%d", (int)getpid(), (int)getpid());
        say(strlen(row), row), abort();
    }
    if (chosen("refuse")) return message = "no memory for three samples", 5;
    if (chosen("latin1")) return message = "pas de m\351moire", 5;
    if (chosen("beyond")) put((void *)y, p->N * p->C * p->S, p->dtype, 1);
    return 0;
}

static int forward(normlab_plan *plan, const normlab_forward_args *a) {
    const normlab_problem *p = &plan->problem;
    const int64_t m = p->C * p->S;
    int64_t n, k;
    for (n = 0; n < p->N; ++n) {
        double mean = 0, var = 0, rstd;
        for (k = 0; k < m; ++k) mean += get(a->x, n * m + k, p->dtype);
        mean /= (double)m;
        for (k = 0; k < m; ++k) {
            const double d = get(a->x, n * m + k, p->dtype) - mean;
            var += d * d;
        }
        var /= (double)m;
        rstd = var + p->eps > 0 ? 1 / sqrt(var + p->eps) : 0;
        a->saved.mean[n] = mean, a->saved.rstd[n] = rstd;
        for (k = 0; k < m; ++k) {
            const int64_t c = channel(p, k);
            const double x_hat = (get(a->x, n * m + k, p->dtype) - mean) * rstd;
            put(a->y, n * m + k, p->dtype, x_hat * (a->gamma ? get(a->gamma, c, p->dtype) : 1) + (a->beta ? get(a->beta, c, p->dtype) : 0));
        }
    }
    return misbehave(p, a->y);
}

static int backward(normlab_plan *plan, const normlab_backward_args *a) {
    const normlab_problem *p = &plan->problem;
    const int64_t m = p->C * p->S;
    double *sums = calloc((size_t)(2 * p->C), sizeof(double));
    int64_t n, k, c;
    for (n = 0; n < p->N; ++n) {
        const double mean = a->saved.mean[n], rstd = a->saved.rstd[n];
        double g_sum = 0, gx_sum = 0;
        for (k = 0; k < m; ++k) {
            const double dy = get(a->dy, n * m + k, p->dtype), x_hat = (get(a->x, n * m + k, p->dtype) - mean) * rstd;
            c = channel(p, k);
            const double g = dy * (a->gamma ? get(a->gamma, c, p->dtype) : 1);
            g_sum += g / (double)m, gx_sum += g * x_hat / (double)m;
            sums[c] += dy * x_hat, sums[p->C + c] += dy;
        }
        for (k = 0; k < m && a->dx; ++k) {
            const double dy = get(a->dy, n * m + k, p->dtype), x_hat = (get(a->x, n * m + k, p->dtype) - mean) * rstd;
            c = channel(p, k);
            put(a->dx, n * m + k, p->dtype, rstd * (dy * (a->gamma ? get(a->gamma, c, p->dtype) : 1) - g_sum - x_hat * gx_sum));
        }
    }
    for (c = 0; c < p->C; ++c) {
        if (a->dgamma) put(a->dgamma, c, p->dtype, sums[c]);
        if (a->dbeta) put(a->dbeta, c, p->dtype, sums[p->C + c]);
    }
    free(sums);
    return 0;
}

static const char *last_error(void) { return message; }

/* A table of a later minor version: fields that this header does not know follow. */
typedef struct newer_plugin {
    normlab_plugin now;
    int (*unheard_of)(void);
} newer_plugin;

const normlab_plugin *normlab_plugin_entry(uint32_t host_version, const char *options) {
    static newer_plugin table = {{sizeof(normlab_plugin), NORMLAB_PLUGIN_VERSION, "hostile", "layer norm in double; hostile where N = 3",
                                  NORMLAB_HOST, NORMLAB_SAVES_MEAN | NORMLAB_SAVES_RSTD, 0,
                                  {NORMLAB_SEQUENTIAL, NORMLAB_DOUBLE, NORMLAB_DOUBLE, NORMLAB_DOUBLE}, NULL, supports,
                                  create, destroy, workspace_bytes, saved_bytes, forward, backward, NULL, last_error}, NULL};
    (void)host_version;
    if (!*options && getenv("HOSTILE")) options = getenv("HOSTILE");
    strncpy(option, options, sizeof option - 1);
    if (chosen("load")) raise(SIGSEGV);
    if (chosen("slow")) sleep(1);
    if (chosen("newer")) table.now.size = sizeof table, table.now.version += 1;
    if (chosen("older")) table.now.size = offsetof(normlab_plugin, set_threads);
    if (chosen("short")) table.now.size = offsetof(normlab_plugin, forward);
    if (chosen("major")) table.now.version = 2u << 16;
    if (chosen("incomplete")) table.now.create = NULL;
    if (chosen("name")) table.now.name = "Hostile Norm";
    if (chosen("cpu")) table.now.name = "cpu";
    if (chosen("latin1")) table.now.description = "d\351j\340 vu";
    return chosen("none") ? NULL : &table.now;
}
