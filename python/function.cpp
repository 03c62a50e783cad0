#include "python/function.hpp"

#include <algorithm>
#include <cstring>
#include <map>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/registry.hpp"
#include "norms/variants.hpp"
#include "system/failure.hpp"
#include "verify/exchange/call_index.hpp"
#include "verify/exchange/zero_over_zero.hpp"
#include "verify/run/local_runner.hpp"

namespace normlab::python {
namespace {

using verify::AffineUse;
using Extents = std::vector<py::ssize_t>;

// The shape of x as a function of Python has it.
Extents extents_of(const Problem& p) {
    const auto& [N, C, S] = p.shape;
    if (is_by_element(p.spec)) return {N, C};  // S = 1
    return p.layout == Layout::channels_last ? Extents{N, S, C} : Extents{N, C, S};
}
Extents extents_of_affine(const Problem& p) {
    if (is_weights(p.spec)) return {1, p.shape.C, 1};
    switch (p.spec.affine_set) {
        case AffineSet::element: return {p.shape.C, p.shape.S};
        case AffineSet::sample_channel: return {p.shape.N, p.shape.C};
        case AffineSet::group: return {p.spec.groups};
        default: return {p.shape.C};
    }
}

// bf16 crosses as its bits: NumPy has no such type.
const char* numpy_name(DType d) {
    return d == DType::f64 ? "float64" : d == DType::f32 ? "float32" : d == DType::f16 ? "float16" : "uint16";
}
std::size_t count_of(const Extents& extents) {
    py::ssize_t n = 1;
    for (const py::ssize_t e : extents) n *= e;
    return static_cast<std::size_t>(n);
}

// Arguments of one call: copies, since a function may keep what it was given for longer than the memory lives. Those
// of inputs are compared afterwards: a function that writes its arguments spoils its caller's data.
class Arguments {
public:
    void add(const char* name, const void* from, DType dtype, const Extents& extents) {
        const std::size_t bytes = count_of(extents) * size_of(dtype);
        inputs_.push_back({name, put(name, from, bytes, dtype, extents), from, bytes});
    }
    // Gamma of ones, or beta of zeros, for one that is absent.
    void add_constant(const char* name, double value, DType dtype, const Extents& extents) {
        constants_.emplace_back(count_of(extents) * size_of(dtype));
        for (std::size_t i = 0; i < count_of(extents); ++i)
            write_element(constants_.back().data(), dtype, static_cast<std::int64_t>(i), value);
        add(name, constants_.back().data(), dtype, extents);
    }
    // A copy that the function may move.
    void add_state(const char* name, const double* from, DType dtype, std::int64_t C) {
        std::vector<std::byte> values(static_cast<std::size_t>(C) * size_of(dtype));
        for (std::int64_t c = 0; c < C; ++c) write_element(values.data(), dtype, c, from[c]);
        put(name, values.data(), values.size(), dtype, {C});
    }
    py::dict& all() { return all_; }
    void require_unchanged(const Function& f) const {
        for (const Input& i : inputs_)
            if (i.bytes && std::memcmp(PyByteArray_AsString(i.copy.ptr()), i.from, i.bytes) != 0)
                throw Failure(fmt::format("{} wrote into its argument {}; a new array is accepted", f.name, i.name));
    }

private:
    struct Input {
        const char* name;
        py::object copy;
        const void* from;
        std::size_t bytes;
    };
    // What normlab/_function.py makes an array of: memory, type and shape. pybind11's own arrays know one version of
    // NumPy's memory layout; a buffer is the same in all.
    py::object put(const char* name, const void* from, std::size_t bytes, DType dtype, const Extents& extents) {
        const auto copy = py::reinterpret_steal<py::object>(
            PyByteArray_FromStringAndSize(static_cast<const char*>(from), static_cast<py::ssize_t>(bytes)));
        if (!copy) throw py::error_already_set();
        all_[name] = py::make_tuple(copy, numpy_name(dtype), py::tuple(py::cast(extents)));
        return copy;
    }
    std::vector<Input> inputs_;
    std::vector<std::vector<std::byte>> constants_;
    py::dict all_;
};

py::dict called(const Function& f, const char* what, Arguments& arguments) {
    if (f.ended) throw Failure("the run was ended");
    try {
        py::object result = f.call(what, arguments.all());
        if (py::isinstance<py::str>(result)) throw Failure(result.cast<std::string>());
        auto results = result.cast<py::dict>();
        for (const char* how : {"process", "time"})
            if (results.contains(how)) f.died = how, throw Failure(results[how].cast<std::string>());
        arguments.require_unchanged(f);
        if (results.contains("declined"))
            throw verify::Unsuitable(fmt::format("{} declines: {}", f.name, results["declined"].cast<std::string>()));
        return results;
    } catch (py::error_already_set& e) {  // exceptions of the function are texts: this is none
        f.ended.emplace(std::move(e));
        throw Failure("the run was ended");
    }
}

// A result that normlab/_function.py has found to be of the right type and shape.
void take(const py::dict& results, const char* name, void* to, std::size_t bytes) {
    if (!to || bytes == 0 || !results.contains(name)) return;
    Py_buffer view;
    if (PyObject_GetBuffer(results[name].ptr(), &view, PyBUF_SIMPLE) != 0) throw py::error_already_set();
    const auto length = static_cast<std::size_t>(view.len);
    if (length == bytes) std::memcpy(to, view.buf, bytes);
    PyBuffer_Release(&view);
    if (length != bytes) throw Failure(fmt::format("{} has {} bytes; {} are needed", name, length, bytes));
}

class FunctionPlan final : public Plan {
public:
    FunctionPlan(const Problem& p, const Function& function) : p_(p), f_(function) {}

