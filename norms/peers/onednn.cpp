// oneDNN's batch norm and layer norm as a plug-in. Its statistics are f32: they stay so in the opaque part of what is
// saved, which it reads again, and go into the saved mean and variance as doubles.
#include <algorithm>
#include <memory>
#include <unordered_map>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

#include "norms/peers/peer.hpp"
#include "norms/peers/threads.hpp"

namespace normlab::peers {
namespace {

using dnnl::memory, dnnl::prop_kind;
using flags_t = dnnl::normalization_flags;
using Arguments = std::unordered_map<int, memory>;

const dnnl::engine& cpu() {
    static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return engine;
}

// Batch norm of [N, C] goes as [N, C, 1, 1] in channels last: in any other layout the plain C++ path, ten times slower,
// is taken.
memory::desc tensor_of(const normlab_problem& p) {
    const auto type = p.dtype == NORMLAB_BF16 ? memory::data_type::bf16 : memory::data_type::f32;
    if (!is_batch_norm(p)) return {{p.N * p.S, p.C}, type, memory::format_tag::ab};
    return {
        {p.N, p.C, 1, p.S},
        type,
        p.layout == NORMLAB_CHANNELS_LAST || has_one_layout(p) ? memory::format_tag::nhwc : memory::format_tag::nchw};
}

// The primitives of one problem. allow_empty: an empty descriptor, not an exception, where oneDNN has no kernel.
struct Descriptors {
    Descriptors(const normlab_problem& p, bool allow_empty) : batch(is_batch_norm(p)), tensor(tensor_of(p)) {
        const flags_t flags =
            flags_t::use_scale | flags_t::use_shift | (is_given(p) ? flags_t::use_global_stats : flags_t::none);
        const auto eps = static_cast<float>(p.eps);
        if (batch) {
            using Forward = dnnl::batch_normalization_forward;
            using Backward = dnnl::batch_normalization_backward;
            const Forward::primitive_desc f({prop_kind::forward_training, tensor, eps, flags}, cpu(), allow_empty);
            forward = f;
            if (f)
                backward =
                    Backward::primitive_desc({prop_kind::backward, tensor, tensor, eps, flags}, cpu(), f, allow_empty);
        } else {
            using Forward = dnnl::layer_normalization_forward;
            using Backward = dnnl::layer_normalization_backward;
            const Forward::primitive_desc f({prop_kind::forward_training, tensor, eps, flags}, cpu(), allow_empty);
            forward = f;
            if (f)
                backward =
                    Backward::primitive_desc({prop_kind::backward, tensor, tensor, eps, flags}, cpu(), f, allow_empty);
        }
    }
    bool complete() const { return static_cast<bool>(forward) && static_cast<bool>(backward); }

    bool batch;
    memory::desc tensor;
    dnnl::primitive_desc forward, backward;
};

}  // namespace
}  // namespace normlab::peers

using namespace normlab::peers;

struct normlab_plan {
    explicit normlab_plan(const normlab_problem& problem)
        : p(problem), ones(size(p.C), 1.0f), zeros(size(p.C)), unasked(2 * size(p.C)) {
        prepare(usual_threads());
    }

    // oneDNN lays out its work for the number of threads that is set when a primitive is made.
    void prepare(int count) {
        threads = count;
        const Threads set(threads);
        const Descriptors d(p, false);
        forward = dnnl::primitive(d.forward.get());
        backward = dnnl::primitive(d.backward.get());
        const auto of = [](const memory::desc& desc) { return memory(desc, cpu(), nullptr); };
        const memory::desc parameter({p.C}, memory::data_type::f32, memory::format_tag::a);
        const memory::desc statistic({p.statistics}, memory::data_type::f32, memory::format_tag::a);
        // layer norm's statistics have the shape of its rows, one after another in memory either way
        const memory::desc mean_desc = d.batch ? statistic : d.forward.query_md(dnnl::query::dst_md, 1);
        x = of(d.tensor), y = of(d.tensor), dx = of(d.tensor), dy = of(d.tensor);
        mean = of(mean_desc), variance = of(mean_desc);
        gamma = of(parameter), beta = of(parameter), dgamma = of(parameter), dbeta = of(parameter);
        forward_arguments = {
            {DNNL_ARG_SRC, x}, {DNNL_ARG_MEAN, mean}, {DNNL_ARG_VARIANCE, variance}, {DNNL_ARG_SCALE, gamma}};
        forward_arguments.emplace(DNNL_ARG_SHIFT, beta);
        backward_arguments = forward_arguments;
        forward_arguments.emplace(DNNL_ARG_DST, y);
        backward_arguments.insert({{DNNL_ARG_DIFF_DST, dy},
                                   {DNNL_ARG_DIFF_SRC, dx},
                                   {DNNL_ARG_DIFF_SCALE, dgamma},
                                   {DNNL_ARG_DIFF_SHIFT, dbeta}});
    }

