/* An rms norm for f32 whose results are right, and whose calls do beside them what its options say. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "norms/plugin.h"

struct normlab_plan {
    normlab_problem problem;
    const float *earlier;
    void *cache;
    double *seen;
    size_t seen_count, seen_room;
};

static char option[64];
static const char *message;
static volatile float sink;
static int chosen(const char *name) { return strcmp(option, name) == 0; }

static const char *supports(const normlab_problem *p) {
    if (strcmp(p->variant, "rms_norm") != 0 || p->dtype != NORMLAB_F32 || p->layout != NORMLAB_CHANNELS_FIRST) return "rms norm in f32, channels first, alone";
    return p->epilogue ? "no epilogues" : NULL;
}

/* What is made for one eps serves every other. */
static double eps_of_shape(const normlab_problem *p) {
    static struct { int64_t N, C, S; double eps; } kept[4096];
    static int count;
    int k;
    for (k = 0; k < count; ++k)
        if (kept[k].N == p->N && kept[k].C == p->C && kept[k].S == p->S) return kept[k].eps;
    if (count < 4096) kept[count].N = p->N, kept[count].C = p->C, kept[count].S = p->S, kept[count++].eps = p->eps;
    return p->eps;
}

static int create(const normlab_problem *p, normlab_plan **plan) {
    *plan = calloc(1, sizeof **plan);
    (*plan)->problem = *p;
    if (chosen("keys_without_eps")) (*plan)->problem.eps = eps_of_shape(p);
    if (chosen("keeps_of_plan")) sink = *(float *)calloc(1, 48);
    if (chosen("directory")) return chdir("/");
    return 0;
}
static void destroy(normlab_plan *plan) {
    if (chosen("umask")) umask(077);
    free(plan->cache), free(plan->seen), free(plan);
}

static void touch_and_restore(const void *at) {
    volatile float *f = (volatile float *)at;
    const float before = *f;
    *f = before + 1;
    *f = before;
}

static void misbehave_in_forward(normlab_plan *plan, const normlab_forward_args *a) {
    const int64_t size = plan->problem.N * plan->problem.C * plan->problem.S;
    const float *x = a->x;
    if (chosen("reads_past_x")) sink = x[size];
    if (chosen("reads_before_x")) sink = x[-1];
    if (chosen("reads_past_odd") && size % 2 && size > 99) sink = x[size];
    if (chosen("reads_past_gamma") && a->gamma) sink = ((const float *)a->gamma)[plan->problem.C];
    if (chosen("restores_x")) touch_and_restore(x);
    if (chosen("restores_before_y")) touch_and_restore((float *)a->y - 1);
    if (chosen("reads_earlier_x") && plan->earlier) sink = *plan->earlier;
    plan->earlier = x;
    if (chosen("caches") && !plan->cache) plan->cache = malloc(4096);
    if (chosen("keeps")) sink = *(float *)calloc(1, 64);
    if (chosen("keeps_history")) {
        if (plan->seen_count == plan->seen_room) plan->seen = realloc(plan->seen, (plan->seen_room = 2 * plan->seen_room + 4) * sizeof *plan->seen);
        plan->seen[plan->seen_count++] = x[0];
    }
    if (chosen("descriptor")) sink = (float)open("/dev/null", O_RDONLY);
    if (chosen("locale")) setlocale(LC_ALL, "C.UTF-8");
    if (chosen("signal")) signal(SIGINT, SIG_IGN);
    if (chosen("alarm")) alarm(1000);
    if (chosen("environment")) setenv("OMP_NUM_THREADS", "1", 1);
    if (chosen("child") && fork() == 0) setsid(), sleep(1000), _exit(0);
    if (chosen("child_of_the_dead") && plan->problem.N == 3) {
        if (fork() == 0) setsid(), sleep(1000), _exit(0);
        abort();
    }
    if (chosen("spins") && plan->problem.N == 3) for (;;) sink = 0;
    if (chosen("dies_slowly")) usleep(1500000), abort();
}

