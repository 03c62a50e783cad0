/* The C interface through which a kernel joins normlab. Copy this one file; nothing else of normlab is needed to build a plug-in:
 *
 *     cc -O2 -shared -fPIC mine.c -o mine.so          (C99 or C++ or CUDA; mine.c includes this file)
 *     normlab verify --plugin ./mine.so               (also: list, bench, soak)
 *
 * A plug-in is a shared object that exports one function, `normlab_plugin_entry`, which returns a table of functions (normlab_plugin). For
 * every problem that `supports` accepts, normlab creates a plan, asks it for the sizes of two memories, and runs forward and backward on it:
 *
 *     block of m elements, q = m (q = 1 for NORMLAB_NORM):
 *     mean = (1/m) sum x (0 where not centred)    var = (1/q) sum (x - mean)^2    rstd = 1 / sqrt(var + eps), 0 where var + eps = 0
 *     x_hat = (x - mean) * rstd     y = gamma * x_hat + beta                       (batch renorm: gamma * (x_hat * r + d) + beta)
 *     dx = rstd * (g - [centred] mean(g) - x_hat * (1/q) sum g * x_hat)            g = gamma * dy (batch renorm: gamma * r * dy)
 *     dgamma = sum dy * x_hat (batch renorm: x_hat * r + d)     dbeta = sum dy     over all elements of a channel (of an entry: problem.affine_set)
 *     statistics given (NORMLAB_EVAL where running != NORMLAB_RUNNING_NONE): mean and var from the state, dx = gamma * rstd * dy
 *
 * Each of the following is asked for only if the table's `reads` has its bit:
 *
 *     another denominator than sqrt(var + eps), or another q (l2 norm, weight standardization): problem.denominator, problem.divisor
 *     a residual before the norm: s = x + residual, another output, stands for x: problem.residual
 *     an activation behind the norm: y = act(z), where z is y above, and dz = dy * act'(z) stands for dy: problem.epilogue
 *     a threshold behind the norm, y = max(z, tau) with a tau that is learned: problem.epilogue, args.tau, args.dtau
 *     x_hat rounded to the data's type before it is multiplied by gamma: problem.cast
 *     positions of samples left out (padding), by a mask: problem.masked
 *     y of another type than the data, of 8 bits with a scale: problem.output
 *     statistics of the first elements of a block alone (partial rms norm): problem.part
 *
 * Memory. Every array belongs to normlab, before, during and after the call. Tensors are dense: [N, C, S] (channels first) or [N, S, C]
 * (channels last); slices of larger ones come only to a table that says it reads strides (problem.strided). gamma, beta, dgamma and dbeta have C entries (others where problem.affine_set says so), of the type that problem.param_dtype says: of float, or double for NORMLAB_F64, where it is 0. Statistics are always double. Arrays are
 * aligned to their element, no more; workspace to 256 bytes, opaque to 16. All of them lie on the device that the table names, but the count of the state, which is in host memory.
 * Only outputs may be written, all of an output must be, and nothing beyond its end. Nothing outside an array may be read either, whether or not the value
 * is used: an array may begin or end where mapped memory does, inputs may be mapped read-only (a write that is undone faults), and after a call its arrays may be gone.
 * A call leaves the floating-point environment (but for the flags of exceptions), locale, signal handlers and the rest of the process as it found them, and keeps nothing that grows with the number of calls.
 * y may be x (if both are of one type), dx may be dy, and s may be residual (the same address); nothing else overlaps.
 *
 * Calls. One at a time: a plan is not called by two threads at once. An int result is 0 for success; anything else makes the call fail with the text
 * that last_error gives. Same bits are expected on every call and for any number of threads, unless table.nondeterministic says otherwise. normlab runs a plug-in in a process
 * of its own: a crash, an endless loop or exit() is reported with the case that met it, and the run goes on.
 *
 * Versions. The problem, the args and the table begin with their size, as it was when their maker was compiled. Fields are only ever added at the end: read what lies
 * within `size` (NORMLAB_HAS). A plug-in of another minor version is served; of another major version, refused. */