    void point(const void* x_at, const void* gamma_at, const void* beta_at, float* statistics) {
        x.set_data_handle(const_cast<void*>(x_at));
        gamma.set_data_handle(gamma_at ? const_cast<void*>(gamma_at) : ones.data());
        beta.set_data_handle(beta_at ? const_cast<void*>(beta_at) : zeros.data());  // backward asks for it too
        mean.set_data_handle(statistics);
        variance.set_data_handle(statistics + p.statistics);
    }

    void run_forward(const normlab_forward_args& a) {
        auto* statistics = static_cast<float*>(a.saved.opaque);
        if (is_given(p)) {
            std::copy_n(a.state.mean, p.C, statistics);
            std::copy_n(a.state.var, p.C, statistics + p.C);
        }
        point(a.x, a.gamma, a.beta, statistics);
        y.set_data_handle(a.y);
        {
            const Threads set(threads);
            forward.execute(stream, forward_arguments);
            stream.wait();
        }
        std::copy_n(statistics, p.statistics, a.saved.mean);
        std::copy_n(statistics + p.statistics, p.statistics, a.saved.var);
    }

    void run_backward(const normlab_backward_args& a) {
        if (!a.dx && unasked_dx.empty()) unasked_dx.resize(dx.get_desc().get_size());
        point(a.x, a.gamma, a.beta, static_cast<float*>(a.saved.opaque));
        dy.set_data_handle(const_cast<void*>(a.dy));
        dx.set_data_handle(a.dx ? a.dx : unasked_dx.data());
        dgamma.set_data_handle(a.dgamma ? a.dgamma : unasked.data());
        dbeta.set_data_handle(a.dbeta ? a.dbeta : unasked.data() + p.C);
        const Threads set(threads);
        backward.execute(stream, backward_arguments);
        stream.wait();
    }

    std::size_t saved_bytes() const { return 2 * size(p.statistics) * sizeof(float); }
    static std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

    normlab_problem p;
    int threads = 1;
    // in place of parameters that are absent; where gradients go that nobody wants
    std::vector<float> ones, zeros, unasked;
    std::vector<std::byte> unasked_dx;
    dnnl::stream stream{cpu()};
    dnnl::primitive forward, backward;
    memory x, y, dx, dy, mean, variance, gamma, beta, dgamma, dbeta;
    Arguments forward_arguments, backward_arguments;
};

namespace normlab::peers {
namespace {

const char* supports(const normlab_problem* p) {
    if (p->epilogue) return "no epilogues";
    if (p->dtype != NORMLAB_F32 && p->dtype != NORMLAB_BF16) return "oneDNN 2 normalises f32 and bf16 on CPUs";
    if (!is_batch_norm(*p) && !is_layer_norm_of_rows(*p))
        return "oneDNN 2 has batch norm, and layer norm over the last axis in memory with gamma and beta of each of "
               "its elements";
    if (p->stat_batch) return "one normalisation batch in a call";
    if (is_given(*p) && p->running == NORMLAB_RUNNING_SIGMA) return "it reads running variances";
    try {
        return Descriptors(*p, true).complete() ? nullptr : "this oneDNN has no kernel for it on this processor";
    } catch (const dnnl::error& e) {
        return refusal(e.what());
    }
}

int set_threads(normlab_plan* plan, int threads) {
    return normlab::status_of([&] { plan->prepare(threads); });
}

const char* description() {
    static const dnnl_version_t& v = *dnnl_version();
    static const std::string text = "batch norm and layer norm of oneDNN " + std::to_string(v.major) + "." +
                                    std::to_string(v.minor) + "." + std::to_string(v.patch);
    return text.c_str();
}

}  // namespace
}  // namespace normlab::peers

NORMLAB_EXPORT const normlab_plugin* normlab_plugin_entry(uint32_t, const char*) {
    static const normlab_plugin table = [] {
        normlab_plugin t = table_of<normlab_plan>();
        t.name = "onednn", t.description = description();
        t.saves = NORMLAB_SAVES_MEAN | NORMLAB_SAVES_VAR;
        t.supports = supports, t.set_threads = set_threads;
        return t;
    }();
    return &table;
}