    // Backward has no State, and the function forms its statistics anew.
    std::size_t opaque_bytes() const override { return keeps_state() ? 2 * channels() * sizeof(double) : 0; }

    void forward(const ForwardArgs& a) const override {
        refuse_what_it_does_not_take(a.affine);
        const py::gil_scoped_acquire gil;
        Arguments arguments;
        add_inputs(arguments, a.x.data, a.affine);
        if (p_.spec.adds()) arguments.add("residual", a.added.residual.data, p_.residuals(), extents_of(p_));
        const std::size_t C = channels();
        if (keeps_state()) {
            auto* own = reinterpret_cast<double*>(a.saved.opaque);
            std::copy_n(a.state.mean, C, own), std::copy_n(a.state.var, C, own + C);
            add_state(arguments, own);
            arguments.all()["count"] = *a.state.count;
        }
        const py::dict results = called(f_, "forward", arguments);
        take(results, "y", a.y.data, bytes_of(p_.outputs()));
        if (may_be_zero_over_zero()) accept_zero_over_zero({{verify::Quantity::y, a.y.data}}, a.x, {}, a.affine);
        if (p_.spec.adds()) take(results, "s", a.added.s.data, bytes_of(p_.residuals()));
        if (!keeps_state() || p_.mode != Mode::train) return;
        for (const auto& [name, to] :
             {std::pair{"running_mean", a.state.mean}, std::pair{"running_var", a.state.var}}) {
            std::vector<std::byte> moved(C * size_of(arithmetic()));
            take(results, name, moved.data(), moved.size());
            for (std::size_t c = 0; c < C; ++c)
                to[c] = read_element<double>(moved.data(), arithmetic(), static_cast<std::int64_t>(c));
        }
        ++*a.state.count;
    }

