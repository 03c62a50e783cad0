#include "python/function_plan.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "python/arguments.hpp"
#include "python/stand_in.hpp"
#include "verify/exchange/call_index.hpp"
#include "verify/exchange/zero_over_zero.hpp"

namespace normlab::python {
namespace {

using verify::Quantity;
using Bytes = std::vector<std::byte>;

// A result, dense, and where it goes: a tensor, or entries of gamma.
struct Result {
    const char* name;
    Quantity quantity;
    Tensor tensor;
    void* entries = nullptr;
    Bytes bytes = {};

    bool asked() const { return tensor.data || entries; }
};

class FunctionPlan final : public Plan {
public:
    FunctionPlan(const Problem& p, const Function& function) : p_(p), f_(function) {}

    // Backward has no State, and the function forms its statistics anew: from what the sum was before it was rounded,
    // where they are of that.
    std::size_t opaque_bytes() const override {
        return state_bytes() + (p_.sees_unrounded() ? bytes_of(p_.dtype) + bytes_of(p_.residuals()) : 0);
    }

    void forward(const ForwardArgs& a) const override {
        refuse_what_it_does_not_take(a.affine);
        const double* own = keep(a);
        if (p_.has_correction()) {  // which no function gives back
            StandIn ours(p_);
            ours.forward(a.x, a.affine, own, own + channels(), a.added.residual, a.mask);
            std::ranges::copy(ours.saved().r, a.saved.r), std::ranges::copy(ours.saved().d, a.saved.d);
        }
        const py::gil_scoped_acquire gil;
        Arguments arguments;
        add_inputs(arguments, a.x, a.affine, a.mask);
        if (p_.spec.adds()) arguments.add_tensor("residual", p_, a.added.residual);
        if (p_.spec.quantizes() && !p_.spec.finds_scale()) arguments.set("scale", py::float_(double(*a.scale)));
        add_state(arguments, own);
        if (keeps_state()) arguments.set("count", py::int_(*a.state.count));
        const py::dict results = arguments.call(f_, "forward");
        std::vector<Result> all{{"y", Quantity::y, a.y}};
        if (p_.spec.adds()) all.push_back({"s", Quantity::s, a.added.s});
        give(all, results, a.x, {}, a.affine, a.mask, own);
        if (p_.spec.finds_scale()) {
            const Bytes scale = taken(results, "scale", static_cast<std::size_t>(p_.scale_count()) * sizeof(float));
            std::ranges::copy(scale, reinterpret_cast<std::byte*>(a.scale));
        }
        move_state(a, results);
    }

    void backward(const BackwardArgs& a) const override {
        refuse_what_it_does_not_take(a.affine);
        by_our_kernels(a);
        if (!f_.backward) return;
        const py::gil_scoped_acquire gil;
        Arguments arguments;
        const Bytes zeros = p_.spec.adds() ? Bytes(bytes_of(p_.dtype)) : Bytes();
        const auto [x, residual] = summands(a, zeros);
        add_inputs(arguments, x, a.affine, a.mask);
        arguments.add_tensor("dy", p_, a.dy);
        if (p_.spec.adds()) {
            arguments.add_tensor("residual", p_, residual), arguments.add_tensor("s", p_, a.x);
            if (a.ds.data) arguments.add_tensor("ds", p_, a.ds);
            else arguments.add_constant("ds", 0, p_.residuals(), extents_of(p_));
        }
        const auto* own = reinterpret_cast<const double*>(a.saved.opaque);
        add_state(arguments, own);
        const py::dict results = arguments.call(f_, "backward");
        std::vector<Result> all{{"dx", Quantity::dx, a.gradients.dx},
                                {"dgamma", Quantity::dgamma, {}, a.gradients.dgamma},
                                {"dbeta", Quantity::dbeta, {}, a.gradients.dbeta},
                                {"dtau", Quantity::dtau, {}, a.gradients.dtau},
                                {"d_residual", Quantity::d_residual, a.gradients.d_residual}};
        verify::Inputs<double> cotangents{p_, {}, values_of(a.dy), {}, {}, {}};  // dx may lie where dy does
        give(all, results, a.x, std::move(cotangents), a.affine, a.mask, own);
    }