#ifndef NORMLAB_PLUGIN_H
#define NORMLAB_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#define NORMLAB_PLUGIN_MAJOR 1
#define NORMLAB_PLUGIN_MINOR 10
#define NORMLAB_PLUGIN_VERSION ((uint32_t)(NORMLAB_PLUGIN_MAJOR << 16 | NORMLAB_PLUGIN_MINOR))

/* Whether the maker of *s knew `field` of its type. */
#define NORMLAB_HAS(type, s, field) ((s)->size >= offsetof(type, field) + sizeof((s)->field))

#ifdef __cplusplus
#define NORMLAB_EXPORT extern "C" __attribute__((visibility("default")))
extern "C" {
#else
#define NORMLAB_EXPORT __attribute__((visibility("default")))
#endif

/* Special values. NaN and infinities are data: they spoil what the formulas make of them, also from gamma and beta, and are never replaced. A result beyond the range of its type
 * is an infinity, as rounding to nearest makes it. Of a block whose elements are all equal the mean is right to two roundings, whatever its size: x * scale + shift, which cancels
 * there, keeps none of the promises below. */
enum { NORMLAB_F64, NORMLAB_F32, NORMLAB_BF16, NORMLAB_F16 };                  /* dtype: IEEE binary64, binary32, bfloat16, binary16 */
enum { NORMLAB_CHANNELS_FIRST, NORMLAB_CHANNELS_LAST };                        /* layout */
enum { NORMLAB_TRAIN, NORMLAB_EVAL };                                          /* mode */
enum { NORMLAB_HOST, NORMLAB_CUDA };                                           /* device */
enum { NORMLAB_CENTRED, NORMLAB_MEAN_SQUARE, NORMLAB_NORM };                   /* moments: mean removed; not (rms norm); l2 norm (weight norm) */
enum {                                                                         /* denominator: rstd is 1 / it, 0 where it is 0; dx has slope * x_hat * (1/q) sum g * x_hat */
    NORMLAB_ROOT,                                                              /* sqrt(var + eps); slope = 1 */
    NORMLAB_ADDED,                                                             /* sqrt(var) + eps; slope = (sqrt(var) + eps) / sqrt(var), 0 where var = 0 */
    NORMLAB_FLOOR,                                                             /* max(sqrt(var), eps), and NaN where var is NaN (fmax would drop it); slope = 0 where sqrt(var) < eps, else 1 */
    NORMLAB_FLOOR_ROOT                                                         /* sqrt(max(var, eps)), and NaN where var is NaN; slope = 0 where var < eps, else 1 */
};
enum { NORMLAB_DIVISOR_OWN, NORMLAB_DIVISOR_LESS_ONE, NORMLAB_DIVISOR_ONE };    /* divisor: as moments says; m - 1; 1. The mean, and mean(g), are over m always */
enum {                                                                         /* affine_set: entries of gamma, beta, dgamma and dbeta, and which of them element n, c, s
                                                                                  uses. This is their order, whatever the layout of the data: channels last has no other */
    NORMLAB_AFFINE_CHANNEL,                                                    /* [C], at c */
    NORMLAB_AFFINE_ELEMENT,                                                    /* [C, S], at c * S + s: sums run over samples alone */
    NORMLAB_AFFINE_SAMPLE_CHANNEL,                                             /* [N, C], at n * C + c: sums run over positions alone */
    NORMLAB_AFFINE_GROUP                                                       /* [groups], at c / (C / groups) */
};
enum {                                                                         /* epilogue: act, behind the norm */
    NORMLAB_ACTIVATION_NONE,                                                   /* z */
    NORMLAB_ACTIVATION_RELU,                                                   /* max(z, 0), and NaN where z is NaN; act'(0) = 0. Where act' is 0, dz may be 0 whatever dy is */
    NORMLAB_ACTIVATION_SILU,                                                   /* z * s(z), s(z) = 1 / (1 + exp(-z)); act' = s(z) * (1 + z * (1 - s(z))) */
    NORMLAB_ACTIVATION_GELU,                                                   /* z * Phi(z), Phi(z) = (1 + erf(z / sqrt(2))) / 2; act' = Phi(z) + z * exp(-z^2 / 2) / sqrt(2 pi) */
    NORMLAB_ACTIVATION_GELU_TANH,                                              /* z * (1 + t) / 2, t = tanh(u), u = sqrt(2 / pi) * (z + 0.044715 z^3);
                                                                                  act' = (1 + t) / 2 + z * (1 - t^2) * u' / 2, u' = sqrt(2 / pi) * (1 + 0.134145 z^2) */
    NORMLAB_ACTIVATION_THRESHOLD                                               /* since version 1.10, and only where reads has NORMLAB_READS_THRESHOLD, too: max(z, tau) with args.tau of the
                                                                                  element's entry, and NaN where either is NaN; dz = dy where z >= tau, else 0, whatever dy is;
                                                                                  dtau = sum (dy - dz) over the elements of an entry */
};
enum {                                                                         /* residual: what is added to x, and what sees the sum */
    NORMLAB_RESIDUAL_NONE,
    NORMLAB_RESIDUAL_STORED,                                                   /* statistics and x_hat are those of s as it is stored */
    NORMLAB_RESIDUAL_WIDE                                                      /* forward's are those of the sum before it is rounded to the type of s; backward's x_hat is
                                                                                  (s - mean) * rstd with s as stored, and mean and rstd as saved */
};
enum { NORMLAB_CAST_AFTER, NORMLAB_CAST_BEFORE };                              /* cast. AFTER: only y is rounded to dtype. BEFORE: x_hat is rounded to dtype first, then y */
enum { NORMLAB_OUTPUT_DATA, NORMLAB_OUTPUT_F32, NORMLAB_OUTPUT_E4M3, NORMLAB_OUTPUT_E5M2 };   /* output: dtype; float; e4m3fn (largest 448, no infinity); e5m2 (57344) */
enum {                                                                         /* scale: entries of args.scale, and which of them element n, c, s uses */
    NORMLAB_SCALE_GIVEN,                                                       /* [1]: an input */
    NORMLAB_SCALE_BLOCK,                                                       /* one for each block: problem.statistics, in the order of saved */
    NORMLAB_SCALE_CHANNELS                                                     /* [N, S, ceil(C / 128)], at (n * S + s) * ceil(C / 128) + c / 128 */
};
enum { NORMLAB_NO_CORRECTION, NORMLAB_RENORM };                                /* correction: none; batch renormalization's r and d */
enum {                                                                         /* running: what the state keeps beside the mean */
    NORMLAB_RUNNING_NONE,
    NORMLAB_RUNNING_UNBIASED_VARIANCE,                                         /* of m - 1 */
    NORMLAB_RUNNING_BIASED_VARIANCE,
    NORMLAB_RUNNING_SIGMA                                                      /* sqrt(biased variance + eps), batch renorm's own */
};
enum { NORMLAB_SAMPLES = 1, NORMLAB_GROUPS = 2, NORMLAB_CHANNELS = 4, NORMLAB_POSITIONS = 8 };   /* block: the axes that one block spans */
enum {                                                                         /* accumulation: how sums are formed; error bounds follow from it */
    NORMLAB_SEQUENTIAL,                                                        /* one chain in float (double for f64): up to m roundings */
    NORMLAB_TREE,                                                              /* pairwise or blocked: an element goes through log2(m) + 1 additions at most */
    NORMLAB_DOUBLE,                                                            /* in double. It promises three things:
                                                                                  1. Sums run in double: of x, of (x - mean)^2 (in two passes, or as Welford and Chan do; not
                                                                                     mean(x^2) - mean^2), of dy, and of dy * x_hat.
                                                                                  2. saved.mean, var and rstd, and the running statistics, are these doubles, not rounded to float.
                                                                                  3. Everything else, x - mean too, may be in float: an error of one rounding of the mean stays.
                                                                                  A kernel that sums in double and lacks 1 or 2 promises NORMLAB_TREE. For f64 it is NORMLAB_SEQUENTIAL. */
    NORMLAB_KAPPA_FREE,                                                        /* as NORMLAB_DOUBLE, and x - mean in double too: no error grows with mean / sigma. For f64 it is NORMLAB_TREE. */
    NORMLAB_PIVOT                                                              /* one chain in float (double for f64), in one pass, of x - p and (x - p)^2, where the pivot p is a
                                                                                  value of the block or the running mean: errors grow with the square of (mean - p) / sigma */
};
enum { NORMLAB_SAVES_MEAN = 1, NORMLAB_SAVES_VAR = 2, NORMLAB_SAVES_RSTD = 4 };   /* saves: which statistics forward fills */
enum {                                                                         /* reads: which later fields of a problem a plug-in knows */
    NORMLAB_READS_DENOMINATOR = 1,                                             /* denominator and divisor */
    NORMLAB_READS_GAMMA_OFFSET = 2,                                            /* gamma_offset */
    NORMLAB_READS_EPILOGUE = 4,                                                /* epilogue */
    NORMLAB_READS_PARAM_DTYPE = 8,                                             /* param_dtype */
    NORMLAB_READS_RESIDUAL = 16,                                               /* residual and residual_dtype */
    NORMLAB_READS_STRIDES = 32,                                                /* strided, and the strides of x, y, dy and dx */
    NORMLAB_READS_AFFINE = 64,                                                 /* affine_set */
    NORMLAB_READS_CAST = 128,                                                  /* cast */
    NORMLAB_READS_MASK = 256,                                                  /* masked, and mask in the args */
    NORMLAB_READS_OUTPUT = 512,                                                /* output, scale, scale_power_of_two, scale_inverse and scales */
    NORMLAB_READS_PART = 1024,                                                 /* part */
    NORMLAB_READS_THRESHOLD = 2048                                             /* NORMLAB_ACTIVATION_THRESHOLD in epilogue; tau and dtau in the args */
};

/* What is to be computed: everything but the pointers. Valid: normlab has checked it. */
typedef struct normlab_problem {
    size_t size;
    const char *variant;       /* its name, "layer_norm" (norms/variants.hpp, or what a program registered); block, moments, correction and
                                  running say what it is */
    int64_t N, C, S;           /* samples, channels, positions a channel (1 for dense layers); each at least 1 */
    int32_t dtype, layout, mode, device;
    int32_t block;             /* of NORMLAB_SAMPLES, ...: batch norm SAMPLES|POSITIONS, layer norm GROUPS|CHANNELS|POSITIONS, group norm CHANNELS|POSITIONS */
    int32_t moments, correction, running;
    int64_t groups;            /* divides C; 1 but in group norm */
    int64_t stat_batch;        /* samples normalised together where a block spans samples; divides N; 0: all N. Decline it if in doubt */
    int64_t statistics;        /* entries of saved.mean, var, rstd (r, d): one for each block, in the order [slice or sample][channel, group or position];
                                  one for each channel where statistics are given */
    double eps;                /* 0 or more */
    double momentum;           /* weight of the new value, 0 to 1; negative: cumulative average */
    double r_max, d_max;       /* batch renorm: r is clipped to [1 / r_max, r_max], d to [-d_max, d_max] */
    int32_t epilogue;          /* of NORMLAB_ACTIVATION_NONE, ...; other than 0 since version 1.4, and only where the table says that it is read. z is formed in float (double for
                                  f64) and stored in no narrower type; y = act(z) is rounded once. backward forms z again, from x, saved, gamma and beta. At z = -infinity and
                                  +infinity act is 0 (of a threshold tau) and infinity, act' is 0 and 1. Later versions may ask for something else: decline what is not known */
    int32_t reserved;          /* 0 */

    /* Since version 1.3. Where one of them is not 0, a plug-in is asked only if its table says that it reads it (normlab_plugin.reads). */
    int32_t denominator;       /* of NORMLAB_ROOT, ...: what x - mean is divided by */
    int32_t divisor;           /* of NORMLAB_DIVISOR_OWN, ...: q, by which sums of squares and of g * x_hat are divided */
    int32_t gamma_offset;      /* 0 or 1: gamma_offset + gamma stands for gamma in y, in g and in ddy, formed in float (double for f64) and stored in no narrower type;
                                  dgamma is the gradient by the gamma that is stored, as without. Where gamma is null it is 1, with an offset or without */

    /* Since version 1.4, likewise. */
    int32_t param_dtype;       /* of gamma, beta, dgamma, dbeta (u, w, ddgamma): 0: float (double for NORMLAB_F64); otherwise 1 + NORMLAB_BF16 or 1 + NORMLAB_F16, beside data of
                                  any dtype but NORMLAB_F64. They are read exactly; what is computed from them is rounded to no 16 bits. Gradients are summed as without, in float
                                  or wider, and rounded once, to nearest: beyond the largest number of the type (65504 of NORMLAB_F16) to an infinity */

    /* Since version 1.5, likewise. */
    int32_t residual;          /* of NORMLAB_RESIDUAL_NONE, ...: s = x + residual, added in float (double for f64) with one rounding and rounded once to its type, stands for x in
                                  all formulas, and is an output of forward. backward has s in the place of x. With ds, the cotangent of s, d = ds + dx as the formulas
                                  have it, added before it is rounded; dx is d in the data's dtype, d_residual is d in the type of s. It is not asked for in double backward */
    int32_t residual_dtype;    /* of residual, s, ds and d_residual, and of backward's x: 0: dtype; otherwise 1 + NORMLAB_F32, beside data of 16 bits */
    int32_t affine_set;        /* of NORMLAB_AFFINE_CHANNEL, ...: what gamma and beta have one entry of. Element n, c, s uses gamma[entry] and beta[entry], in y and in g;
                                  dgamma[entry] and dbeta[entry] (ddgamma, and u and w) are of the elements that use it, and of no others */
    int32_t strided;           /* 1: some tensor is not dense. What lies between its elements belongs to others and is neither read nor written; the array ends behind its last
                                  element, not behind a whole last row. 0: all are dense. The strides hold either way: a plug-in that uses them has no other case. Results
                                  need not have the bits of those of dense tensors. supports may decline some strides */
    int64_t x_strides[3], y_strides[3], dy_strides[3], dx_strides[3];   /* of n, c and s, in elements: element n, c, s of x is x[n * x_strides[0] + c * x_strides[1] +
                                  s * x_strides[2]]. None is negative. Channels first, s is the innermost axis, then c, then n (channels last: c, s, n), and each stride is at
                                  least the extent times the stride of the axis within it; that of an axis of one element says nothing. residual and s lie as x does; ds,
                                  d_residual, v, ddx and ddy as dx does; an output in the place of an input (y on x, dx on dy) has its strides. In dy any stride may be 0, or
                                  all of them: the axis was expanded and not copied (dy of a sum), takes no room, and each element counts as if it were stored. Nothing else
                                  is expanded, and dx is then not dy. saved_bytes does not depend on strides: backward may be called on another plan, which differs from its
                                  forward's in strides alone */

    /* Since version 1.6, likewise. */
    int32_t cast;              /* of NORMLAB_CAST_AFTER, ...: NORMLAB_CAST_BEFORE: y = gamma * round(x_hat) + beta (batch renorm: round(x_hat * r + d)), where round is to dtype,
                                  to nearest even; what follows it is formed in float (double for f64) and rounded once more, to y. Where x_hat is computed in the type of
                                  the data, round does nothing. backward and backward_backward have x_hat as it is, in z too */

    /* Since version 1.7, likewise. */
    int32_t masked;            /* 0 or 1: args.mask leaves positions of samples out, in all channels. There y = 0, behind an activation too, and dx = 0, whatever x and dy hold:
                                  no mean, no sum of a block and neither dgamma nor dbeta has anything of them, and NaN in them shows nowhere (0 * NaN is NaN: choose, do not
                                  multiply). m is the number of elements of the block that count: in both means of dx, in q, and in m / (m - 1) of the state, too. m = 0: saved
                                  mean, var and rstd are 0 (r = 1, d = 0), and the state and its count stay as they were; m = 1: a running mean moves, an unbiased variance does
                                  not. In instance norm the state averages over the samples with m of at least 1 (an unbiased variance: 2), and stays where there is none. With
                                  stat_batch that holds for each slice. m < 2 with NORMLAB_DIVISOR_LESS_ONE: var and rstd are 0, so that x_hat = 0. With statistics given, y and dx
                                  are set to 0 and nothing else changes. With a residual, s is written everywhere, and d is ds where dx is 0. It is not asked for in double
                                  backward */

    /* Since version 1.8, likewise. */
    int32_t output;            /* of NORMLAB_OUTPUT_DATA, ...: the type of y, beside data of any dtype but NORMLAB_F64. y is rounded once, from float, to nearest even. Of 8
                                  bits q = round(y / scale) is stored, and q * scale is what it stands for; what is beyond the largest number of the type, an infinity too, is
                                  that number, and NaN stays NaN. The quotient may be a product with 1 / scale in float. y is then not x. backward is as without: dy is of
                                  dtype, and the scale a constant */
    int32_t scale;             /* of NORMLAB_SCALE_GIVEN, ...: what args.scale has one entry of. But for NORMLAB_SCALE_GIVEN it is a result, to 2 ulp:
                                  max(amax / largest, 1 / (largest * 512)), with amax the largest |y| that is finite, over the elements that use it */
    int32_t scale_power_of_two;   /* 1: that, rounded up to the next power of two */
    int32_t scale_inverse;     /* 1: args.scale is 1 / scale, given or returned */
    int64_t scales;            /* entries of args.scale; 0 where it is null */

    /* Since version 1.9, likewise. */
    double part;               /* 0: statistics are of all elements of a block. Otherwise above 0 and below 1, only with NORMLAB_MEAN_SQUARE and without a divisor: of the m elements
                                  (those that count, where masked is 1), in the order n, c, s whatever the layout, the first k = ceil(part * m), a product in double, make
                                  var = (1/k) sum x^2. Every element is normalized, y = gamma * x * rstd. With A = (1/k) sum g * x_hat over all m elements,
                                  dx = rstd * (g - x_hat * A) for the first k, and rstd * g for the others. It is not asked for in double backward */
} normlab_problem;

/* Running statistics, one value for each channel; null where running is NORMLAB_RUNNING_NONE. This struct never grows: later fields go to the end of the args. In training
 * (m elements a block):  running <- (1 - momentum) * running + momentum * new, where new is the mean and, by `running`, var * m / (m - 1), var, or sqrt(var + eps);
 * cumulative: momentum = 1 / (count + 1). Then count is one more, whatever the momentum. With stat_batch this happens once for each slice, in order. In instance norm new is the average over the samples.
 * In evaluation x_hat = (x - mean) * rstd with rstd = 1 / sqrt(var + eps), or 1 / sigma, whose var is sigma^2 - eps. */
typedef struct normlab_state {
    double *mean;
    double *var;               /* null with NORMLAB_RUNNING_SIGMA */
    double *sigma;             /* null without */
    int64_t *count;            /* updates made so far; host memory */
} normlab_state;

/* What forward leaves for backward. This struct never grows either. Batch renorm, in training, with sigma = running sigma, or sqrt(running variance + eps), as before the
 * step:  r = clip(sqrt(var + eps) / sigma, 1 / r_max, r_max)   d = clip((mean - running mean) / sigma, -d_max, d_max), and NaN where what is clipped is NaN (fmax and
 * fmin would drop it);  backward takes both as constants.
 * With stat_batch the state before the step of a later slice is what the slices before it left, also where forward does not move the state for its caller. */
typedef struct normlab_saved {
    double *mean, *var, *rstd; /* problem.statistics entries; var is biased and without eps. Those not in table.saves are null */
    double *r, *d;             /* the same; batch renorm in training, otherwise null; always to be filled */
    void *opaque;              /* saved_bytes(plan) bytes of the plug-in's own */
} normlab_saved;

typedef struct normlab_forward_args {
    size_t size;
    const void *x;
    const void *gamma, *beta;  /* either may be null: 1, 0 */
    normlab_state state;       /* as before the step. In training normlab moves it after the call from saved.mean and saved.var, unless
                                  table.updates_state says that forward does. Never written in evaluation */
    normlab_saved saved;
    void *y;
    void *workspace;           /* workspace_bytes(plan) bytes, contents undefined; may differ from call to call */
    void *stream;              /* NORMLAB_CUDA: the cudaStream_t to work on; need not be waited for. Host: null */

    /* Since version 1.5: null where problem.residual is 0. Both lie as x does. */
    const void *residual;
    void *s;                   /* x + residual; may be residual */

    /* Since version 1.7: null where problem.masked is 0. */
    const uint8_t *mask;       /* N * S bytes: mask[n * S + s] is 0 where position s of sample n is left out, whatever layout and strides the tensors have */

    /* Since version 1.8: null where problem.output is not of 8 bits. */
    float *scale;              /* problem.scales entries: an input where problem.scale is NORMLAB_SCALE_GIVEN, otherwise an output */

    /* Since version 1.10: null where problem.epilogue is not NORMLAB_ACTIVATION_THRESHOLD; never null where it is. */
    const void *tau;           /* of the type and the entries of beta */
} normlab_forward_args;

typedef struct normlab_backward_args {
    size_t size;
    const void *x, *dy;        /* where problem.residual is not 0, x is the s that forward gave, in its type */
    const void *gamma, *beta;  /* those that count; forward may have had others. beta matters where epilogue is not 0 */
    normlab_saved saved;       /* as forward left it, to be read only; forward may have run on other plans or inputs since */
    void *dx, *dgamma, *dbeta; /* each may be null: not asked for */
    void *workspace;
    void *stream;

    /* Since version 1.5: null where problem.residual is 0. */
    const void *ds;            /* the cotangent of s; may be null: 0 */
    void *d_residual;          /* may be null: not asked for */

    /* Since version 1.7: null where problem.masked is 0. */
    const uint8_t *mask;       /* as forward's */

    /* Since version 1.10: null where problem.epilogue is not NORMLAB_ACTIVATION_THRESHOLD. */
    const void *tau;           /* that which counts, as gamma and beta */
    void *dtau;                /* of the type and the entries of dbeta; may be null: not asked for */
} normlab_backward_args;

/* Since version 1.2. Double backward: the gradients by x, dy and gamma of S = <dx, v> + <dgamma, u> + <dbeta, w>, where dx, dgamma and dbeta are what backward gives
 * for the same arguments. r, d and the state are constants. S does not depend on beta. With q, mean, rstd, x_hat and g as above (r = 1, d = 0 but in batch renorm) and
 * P(a) = a - [centred] mean(a) - x_hat * (1/q) sum a * x_hat:
 *     ddy = gamma * r * rstd * P(v) + u * (x_hat * r + d) + w      ddgamma = sum r * rstd * dy * P(v) over all elements of a channel
 *     ddx = rstd * P(h) - rstd^2 * x_hat * (1/q) sum g * P(v)      h = r * u * dy - rstd * (g * (1/q) sum v * x_hat + v * (1/q) sum g * x_hat)
 *     statistics given:  ddy = gamma * rstd * v + u * x_hat + w,   ddgamma = sum rstd * dy * v,   ddx = rstd * dy * u
 * Where the denominator has another slope t than 1 (problem.denominator), t stands before (1/q) sum a * x_hat in P and in h, and ddx has - rstd^2 * x_hat *
 * (t * (1/q) sum g * P(v) - t^2 * (t - 1) * (1/q) sum g * x_hat * (1/q) sum v * x_hat); NORMLAB_DECLINED is an answer, too.
 * Nothing overlaps here. What `accumulation` says of sums holds for these, too. It is not asked for where epilogue, residual, masked or part is not 0. */
typedef struct normlab_backward_backward_args {
    size_t size;
    const void *x, *dy;
    const void *gamma;         /* may be null: 1 */
    normlab_saved saved;       /* as forward left it, to be read only */
    const void *v;             /* cotangent of dx, as dx lies; may be null: 0 */
    const void *u, *w;         /* of dgamma and dbeta, one a channel in their type; each may be null: 0 */
    void *ddx, *ddy, *ddgamma; /* as x, dy and gamma lie; each may be null: not asked for */
    void *workspace;           /* workspace_bytes(plan) bytes */
    void *stream;
} normlab_backward_backward_args;

#define NORMLAB_DECLINED (-1)  /* from backward_backward: not for this plan's problem; nothing was written, and last_error may say why */

typedef struct normlab_plan normlab_plan;   /* the plug-in's own: define struct normlab_plan as you like */

typedef struct normlab_plugin {
    size_t size;               /* sizeof(normlab_plugin) */
    uint32_t version;          /* NORMLAB_PLUGIN_VERSION */
    const char *name;          /* for --impl: lower case letters, digits and _ */
    const char *description;   /* a line, with its own version: "layer norm of mylib 1.2, AVX2" */
    int32_t device;            /* where arrays are to lie: NORMLAB_HOST or NORMLAB_CUDA */
    int32_t saves;             /* NORMLAB_SAVES_... added up. Without MEAN and VAR, supports should decline training of what keeps
                                  running statistics, unless updates_state */
    int32_t updates_state;     /* not 0: forward moves the running statistics in training itself (state), count too */
    int32_t accumulation[4];   /* one for each dtype; 0 is NORMLAB_SEQUENTIAL, the promise to make if in doubt */

    /* Null if it can run on this machine, otherwise why not (no such GPU, no such instruction). May be null: it can. */
    const char *(*available)(void);
    /* Null if the problem is served, otherwise why not; the text must live on until the next call. */
    const char *(*supports)(const normlab_problem *problem);
    /* A plan in *plan, for a problem that supports accepted; the problem does not outlive the call. */
    int (*create)(const normlab_problem *problem, normlab_plan **plan);
    void (*destroy)(normlab_plan *plan);
    /* Bytes of memory that each call is to be given. May be null: 0. */
    size_t (*workspace_bytes)(const normlab_plan *plan);
    /* Bytes of saved.opaque. May be null: 0. */
    size_t (*saved_bytes)(const normlab_plan *plan);
    /* y, saved and, if updates_state, state; from x, gamma, beta and state. */
    int (*forward)(normlab_plan *plan, const normlab_forward_args *args);
    /* Those of dx, dgamma, dbeta that are not null; from x, dy, gamma and saved. */
    int (*backward)(normlab_plan *plan, const normlab_backward_args *args);
    /* Host threads that calls may use, 1 or more, said once at most, right after create: workspace_bytes may depend on it, results must not. May be null:
       the plug-in then chooses by itself. */
    int (*set_threads)(normlab_plan *plan, int threads);
    /* What went wrong in the last call that failed on this thread. May be null. */
    const char *(*last_error)(void);

    /* Since version 1.1. A table without these fields, or with zeros in them, promises both. */
    int32_t nondeterministic;  /* not 0: calls may differ in their roundings (sums by atomic additions). Where normlab otherwise compares bits
                                  it then accepts what lies within the bounds of both results */
    int32_t flushes_subnormals;   /* not 0: a number below the smallest normal one of its type, or of float, may be taken for 0, in what is read
                                  and in what is written (-ffast-math, nvcc --use_fast_math) */

    /* Since version 1.2. Those of ddx, ddy, ddgamma that are not null; NORMLAB_DECLINED where the plan's problem has none. May be null: no problem has. */
    int (*backward_backward)(normlab_plan *plan, const normlab_backward_backward_args *args);
    /* Since version 1.3. */
    int32_t reads;             /* NORMLAB_READS_... added up. If a problem uses a field whose bit is not set here, normlab declines it on the plug-in's behalf and does not call
                                  supports */
} normlab_plugin;

/* The one symbol that a plug-in exports. `host_version` is normlab's NORMLAB_PLUGIN_VERSION. `options` is what follows the colon in
 * --plugin FILE.so:OPTIONS, or "": several kernels in one file can be told apart by it. Returns a table that lives as long as the plug-in
 * is loaded, or null: options unknown, or host too old. Called once for each OPTIONS. */
NORMLAB_EXPORT const normlab_plugin *normlab_plugin_entry(uint32_t host_version, const char *options);

#ifdef __cplusplus
}
#endif
#endif
