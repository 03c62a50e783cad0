#include "tests/planted.hpp"

#include "planted/plan.hpp"

namespace normlab::planted {
namespace {

class FaultyPlan final : public Plan {
public:
    FaultyPlan(const Problem& p, Fault fault) : p_(p), fault_(fault) {
        if (p.dtype == DType::f64) plan_ = std::make_unique<ReferencePlan<double>>(p);
        else plan_ = std::make_unique<ReferencePlan<float>>(p);
    }
    void forward(const ForwardArgs& args) const override {
        active = fault_;
        plan_->forward(args);
        active = Fault::none;
        if (p_.mode == Mode::eval || p_.spec.running == Running::none) return;
        Problem moved = p_;   // running statistics of its own, so that faults in them can be planted
        if (fault_ == Fault::biased_running_variance && p_.spec.running == Running::unbiased_variance) moved.spec.running = Running::biased_variance;
        if (fault_ == Fault::momentum_reversed && p_.spec.momentum) moved.spec.momentum = 1 - *p_.spec.momentum;
        update_running(moved, args.state, args.saved.mean, args.saved.var);
    }
    void backward(const BackwardArgs& args) const override {
        active = fault_;
        plan_->backward(args);
        active = Fault::none;
    }

private:
    Problem p_;
    Fault fault_;
    std::unique_ptr<Plan> plan_;
};

class Faulty final : public Implementation {
public:
    explicit Faulty(Fault fault) : fault_(fault) {}
    std::string name() const override { return std::string("planted_") + std::string(name_of(fault_)); }
    std::string description() const override { return "the reference with a planted fault"; }
    Support supports(const Problem& p) const override {
        if (p.dtype == DType::f64 || p.dtype == DType::f32) return {};
        return {"f64 and f32 only"};
    }
    bool updates_state() const override { return true; }
    std::unique_ptr<Plan> plan(const Problem& p) const override { return std::make_unique<FaultyPlan>(p, fault_); }

private:
    Fault fault_;
};

}  // namespace

std::string_view name_of(Fault fault) {
    constexpr std::string_view names[] = {"nothing", "mean_term_dropped", "x_hat_term_dropped", "eps_outside_root", "unbiased_normalisation",
                                          "biased_running_variance", "momentum_reversed", "r_not_frozen", "gamma_by_group",
                                          "first_dx_off", "means_over_m_minus_1", "first_dgamma_off"};
    return names[static_cast<std::size_t>(fault)];
}

const Implementation& with_fault(Fault fault) {
    const Faulty wanted(fault);
    for (const Implementation* i : implementations())
        if (i->name() == wanted.name()) return *i;
    return register_implementation(std::make_unique<Faulty>(fault));
}

}  // namespace normlab::planted
