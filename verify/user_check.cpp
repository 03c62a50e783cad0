#include "verify/user_check.hpp"

#include <algorithm>
#include <chrono>
#include <mutex>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "verify/case/settings.hpp"
#include "verify/exchange/export.hpp"
#include "verify/report/report.hpp"
#include "verify/run/run_cases.hpp"

namespace normlab {
namespace {

using verify::Case;

constexpr const char* kernel_name = "mine";

// What is checked now; one at a time.
struct Checked {
    const ErasedKernel* kernel = nullptr;
    Spec spec;  // of the caller
    Accumulation accumulation = Accumulation::sequential;
};
Checked checked;

constexpr std::string_view finished = "normlab::check() has returned: the caller's kernel runs during a check alone";

const ErasedKernel& kernel() {
    if (!checked.kernel) throw Error(fmt::format("{}: {}", kernel_name, finished));
    return *checked.kernel;
}

class KernelPlan final : public Plan {
public:
    explicit KernelPlan(const Problem& p) : problem_(p), blocks_(static_cast<std::size_t>(p.statistics_count())) {}

    std::size_t opaque_bytes() const override { return 3 * blocks_ * sizeof(double); }

    void forward(const ForwardArgs& a) const override {
        if (!has_beta() && a.affine.beta)
            throw verify::Unsuitable(fmt::format("{} has no beta", problem_.spec.variant));
        ForwardArgs args = a;
        auto* own = reinterpret_cast<double*>(a.saved.opaque);
        std::fill(own, own + 3 * blocks_, 0.0);  // the kernel need not use them
        args.saved.mean = own, args.saved.var = own + blocks_, args.saved.rstd = own + 2 * blocks_;
        kernel().forward(problem_, args);
    }

    void backward(const BackwardArgs& a) const override {
        BackwardArgs args = a;
        const auto* own = reinterpret_cast<const double*>(a.saved.opaque);
        args.saved.mean = own, args.saved.var = own + blocks_, args.saved.rstd = own + 2 * blocks_;
        if (!has_beta() && a.gradients.dbeta) {  // asked of every implementation; before dx, which may lie on dy
            sum_dy(a);
            args.gradients.dbeta = nullptr;
        }
        kernel().backward(problem_, args);
    }

private:
    bool has_beta() const { return normlab::has_beta(problem_.spec); }
    void sum_dy(const BackwardArgs& a) const {
        std::vector<double> sum(static_cast<std::size_t>(problem_.affine_count()));
        for (std::size_t i = 0; i < static_cast<std::size_t>(problem_.shape.size()); ++i)
            sum[problem_.affine_entry(i)] += read_element<double>(
                a.dy.data, problem_.dtype, static_cast<std::int64_t>(verify::memory_index(problem_, i)));
        for (std::size_t k = 0; k < sum.size(); ++k)
            write_element(a.gradients.dbeta, problem_.params(), static_cast<std::int64_t>(k), sum[k]);
    }

