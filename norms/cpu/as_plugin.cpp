// The kernels of f64 and f32 behind the C interface, for ./dev mutants alone: it puts a changed copy of one header of
// this folder before the others on the include path. Those of 16 bits would take two thirds of the time of compiling.
#define NORMLAB_CPU_F64_F32_ALONE

#include <algorithm>
#include <array>

#include "norms/cpu/gelu.cpp"
#include "norms/cpu/kernels.cpp"
#include "norms/plugin.h"
#include "norms/plugin_status.hpp"

struct normlab_plan {
    normlab::cpu::Setup setup;
    normlab::cpu::Kernels kernels;
    int threads = 1;
};

namespace {

using namespace normlab;

Problem problem_of(const normlab_problem& p) {
    Problem problem;
    Spec& spec = problem.spec;
    spec.block = {(p.block & NORMLAB_SAMPLES) != 0, (p.block & NORMLAB_GROUPS) != 0, (p.block & NORMLAB_CHANNELS) != 0,
                  (p.block & NORMLAB_POSITIONS) != 0};
    spec.moments = static_cast<Moments>(p.moments), spec.correction = static_cast<Correction>(p.correction);
    spec.running = static_cast<Running>(p.running), spec.groups = p.groups, spec.eps = p.eps;
    spec.momentum = p.momentum < 0 ? std::nullopt : std::optional(p.momentum), spec.stat_batch = p.stat_batch;
    spec.r_max = p.r_max, spec.d_max = p.d_max;
    spec.denominator = static_cast<Denominator>(p.denominator), spec.divisor = static_cast<Divisor>(p.divisor);
    spec.gamma_offset = p.gamma_offset;
    if (p.param_dtype != 0)
        spec.param_dtype = std::ranges::find(dtype_table, p.param_dtype - 1, &DTypeRow::plugin_code)->type;
    if (p.output != 0)
        spec.output = std::array{DType::f32, DType::e4m3, DType::e5m2}[static_cast<std::size_t>(p.output - 1)];
    spec.scale = static_cast<Scale>(p.scale), spec.scale_power_of_two = p.scale_power_of_two != 0;
    spec.scale_inverse = p.scale_inverse != 0;
    problem.shape = {p.N, p.C, p.S};
    problem.dtype = std::ranges::find(dtype_table, p.dtype, &DTypeRow::plugin_code)->type;
    problem.layout = static_cast<Layout>(p.layout), problem.mode = static_cast<Mode>(p.mode);
    return problem;
}

const char* supports(const normlab_problem* p) {
    if (p->device != NORMLAB_HOST || p->epilogue != 0) return "on the host, and nothing fused behind it";
    const Problem problem = problem_of(*p);
    if (is_narrow(problem.dtype)) return "f64 and f32 alone";
    const std::optional<BlockLayout> layout = block_layout(problem);
    if (!layout) return "its blocks are not of the row, slab or column kind";
    return cpu::Setup(problem, *layout).has_output() ? nullptr : "y of another type in rows and long runs alone";
}

int create(const normlab_problem* p, normlab_plan** plan) {
    return status_of([&] {
        const Problem problem = problem_of(*p);
        *plan = new normlab_plan{{problem, *block_layout(problem)}, cpu::NORMLAB_CPU_LEVEL::kernels(problem.dtype)};
    });
}
void destroy(normlab_plan* plan) { delete plan; }
std::size_t workspace_bytes(const normlab_plan* plan) { return plan->kernels.workspace_bytes(plan->setup); }
int set_threads(normlab_plan* plan, int threads) { return plan->threads = threads, 0; }

SavedView saved_of(const normlab_saved& s) { return {s.mean, s.var, s.rstd, s.r, s.d, nullptr}; }

template <class Byte>
BasicTensor<Byte> tensor(const normlab_plan& plan, Byte* data) {
    const Problem& p = plan.setup.problem;
    return {data, p.dtype, p.shape, p.layout};
}

int forward(normlab_plan* plan, const normlab_forward_args* a) {
    return status_of([&] {
        plan->kernels.forward(plan->setup,
                              {tensor(*plan, a->x),
                               {a->gamma, a->beta},
                               {a->state.mean, a->state.var, a->state.sigma, a->state.count},
                               saved_of(a->saved),
                               tensor(*plan, a->y),
                               a->workspace,
                               nullptr,
                               {},
                               nullptr,
                               a->scale},
                              plan->threads);
    });
}
int backward(normlab_plan* plan, const normlab_backward_args* a) {
    return status_of([&] {
        plan->kernels.backward(plan->setup,
                               {tensor(*plan, a->x),
                                tensor(*plan, a->dy),
                                {a->gamma, a->beta},
                                saved_of(a->saved),
                                {tensor(*plan, a->dx), a->dgamma, a->dbeta},
                                a->workspace},
                               plan->threads);
    });
}

}  // namespace

const normlab_plugin* normlab_plugin_entry(std::uint32_t, const char*) {
    static const normlab_plugin plugin = [] {
        normlab_plugin t{};
        t.size = sizeof t, t.version = NORMLAB_PLUGIN_VERSION;
        t.name = "cpu_kernels", t.description = "the kernels of norms/cpu";
        t.saves = NORMLAB_SAVES_MEAN | NORMLAB_SAVES_VAR | NORMLAB_SAVES_RSTD;
        std::ranges::fill(t.accumulation, NORMLAB_KAPPA_FREE);
        t.reads =
            NORMLAB_READS_DENOMINATOR | NORMLAB_READS_GAMMA_OFFSET | NORMLAB_READS_PARAM_DTYPE | NORMLAB_READS_OUTPUT;
        t.supports = supports, t.create = create, t.destroy = destroy, t.workspace_bytes = workspace_bytes;
        t.forward = forward, t.backward = backward, t.set_threads = set_threads, t.last_error = last_plugin_error;
        return t;
    }();
    return &plugin;
}