    Support supports_backward_backward() const override {
        return {std::string(f_.twice ? "" : "the function has no double backward")};
    }
    void backward_backward(const BackwardBackwardArgs& a) const override {
        refuse_what_it_does_not_take(a.affine);
        if (a.cotangents.u && !gives_gamma(f_)) refuse("u, the cotangent of dgamma");
        if (a.cotangents.w && !gives_beta(f_)) refuse("w, the cotangent of dbeta");
        const auto* own = reinterpret_cast<const double*>(a.saved.opaque);
        if (a.gradients.ddgamma && !gives_gamma(f_)) {
            BackwardBackwardArgs args = a;
            args.gradients.ddx = args.gradients.ddy = {};
            StandIn ours(p_);
            ours.forward(a.x, a.affine, own, own + channels(), {}, nullptr);
            ours.backward_backward(args);
        }
        const py::gil_scoped_acquire gil;
        Arguments arguments;
        add_inputs(arguments, a.x, a.affine, nullptr);
        arguments.add_tensor("dy", p_, a.dy);
        if (a.cotangents.v.data) arguments.add_tensor("v", p_, a.cotangents.v);
        else arguments.add_constant("v", 0, p_.dtype, extents_of(p_));
        for (const auto& [name, from] : {std::pair("u", a.cotangents.u), std::pair("w", a.cotangents.w)})
            if (from) arguments.add(name, from, p_.params(), extents_of_affine(p_));
            else arguments.add_constant(name, 0, p_.params(), extents_of_affine(p_));
        add_state(arguments, own);
        const py::dict results = arguments.call(f_, "double_backward");
        std::vector<Result> all{{"ddx", Quantity::ddx, a.gradients.ddx},
                                {"ddy", Quantity::ddy, a.gradients.ddy},
                                {"ddgamma", Quantity::ddgamma, {}, a.gradients.ddgamma}};
        verify::Inputs<double> in{p_, {}, {}, {}, {}, {}};
        if (may_be_zero_over_zero()) verify::add_cotangents(in, a);
        give(all, results, a.x, std::move(in), a.affine, nullptr, own);
    }

private:
    bool keeps_state() const { return p_.spec.running != Running::none; }
    std::size_t channels() const { return static_cast<std::size_t>(p_.shape.C); }
    std::size_t state_bytes() const { return keeps_state() ? 2 * channels() * sizeof(double) : 0; }
    DType arithmetic() const { return arithmetic_dtype(p_.dtype); }
    std::size_t bytes_of(DType d) const { return static_cast<std::size_t>(p_.shape.size()) * size_of(d); }
    const char* spread() const { return p_.spec.running == Running::sigma ? "running_sigma" : "running_var"; }

    [[noreturn]] static void refuse(const char* what) {
        throw verify::Unsuitable(fmt::format("the function is never given {}", what));
    }
    void refuse_what_it_does_not_take(const Affine& affine) const {
        if (affine.gamma && !gives_gamma(f_)) refuse("gamma");
        if (affine.beta && !gives_beta(f_)) refuse("beta");
    }

    // State before the step, and the summands.
    const double* keep(const ForwardArgs& a) const {
        auto* own = reinterpret_cast<double*>(a.saved.opaque);
        if (keeps_state()) {
            StateView state = a.state;
            std::copy_n(a.state.mean, channels(), own);
            std::copy_n(verify::spread_of(state, p_.spec), channels(), own + channels());
        }
        if (p_.sees_unrounded()) {
            auto* to = std::ranges::copy(packed(a.x), a.saved.opaque + state_bytes()).out;
            std::ranges::copy(packed(a.added.residual), to);
        }
        return own;
    }
    // An x and a residual whose sum is the s that backward has: those of forward, where it is to see more of them, or
    // nothing and s.
    std::pair<ConstTensor, ConstTensor> summands(const BackwardArgs& a, const Bytes& zeros) const {
        const auto dense = [&](const std::byte* data, DType d) {
            return p_.tensor(const_cast<std::byte*>(data), d, {});
        };
        if (!p_.spec.adds()) return {a.x, {}};
        if (!p_.sees_unrounded()) return {dense(zeros.data(), p_.dtype), a.x};
        const std::byte* x = a.saved.opaque + state_bytes();
        return {dense(x, p_.dtype), dense(x + bytes_of(p_.dtype), p_.residuals())};
    }