    void backward(const BackwardArgs& a) const override {
        refuse_what_it_does_not_take(a.affine);
        const std::size_t x_bytes = bytes_of(p_.dtype),
                          affine_bytes = static_cast<std::size_t>(p_.affine_count()) * size_of(p_.params());
        by_our_kernels(a);
        const py::gil_scoped_acquire gil;
        py::dict results;
        if (f_.backward) {
            Arguments arguments;
            add_inputs(arguments, a.x.data, a.affine);
            arguments.add("dy", a.dy.data, p_.dtype, extents_of(p_));
            if (p_.spec.adds()) {  // x is s there, and the sum of s and nothing is s
                arguments.add_constant("residual", 0, p_.residuals(), extents_of(p_));
                if (a.ds.data) arguments.add("ds", a.ds.data, p_.residuals(), extents_of(p_));
                else arguments.add_constant("ds", 0, p_.residuals(), extents_of(p_));
            }
            if (keeps_state()) add_state(arguments, reinterpret_cast<const double*>(a.saved.opaque));
            results = called(f_, "backward", arguments);
        }
        // dx may lie where dy does
        const std::vector<double> dy =
            may_be_zero_over_zero() ? verify::logical_values(p_, a.dy) : std::vector<double>();
        take(results, "dx", a.gradients.dx.data, x_bytes);
        take(results, "dgamma", a.gradients.dgamma, affine_bytes);
        take(results, "dbeta", a.gradients.dbeta, affine_bytes);
        take(results, "d_residual", a.gradients.d_residual.data, bytes_of(p_.residuals()));
        if (may_be_zero_over_zero())
            accept_zero_over_zero(
                {{verify::Quantity::dx, a.gradients.dx.data}, {verify::Quantity::dgamma, a.gradients.dgamma}}, a.x, dy,
                a.affine);
    }

private:
    bool may_be_zero_over_zero() const { return f_.accept_nan && p_.spec.eps == 0 && p_.own_statistics(); }
    void accept_zero_over_zero(const std::map<verify::Quantity, void*>& results, const ConstTensor& x,
                               std::vector<double> dy, const Affine& affine) const {
        Problem p =
            p_;  // x is the sum, where there is a residual and backward asks; forward's has none that is constant
        p.spec.residual = Residual::none, p.spec.running = Running::none;
        ForwardArgs args{x, affine, {}, {}, {}};
        verify::Inputs<double> in = verify::inputs_of(p, args);
        in.dy = std::move(dy);
        const auto place = [&](verify::Quantity q, std::size_t i) {
            return static_cast<std::int64_t>(q == verify::Quantity::dgamma ? i : verify::memory_index(p, i));
        };
        std::map<verify::Quantity, std::vector<double>> values;
        for (const auto& [q, at] : results) {
            if (!at) continue;
            const DType type = q == verify::Quantity::dgamma ? p.params() : p.dtype;
            values[q].resize(q == verify::Quantity::dgamma ? static_cast<std::size_t>(p.affine_count()) : in.x.size());
            for (std::size_t i = 0; i < values[q].size(); ++i)
                values[q][i] = read_element<double>(at, type, place(q, i));
        }
        if (!verify::zero_over_zero(in, values, true)) return;
        for (const auto& [q, numbers] : values)
            for (std::size_t i = 0; i < numbers.size(); ++i)
                write_element(results.at(q), q == verify::Quantity::dgamma ? p.params() : p.dtype, place(q, i),
                              numbers[i]);
    }
    // Gradients that the function does not give. Findings about them are dropped; a check that compares them with
    // others needs right ones, and looks for the cause of wrong ones.
    void by_our_kernels(const BackwardArgs& a) const {
        BackwardArgs args = a;
        if (f_.backward) {
            args.gradients.dx.data = nullptr, args.gradients.d_residual.data = nullptr;
            if (!f_.absent && verify::has_gamma(f_.affine)) args.gradients.dgamma = nullptr;
            if (!f_.absent && verify::has_beta(f_.affine)) args.gradients.dbeta = nullptr;
        }
        const Gradients& wanted = args.gradients;
        if (!wanted.dx.data && !wanted.dgamma && !wanted.dbeta && !wanted.d_residual.data) return;
        const Implementation& cpu = find_implementation("cpu");  // the faster one, where it has all that is asked
        const std::unique_ptr<Plan> plan = (cpu.supports(p_) ? cpu : find_implementation("reference")).plan(p_);
        plan->set_threads(1);
        std::vector<std::byte> y(bytes_of(p_.outputs())), s(bytes_of(p_.residuals())), residual(s.size()),
            workspace(plan->workspace_bytes() + 256), opaque(plan->opaque_bytes());
        std::vector<double> saved(3 * static_cast<std::size_t>(p_.statistics_count()));
        const std::size_t blocks = saved.size() / 3, C = channels();
        const auto* own = reinterpret_cast<const double*>(a.saved.opaque);
        std::vector<double> mean, var;
        if (keeps_state()) mean.assign(own, own + C), var.assign(own + C, own + 2 * C);
        std::int64_t count = 0;
        void* at = workspace.data();
        std::size_t room = workspace.size();
        ForwardArgs forward{a.x, a.affine, {mean.data(), var.data(), nullptr, &count}, {}, {}};
        forward.saved = {saved.data(), saved.data() + blocks, saved.data() + 2 * blocks, nullptr,
                         nullptr,      opaque.data()};
        forward.y = p_.tensor(y.data(), p_.outputs(), {});
        forward.workspace = args.workspace = std::align(256, plan->workspace_bytes(), at, room);
        if (p_.spec.adds())
            forward.added = {p_.tensor(residual.data(), p_.residuals(), {}), p_.tensor(s.data(), p_.residuals(), {})};
        plan->forward(forward);
        args.saved = forward.saved;
        plan->backward(args);
    }