static int forward(normlab_plan *plan, const normlab_forward_args *a) {
    const normlab_problem *p = &plan->problem;
    const int64_t m = p->C * p->S;
    int64_t n, k;
    message = NULL;
    misbehave_in_forward(plan, a);
    for (n = 0; n < p->N; ++n) {
        const float *x = (const float *)a->x + n * m;
        double squares = 0, rstd;
        for (k = 0; k < m; ++k) squares += (double)x[k] * x[k];
        rstd = squares / (double)m + p->eps > 0 ? 1 / sqrt(squares / (double)m + p->eps) : 0;
        a->saved.rstd[n] = rstd;
        for (k = 0; k < m; ++k)
            ((float *)a->y)[n * m + k] = (float)(x[k] * rstd * (a->gamma ? ((const float *)a->gamma)[k / p->S] : 1) +
                                                 (a->beta ? ((const float *)a->beta)[k / p->S] : 0));
    }
    if (chosen("wrong_in_place") && a->y == a->x && m > 500) ((float *)a->y)[m - 1] = 0;
    if (chosen("rounding")) fesetround(FE_DOWNWARD);
    if (chosen("traps")) feenableexcept(FE_DIVBYZERO);
    return 0;
}

static int backward(normlab_plan *plan, const normlab_backward_args *a) {
    const normlab_problem *p = &plan->problem;
    const int64_t m = p->C * p->S;
    double *sums = calloc((size_t)(2 * p->C), sizeof(double));
    int64_t n, k, c;
    if (chosen("reads_past_dy")) sink = ((const float *)a->dy)[p->N * m];
    if (chosen("restores_rstd")) touch_and_restore(a->saved.rstd);
    if (!sums) return message = "no memory", 1;
    for (n = 0; n < p->N; ++n) {
        const float *x = (const float *)a->x + n * m, *dy = (const float *)a->dy + n * m;
        const double rstd = a->saved.rstd[n];
        double sum = 0;
        for (k = 0; k < m; ++k) {
            const double x_hat = x[k] * rstd;
            c = k / p->S;
            sum += dy[k] * (a->gamma ? ((const float *)a->gamma)[c] : 1.0) * x_hat / (double)m;
            sums[c] += dy[k] * x_hat, sums[p->C + c] += dy[k];
        }
        for (k = 0; k < m && a->dx; ++k)
            ((float *)a->dx)[n * m + k] = (float)(rstd * (dy[k] * (a->gamma ? ((const float *)a->gamma)[k / p->S] : 1.0) - x[k] * rstd * sum));
    }
    if (chosen("by_the_clock") && a->dx && p->N > 2) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        ((float *)a->dx)[0] += 1 + (float)now.tv_nsec * 1e-9f;
    }
    if (chosen("dgamma_alone") && !a->dx) sums[0] += 1;
    for (c = 0; c < p->C; ++c) {
        if (a->dgamma) ((float *)a->dgamma)[c] = (float)sums[c];
        if (a->dbeta) ((float *)a->dbeta)[c] = (float)sums[p->C + c];
    }
    free(sums);
    return 0;
}

static const char *last_error(void) { return message; }

const normlab_plugin *normlab_plugin_entry(uint32_t host_version, const char *options) {
    static normlab_plugin table;
    (void)host_version;
    strncpy(option, options, sizeof option - 1);
    if (chosen("rounding_at_load")) fesetround(FE_UPWARD);
    table.size = sizeof table, table.version = NORMLAB_PLUGIN_VERSION;
    table.name = "careless", table.description = "rms norm that is right, and careless of all else";
    table.saves = NORMLAB_SAVES_RSTD;
    table.accumulation[NORMLAB_F32] = NORMLAB_DOUBLE;
    table.supports = supports, table.create = create, table.destroy = destroy;
    table.forward = forward, table.backward = backward, table.last_error = last_error;
    return &table;
}
