#include "python/implemented.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/registry.hpp"
#include "norms/variants.hpp"
#include "python/function_plan.hpp"
#include "verify/exchange/not_asked.hpp"
#include "verify/run/local_runner.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::python {
namespace {

// Whether the finding speaks of what the function gave.
bool is_judged(const Function& f, const verify::Case& c, const std::string& quantity) {
    const auto begins = [&](std::string_view with) { return quantity.starts_with(with); };
    for (const verify::Quantity q : {verify::Quantity::r, verify::Quantity::d})
        if (quantity == verify::row_of(q).name) return false;
    if (begins("dgamma") && (f.absent || !verify::has_gamma(c.affine))) return false;
    if (begins("ddgamma") && !gives_gamma(f)) return false;
    if (begins("dbeta") && (f.absent || !verify::has_beta(c.affine))) return false;
    if (f.backward) return true;
    for (const std::string_view gradient :
         {"dx", "dgamma", "dbeta", "dtau", "d_residual", "d/d", "a d/d", "NaN in gamma or beta"})
        if (begins(gradient)) return false;
    return true;
}

}  // namespace

class Implemented final : public Implementation, public verify::Runner {
public:
    explicit Implemented(std::string name) : name_(std::move(name)) {}

    std::string name() const override { return name_; }
    std::string description() const override { return "a function of Python"; }
    std::string origin() const override { return "--python " + name_; }
    Support available() const override {
        return {std::string(now ? "" : "normlab.check() has returned: its function runs during a check alone")};
    }
    Support supports(const Problem& p) const override {
        const Function& f = *now;
        if (!is_kernel_dtype(p.dtype)) return {fmt::format("{}: no array of Python has it", name_of(p.dtype))};
        const auto asked = [](const auto& of, auto value) { return std::ranges::find(of, value) != of.end(); };
        if (!asked(f.dtypes, p.dtype) || !asked(f.layouts, p.layout) || !asked(f.modes, p.mode))
            return {fmt::format("{} {} {} is not asked for", name_of(p.dtype), name_of(p.layout), name_of(p.mode))};
        if (p.spec.variant != f.variant) return {fmt::format("it is a function of {}", f.variant)};
        if (!p.dense() && !f.strided) return {"strides: arrays are contiguous"};
        if (p.slices() > 1) return {"stat_batch: a call normalises one batch"};
        if (is_by_element(p.spec) && p.shape.S != 1) return {"gamma an element: S = 1"};
        if (is_weights(p.spec) && p.layout == Layout::channels_last) return {"weights have no layout"};
        if (p.spec.running != Running::none && !p.spec.momentum && !f.counts) return {"its momentum is a number"};
        if (f.channels && *f.channels != p.shape.C) return {fmt::format("it has {} channels built in", *f.channels)};
        if (f.groups && *f.groups != p.spec.groups) return {fmt::format("it has {} groups built in", *f.groups)};
        if (const std::string reason = f.fixed.refuses(p); !reason.empty()) return {reason};
        return {};
    }
    Accumulation accumulation(DType) const override { return now ? now->accumulation : Accumulation::sequential; }
    DType state_dtype(const Problem& p) const override { return arithmetic_dtype(p.dtype); }
    bool deterministic() const override { return !now || now->deterministic; }
    bool flushes_subnormals() const override { return now && now->flushes_subnormals; }
    bool updates_state() const override { return true; }
    bool parallel() const override { return false; }
    Saves saves() const override { return {false, false, false}; }
    std::unique_ptr<Plan> plan(const Problem& p) const override { return function_plan(p, *now); }

    verify::Outcome run(const verify::Case& c) const override {
        now->died.clear();
        verify::Outcome o = local_.run(c);
        if (!now->died.empty() && o.findings.size() == 1 && o.findings[0].quantity == "exception")
            o.findings[0].quantity = now->died, o.findings[0].note.clear();
        std::erase_if(o.findings, [&](const verify::Finding& f) { return !is_judged(*now, c, f.quantity); });
        return o;
    }
    std::string reason_to_skip(const verify::Case& c) const override { return local_.reason_to_skip(c); }

    const Function* now = nullptr;

private:
    std::string name_;
    verify::LocalRunner local_;
};

namespace {

// Names are for the life of the process; a function of the same name takes the place of an earlier one.
Implemented& implemented(const std::string& name) {
    static std::map<std::string, Implemented*> known;
    if (const auto found = known.find(name); found != known.end()) return *found->second;
    auto made = std::make_unique<Implemented>(name);
    Implemented& reference = *made;
    register_implementation(std::move(made));
    return *known.emplace(name, &reference).first->second;
}

}  // namespace

static const Function* running = nullptr;  // changed with the interpreter's lock held

Checked::Checked(const Function& function) : implemented_(implemented(function.name)) {
    if (running)
        throw Error(fmt::format("{} is being checked; one check at a time is accepted in a process", running->name));
    running = implemented_.now = &function;
}
Checked::~Checked() { running = implemented_.now = nullptr; }
std::string Checked::origin() const { return implemented_.origin(); }

std::string not_asked(const Function& f, std::string_view check) {
    const verify::NotAsked* row = verify::find_not_asked(check);
    if (!row) return {};
    if (!row->of_function.empty()) return std::string(row->of_function);
    if (row->gradients && !f.backward) return "about gradients, of which the function has none";
    if (row->twice && !f.twice) return "about a double backward, which the function has none of";
    if (row->strides && !f.strided) return "about strides, and its arrays are contiguous";
    return {};
}

}  // namespace normlab::python