    bool keeps_state() const { return p_.spec.running != Running::none; }
    std::size_t channels() const { return static_cast<std::size_t>(p_.shape.C); }
    DType arithmetic() const { return arithmetic_dtype(p_.dtype); }
    std::size_t bytes_of(DType d) const { return static_cast<std::size_t>(p_.shape.size()) * size_of(d); }

    void refuse_what_it_does_not_take(const Affine& affine) const {
        const auto refuse = [](const char* what) {
            throw verify::Unsuitable(fmt::format("the function is never given {}", what));
        };
        if (affine.gamma && (f_.absent || !verify::has_gamma(f_.affine))) refuse("gamma");
        if (affine.beta && (f_.absent || !verify::has_beta(f_.affine))) refuse("beta");
    }

    void add_inputs(Arguments& arguments, const void* x, const Affine& affine) const {
        arguments.add("x", x, p_.dtype, extents_of(p_));
        const auto parameter = [&](const char* name, const void* from, bool takes, double otherwise) {
            if (f_.absent || !takes) arguments.all()[name] = py::none();
            else if (from) arguments.add(name, from, p_.params(), extents_of_affine(p_));
            else arguments.add_constant(name, otherwise, p_.params(), extents_of_affine(p_));
        };
        parameter("gamma", affine.gamma, verify::has_gamma(f_.affine), p_.spec.gamma_offset == 1 ? 0 : 1);
        parameter("beta", affine.beta, verify::has_beta(f_.affine), 0);
        py::dict& all = arguments.all();
        all["eps"] = p_.spec.eps, all["groups"] = p_.spec.groups, all["training"] = p_.mode == Mode::train;
        all["dtype"] = std::string(name_of(p_.dtype)), all["param_dtype"] = std::string(name_of(p_.params()));
        all["dim"] = 1, all["block"] = p_.block_size();
        all["normalized_shape"] = py::make_tuple(p_.shape.C);
        if (keeps_state()) all["count"] = 0;  // backward moves nothing
        if (keeps_state() && p_.spec.momentum)
            all["momentum"] = f_.fixed.weighs_old() ? 1 - *p_.spec.momentum : *p_.spec.momentum;
    }
    void add_state(Arguments& arguments, const double* own) const {
        arguments.add_state("running_mean", own, arithmetic(), p_.shape.C);
        arguments.add_state("running_var", own + channels(), arithmetic(), p_.shape.C);
    }

    Problem p_;
    const Function& f_;
};

// Whether the finding speaks of what the function gave.
bool is_judged(const Function& f, const verify::Case& c, const std::string& quantity) {
    const auto begins = [&](std::string_view with) { return quantity.starts_with(with); };
    if (begins("dgamma") && (f.absent || !verify::has_gamma(c.affine)) && c.check != "empty") return false;
    if (begins("dbeta") && (f.absent || !verify::has_beta(c.affine)) && c.check != "empty") return false;
    if (f.backward) return true;
    for (const std::string_view gradient :
         {"dx", "dgamma", "dbeta", "d_residual", "d/d", "a d/d", "NaN in gamma or beta"})
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
        if (!p.dense()) return {"strides: arrays are contiguous"};
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
    std::unique_ptr<Plan> plan(const Problem& p) const override { return std::make_unique<FunctionPlan>(p, *now); }

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

std::string not_asked(const Function& function, std::string_view check) {
    constexpr std::string_view memory[] = {"gradient_masks", "threads", "many_calls", "contracts",
                                           "refusal",        "empty",   "gaps"},
                               statistics[] = {"exact_statistics", "recalibrate"},
                               twice[] = {"double_backward", "double_derivatives", "double_identities",
                                          "double_isolation"},
                               gradients[] = {"adjoint",    "jacobian",    "zero_sum", "xhat_dx", "symmetry",
                                              "chain_rule", "derivatives", "taylor",   "reuse"};
    const auto among = [&](const auto& names) { return std::ranges::find(names, check) != std::end(names); };
    if (among(memory)) return "about memory, threads and the way of calling, which is normlab's own here";
    if (among(statistics)) return "about saved statistics, which no function is asked for";
    if (among(twice)) return "a double backward, which is not asked for yet";
    if (!function.backward && among(gradients)) return "about gradients, of which the function has none";
    return {};
}

}  // namespace normlab::python