    void add_inputs(Arguments& arguments, const ConstTensor& x, const Affine& affine, Mask mask) const {
        arguments.add_tensor("x", p_, x);
        const Extents entries = extents_of_affine(p_);
        const auto parameter = [&](const char* name, const void* from, bool takes, double otherwise) {
            if (!takes) arguments.set(name, py::none());
            else if (from) arguments.add(name, from, p_.params(), entries);
            else arguments.add_constant(name, otherwise, p_.params(), entries);
        };
        parameter("gamma", affine.gamma, gives_gamma(f_), p_.spec.gamma_offset == 1 ? 0 : 1);
        parameter("beta", affine.beta, gives_beta(f_), 0);
        if (affine.tau) arguments.add("tau", affine.tau, p_.params(), entries);
        if (p_.spec.masked) arguments.add_mask(p_, mask);
        const auto text = [&](const char* name, DType d) { arguments.set(name, py::str(std::string(name_of(d)))); };
        text("dtype", p_.dtype), text("param_dtype", p_.params());
        text("output_dtype", p_.outputs()), text("residual_dtype", p_.residuals());
        arguments.set("eps", py::float_(p_.spec.eps)), arguments.set("groups", py::int_(p_.spec.groups));
        arguments.set("training", py::bool_(p_.mode == Mode::train));
        arguments.set("dim", py::int_(1)), arguments.set("block", py::int_(p_.block_size()));
        arguments.set("normalized_shape", py::make_tuple(p_.shape.C));
        if (p_.spec.correction == Correction::renorm)
            arguments.set("r_max", py::float_(p_.spec.r_max)), arguments.set("d_max", py::float_(p_.spec.d_max));
        if (p_.spec.finds_scale()) arguments.set("scales", py::int_(p_.scale_count()));
        if (keeps_state()) arguments.set("count", py::int_(0));  // backward moves nothing
        if (keeps_state() && p_.spec.momentum)
            arguments.set("momentum", py::float_(f_.fixed.weighs_old() ? 1 - *p_.spec.momentum : *p_.spec.momentum));
    }
    void add_state(Arguments& arguments, const double* own) const {
        if (!keeps_state()) return;
        arguments.add_state("running_mean", own, arithmetic(), p_.shape.C);
        arguments.add_state(spread(), own + channels(), arithmetic(), p_.shape.C);
    }
    void move_state(const ForwardArgs& a, const py::dict& results) const {
        if (!keeps_state()) return;
        const bool trains = p_.mode == Mode::train;
        StateView state = a.state;
        for (const auto& [name, to] :
             {std::pair("running_mean", state.mean), std::pair(spread(), verify::spread_of(state, p_.spec))}) {
            const Bytes moved = taken(results, name, channels() * size_of(arithmetic()));
            for (std::size_t c = 0; c < channels() && !moved.empty(); ++c) {
                const auto now = read_element<double>(moved.data(), arithmetic(), static_cast<std::int64_t>(c));
                if (trains || now != rounded(to[c], arithmetic())) to[c] = now;  // an evaluation moves nothing
            }
        }
        if (!trains) return;
        // the function is not given the count, which stays where a mask leaves nothing in
        if (!p_.spec.masked || std::any_of(a.mask, a.mask + p_.shape.N * p_.shape.S, [](auto byte) { return byte; }))
            ++*a.state.count;
    }

    // Brings results to where they are asked for. `in` holds the cotangents of the call.
    void give(std::vector<Result>& all, const py::dict& results, const ConstTensor& x, verify::Inputs<double> in,
              const Affine& affine, Mask mask, const double* own) const {
        for (Result& r : all) {
            if (!r.asked()) continue;
            const std::size_t entries = static_cast<std::size_t>(p_.affine_count()) * size_of(p_.params());
            r.bytes = taken(results, r.name, r.entries ? entries : bytes_of(r.tensor.dtype));
        }
        if (may_be_zero_over_zero()) accept_zero_over_zero(all, x, std::move(in), affine, mask, own);
        for (const Result& r : all) {
            if (r.bytes.empty()) continue;
            if (r.entries) std::ranges::copy(r.bytes, static_cast<std::byte*>(r.entries));
            else unpack(r.bytes, r.tensor);
        }
    }

