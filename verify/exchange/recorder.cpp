#include "verify/exchange/recorder.hpp"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/running_stats.hpp"
#include "norms/variants.hpp"
#include "verify/exchange/call_index.hpp"
#include "verify/run/run_cases.hpp"

namespace normlab::verify {
namespace {

struct RecordedForward {
    Inputs<double> in;
    std::vector<double> mean, var, rstd, r, d;  // the reference's; a script's may stay its own affair
    std::vector<std::byte> opaque;
    bool differentiated = false;
};

struct Notebook {
    std::vector<RecordedForward> forwards;
    std::vector<Inputs<double>> backwards;
};

class RecorderPlan final : public Plan {
public:
    RecorderPlan(const Problem& p, Notebook& notebook, const Implementation& reference)
        : problem_(p), notebook_(notebook), plan_(reference.plan(p)) {}

    std::size_t workspace_bytes() const override { return plan_->workspace_bytes(); }
    std::size_t opaque_bytes() const override { return sizeof(std::size_t); }  // the number of the forward call

    void forward(const ForwardArgs& a) const override {
        RecordedForward call{inputs_of(problem_, a), {}, {}, {}, {}, {}, {}};
        if (const std::string reason = reason_not_to_export(call.in); !reason.empty()) throw Unsuitable(reason);
        const auto blocks = static_cast<std::size_t>(problem_.statistics_count());
        for (std::vector<double>* v : {&call.mean, &call.var, &call.rstd}) v->resize(blocks);
        if (problem_.has_correction()) call.r.resize(blocks), call.d.resize(blocks);
        call.opaque.resize(plan_->opaque_bytes());
        ForwardArgs args = a;
        args.saved = {call.mean.data(), call.var.data(), call.rstd.data(),
                      call.r.data(),    call.d.data(),   call.opaque.data()};
        plan_->forward(args);
        if (problem_.mode == Mode::train && problem_.spec.running != Running::none)
            update_running(problem_, a.state, call.mean.data(), call.var.data());
        std::ranges::copy(call.r, a.saved.r), std::ranges::copy(call.d, a.saved.d);
        const std::size_t number = notebook_.forwards.size();
        std::memcpy(a.saved.opaque, &number, sizeof number);
        notebook_.forwards.push_back(std::move(call));
    }

    void backward(const BackwardArgs& a) const override {
        std::size_t number;
        std::memcpy(&number, a.saved.opaque, sizeof number);
        RecordedForward& call = notebook_.forwards[number];
        call.differentiated = true;
        Inputs<double> in = inputs_of_backward(call);
        in.dy = logical_values(problem_, a.dy), in.ds = logical_values(problem_, a.ds);
        notebook_.backwards.push_back(std::move(in));
        BackwardArgs args = a;
        args.saved = {call.mean.data(), call.var.data(), call.rstd.data(),
                      call.r.data(),    call.d.data(),   call.opaque.data()};
        plan_->backward(args);
    }

    Support supports_backward_backward() const override { return {}; }
    void backward_backward(const BackwardBackwardArgs& a) const override {
        std::size_t number;
        std::memcpy(&number, a.saved.opaque, sizeof number);
        RecordedForward& call = notebook_.forwards[number];
        Inputs<double> in = inputs_of_backward(call);
        add_cotangents(in, a);
        notebook_.backwards.push_back(std::move(in));
        BackwardBackwardArgs args = a;
        args.saved = {call.mean.data(), call.var.data(), call.rstd.data(),
                      call.r.data(),    call.d.data(),   call.opaque.data()};
        plan_->backward_backward(args);
    }

private:
    // Each plan knows where the tensors of its own calls lie.
    Inputs<double> inputs_of_backward(const RecordedForward& call) const {
        Inputs<double> in = call.in;
        in.problem.gaps.dy = problem_.gaps.dy, in.problem.gaps.dx = problem_.gaps.dx;
        return in;
    }

    Problem problem_;
    Notebook& notebook_;
    std::unique_ptr<Plan> plan_;
};

class Recorder final : public Implementation {
public:
    std::string name() const override { return "recorder"; }
    std::string description() const override { return "the reference, writing down what it is asked"; }
    Support supports(const Problem& p) const override {
        if (!is_kernel_dtype(p.dtype)) return {fmt::format("{}: no array of a script has it", name_of(p.dtype))};
        if (p.slices() > 1) return {"stat_batch: a script's call normalises one batch"};
        if (const std::string reason = fixed.refuses(p); !reason.empty()) return {reason};
        return reference_.supports(p);
    }
    bool updates_state() const override { return true; }
    Saves saves() const override { return {false, false, false}; }
    std::unique_ptr<Plan> plan(const Problem& p) const override {
        return std::make_unique<RecorderPlan>(p, notebook, reference_);
    }

    // of the case that runs
    mutable Notebook notebook;
    mutable FixedSettings fixed;

private:
    const Implementation& reference_ = find_implementation("reference");
};

const Recorder& recorder() {
    static const auto& registered = static_cast<const Recorder&>(register_implementation(std::make_unique<Recorder>()));
    return registered;
}

}  // namespace

std::string reason_not_to_export(const Inputs<double>& in) {
    const Problem& p = in.problem;
    const bool weights = is_weights(p.spec);
    if (is_by_element(p.spec) && p.shape.S != 1)
        return fmt::format("{} of a script has a gamma an element: S = 1", p.spec.variant);
    if (!has_beta(p.spec) && !in.beta.empty()) return fmt::format("{} of a script has no beta", p.spec.variant);
    if (weights && !p.spec.centred() && in.gamma.empty()) return fmt::format("{} of a script has a g", p.spec.variant);
    if (weights && p.spec.affine_set != AffineSet::channel) return "weights have a length a channel";
    if (weights && p.layout == Layout::channels_last) return "weights have no layout";
    return {};
}

Recording record(Case c, const FixedSettings& fixed) {
    const Recorder& r = recorder();
    c.implementation = r.name();
    r.notebook = {}, r.fixed = fixed;
    const Outcome o = run_case(c);
    if (!o.skipped.empty()) return {{}, o.skipped};
    for (const Finding& f : o.findings)
        if (f.verdict == Verdict::fail) return {{}, f.where};  // of a call inside that was declined
    Recording out{std::move(r.notebook.backwards), ""};
    for (RecordedForward& f : r.notebook.forwards)
        if (!f.differentiated) out.calls.push_back(std::move(f.in));
    return out;
}

}  // namespace normlab::verify