    Problem problem_;
    std::size_t blocks_;
};

class KernelImplementation final : public Implementation {
public:
    std::string name() const override { return kernel_name; }
    std::string description() const override { return "the caller's kernel"; }
    Support available() const override { return {std::string(checked.kernel ? "" : finished)}; }
    Support supports(const Problem& p) const override {
        if (p.dtype != kernel().dtype) return {fmt::format("it is a kernel of {}", name_of(kernel().dtype))};
        const Spec& spec = checked.spec;
        if (p.spec.variant != spec.variant) return {fmt::format("it is a kernel of {}", spec.variant)};
        if (p.spec.denominator != spec.denominator || p.spec.divisor != spec.divisor ||
            p.spec.gamma_offset != spec.gamma_offset || p.spec.activation != spec.activation ||
            p.spec.affine_set != spec.affine_set || p.spec.cast != spec.cast || p.spec.part != spec.part)
            return {
                "the caller's Spec has another denominator, divisor, gamma_offset, activation, affine_set, cast or "
                "part"};
        if (p.spec.adds()) return {"it adds no residual"};
        if (p.spec.masked) return {"it has no mask"};
        if (p.outputs() != p.dtype) return {"its y is of the data's type"};
        if (is_narrow(p.params())) return {"its gamma and beta are float, or double"};
        if (p.slices() > 1) return {"stat_batch: a call normalises one batch"};
        if (is_by_element(p.spec) && p.shape.S != 1) return {"gamma an element: S = 1"};
        return {p.dense() ? "" : "sliced views are packed"};
    }
    Accumulation accumulation(DType) const override { return checked.accumulation; }
    bool updates_state() const override { return true; }
    Saves saves() const override { return {false, false, false}; }
    std::unique_ptr<Plan> plan(const Problem& p) const override { return std::make_unique<KernelPlan>(p); }
};

void register_kernel() {
    static const Implementation& registered = register_implementation(std::make_unique<KernelImplementation>());
    static_cast<void>(registered);
}

// What the caller's Spec says otherwise than the variant's own.
Case with_settings(Case c, const Spec& wanted) {
    const Case before = c;
    const Spec own = find_variant(wanted.variant).make();
    for (const verify::Setting& s : verify::settings()) s.take(c, wanted, own);
    return verify::is_valid(c) ? c : before;
}

std::vector<Case> cases_of(const ErasedKernel& kernel, const Spec& spec, const CheckOptions& options) {
    std::vector<Case> cases;
    for (const std::string& text : options.cases) {
        cases.push_back(verify::parse_case(text));
        cases.back().implementation = kernel_name;
    }
    if (!cases.empty()) return cases;
    const verify::Selection selection{
        {std::string(spec.variant)}, {kernel_name}, options.checks, {kernel.dtype}, options.layouts, options.modes};
    for (const Case& c : verify::plan(selection, verify::parse_tier(options.tier))) {
        if (const Spec of = c.spec(), own = find_variant(spec.variant).make();
            of.denominator != own.denominator || of.divisor != own.divisor || of.gamma_offset != own.gamma_offset ||
            of.activation != own.activation || of.affine_set != own.affine_set || of.cast != own.cast ||
            of.part != own.part || of.param_dtype || of.adds() || of.masked || of.output || !c.problem().dense())
            continue;  // the caller's are put in the place of the variant's own
        cases.push_back(with_settings(verify::as_a_script(c), spec));
    }
    return cases;
}

}  // namespace

CheckResult check(const ErasedKernel& erased, const Spec& spec, const CheckOptions& options) {
    if (spec.param_dtype && is_narrow(*spec.param_dtype))
        throw Error(
            fmt::format("param_dtype = {}: a kernel's gamma and beta are float (double for f64) here; none is "
                        "accepted",
                        name_of(*spec.param_dtype)));
    if (spec.adds())
        throw Error(fmt::format("residual = {}: a kernel adds none here; none is accepted", name_of(spec.residual)));
    if (spec.thresholds()) throw Error("activation = threshold: a kernel gets no tau here; another is accepted");
    if (spec.masked) throw Error("masked = true: a kernel gets no mask here; false is accepted");
    static std::mutex one;
    const std::lock_guard guard(one);
    const auto start = std::chrono::steady_clock::now();
    register_kernel();
    struct Scope {
        ~Scope() { checked = {}; }
    } until_return;
    checked = {&erased, spec, options.accumulation};
    std::vector<Case> cases = cases_of(erased, spec, options);
    if (cases.empty())
        throw Error(fmt::format("nothing to check: no check applies to {} in {}", spec.variant, name_of(erased.dtype)));
    std::vector<verify::Outcome> outcomes = verify::run_cases(cases, 1, [](std::size_t, std::size_t) {});
    for (verify::Outcome& o : outcomes)
        o.rerun = fmt::format("normlab::check(kernel, spec, {{.cases = {{\"{}\"}}}})", o.test.text());
    const verify::Summary s = verify::summarize(outcomes);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return {s.held, s.failed, s.unresolved, s.skipped,
            verify::failures_text(outcomes, "normlab") + verify::summary_line(s, seconds) + "\n"};
}

}  // namespace normlab