    bool may_be_zero_over_zero() const {
        return f_.accept_nan && p_.spec.eps == 0 && p_.own_statistics() && !p_.spec.quantizes();
    }
    void accept_zero_over_zero(std::vector<Result>& all, const ConstTensor& x, verify::Inputs<double> cotangents,
                               const Affine& affine, Mask mask, const double* own) const {
        Problem p = p_;  // x is the sum where backward asks; a forward with a residual has none that is constant
        p.spec.residual = Residual::none, p.spec.residual_dtype.reset(), p.gaps = {};
        Bytes dense = packed(x);
        ForwardArgs args{p.tensor(dense.data(), x.dtype, {}), affine, {}, {}, {}};
        args.mask = mask;
        std::int64_t count = 0;
        std::vector<double> state(own, own + (keeps_state() ? 2 * channels() : 0));
        if (keeps_state()) {
            args.state.mean = state.data(), args.state.count = &count;
            verify::spread_of(args.state, p_.spec) = state.data() + channels();
        }
        verify::Inputs<double> in = verify::inputs_of(p, args);
        in.dy = std::move(cotangents.dy), in.v = std::move(cotangents.v);
        in.u = std::move(cotangents.u), in.w = std::move(cotangents.w);
        const auto place = [&](const Result& r, std::size_t i) {
            return static_cast<std::int64_t>(r.entries ? i : verify::memory_index(p, i));
        };
        const auto type = [&](const Result& r) { return r.entries ? p.params() : r.tensor.dtype; };
        std::map<Quantity, std::vector<double>> values;
        for (const Result& r : all) {
            if (r.bytes.empty() || r.quantity == Quantity::s || r.quantity == Quantity::dbeta) continue;
            values[r.quantity].resize(r.entries ? static_cast<std::size_t>(p.affine_count()) : in.x.size());
            for (std::size_t i = 0; i < values[r.quantity].size(); ++i)
                values[r.quantity][i] = read_element<double>(r.bytes.data(), type(r), place(r, i));
        }
        if (!verify::zero_over_zero(in, values, true)) return;
        for (Result& r : all)
            if (const auto found = values.find(r.quantity); found != values.end())
                for (std::size_t i = 0; i < found->second.size(); ++i)
                    write_element(r.bytes.data(), type(r), place(r, i), found->second[i]);
    }
    std::vector<double> values_of(const ConstTensor& t) const {
        if (!may_be_zero_over_zero()) return {};
        Problem dense = p_;
        dense.gaps = {};
        Bytes bytes = packed(t);
        return verify::logical_values(dense, dense.tensor(bytes.data(), t.dtype, {}));
    }

    // Gradients that the function does not give.
    void by_our_kernels(const BackwardArgs& a) const {
        BackwardArgs args = a;
        if (f_.backward) {
            args.gradients.dx.data = nullptr, args.gradients.d_residual.data = nullptr, args.gradients.dtau = nullptr;
            if (gives_gamma(f_)) args.gradients.dgamma = nullptr;
            if (gives_beta(f_)) args.gradients.dbeta = nullptr;
        }
        const Gradients& g = args.gradients;
        if (!g.dx.data && !g.dgamma && !g.dbeta && !g.d_residual.data && !g.dtau) return;
        const Bytes zeros = p_.spec.adds() ? Bytes(bytes_of(p_.dtype)) : Bytes();
        const auto [x, residual] = summands(a, zeros);
        const auto* own = reinterpret_cast<const double*>(a.saved.opaque);
        StandIn ours(p_);
        ours.forward(x, a.affine, own, own + channels(), residual, a.mask);
        ours.backward(args);
    }

    Problem p_;
    const Function& f_;
};

}  // namespace

bool gives_gamma(const Function& f) { return !f.absent && verify::has_gamma(f.affine); }
bool gives_beta(const Function& f) { return !f.absent && verify::has_beta(f.affine); }

std::unique_ptr<Plan> function_plan(const Problem& problem, const Function& function) {
    return std::make_unique<FunctionPlan>(problem, function);
}

}  // namespace normlab::python
