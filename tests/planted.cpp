#include "tests/planted.hpp"

#include <algorithm>

#include "norms/plugin.hpp"
#include "verify/faults/layer.hpp"

namespace normlab::planted {
namespace {

using verify::faults::Fault;
using verify::faults::FaultyLayer;
using verify::faults::Formula;

thread_local Formula wanted;  // of the plan that is being made: the C interface has no place for it

const Implementation& layer() {
    static const std::unique_ptr<Implementation> made = [] {
        normlab_plugin table = verify::faults::plugin_table(nullptr);
        table.create = [](const normlab_problem* problem, normlab_plan** plan) {
            *plan = reinterpret_cast<normlab_plan*>(new FaultyLayer(*problem, wanted));
            return 0;
        };
        return plugin_implementation(table, {"planted", ""});
    }();
    return *made;
}

class Planted final : public Implementation {
public:
    Planted(std::string name, const Formula& formula, const Fault* fault)
        : name_(std::move(name)), formula_(formula), fault_(fault) {}
    std::string name() const override { return name_; }
    std::string description() const override { return "verify/faults' layer with a planted fault"; }
    Support supports(const Problem& p) const override {
        if (p.dtype == DType::f64 || p.dtype == DType::f32) return layer().supports(p);
        return {"f64 and f32 only"};
    }
    Accumulation accumulation(DType d) const override { return layer().accumulation(d); }
    bool updates_state() const override { return true; }
    std::unique_ptr<Plan> plan(const Problem& p) const override {
        wanted = !fault_ || fault_->shows_in(p) ? formula_ : Formula{};
        return layer().plan(p);
    }

private:
    std::string name_;
    Formula formula_;
    const Fault* fault_;  // null: everywhere
};

const Implementation& registered(const std::string& name, const Formula& formula, const Fault* fault) {
    const std::string full = "planted_" + name;
    const std::vector<const Implementation*> all = implementations();
    const auto made = std::ranges::find(all, full, [](const Implementation* i) { return i->name(); });
    return made != all.end() ? **made : register_implementation(std::make_unique<Planted>(full, formula, fault));
}

}  // namespace

const Implementation& with_formula(const std::string& name, const Formula& formula) {
    return registered(name, formula, nullptr);
}

const Implementation& with_fault(std::string_view name) {
    const Fault& fault = verify::faults::find(name);
    return registered(std::string(name), fault.formula(), &fault);
}
const Implementation& right() { return with_formula("nothing", {}); }

}  // namespace normlab::planted
