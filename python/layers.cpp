// normlab.layers: norms/norm.hpp on arrays of Python's.

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/operation.hpp"
#include "python/alone.hpp"
#include "python/asked.hpp"

namespace normlab::python {
namespace {

// The kernels that have all of what is asked, where none are named.
const Implementation& chosen(const py::object& name, const Problem& p) {
    if (!name.is_none()) return find_implementation(name.cast<std::string>());
    const Implementation& cpu = find_implementation("cpu");
    return cpu.supports(p) ? cpu : find_implementation("reference");
}

Affine affine_of(const GivenArrays& arrays, const Problem& p) {
    for (const char* name : {"gamma", "beta", "tau"})
        if (const GivenArray* array = arrays.find(name)) array->require(p.params());
    return {arrays.data("gamma"), arrays.data("beta"), arrays.data("tau")};
}

// What forward keeps for backward, with the layer that it was.
class Call {
public:
    Call(const std::string& variant, const py::dict& options, const py::dict& arrays, const py::dict& about) {
        Asked a = asked(variant, options, arrays, about);
        problem_ = a.problem, dims_ = a.dims;
        Problem& p = problem_;
        const GivenArray& x = a.arrays.at("x");
        if (!about["dtype"].is_none()) x.require(p.dtype);
        const Affine affine = affine_of(a.arrays, p);
        state_ = a.state();
        implementation_ = &chosen(about["impl"], p);
        MadeArray y(p.outputs(), a.dims);
        results_["y"] = y.array;
        Added added;
        if (p.spec.adds()) {
            a.arrays.at("residual").require(p.residuals());
            MadeArray s(p.residuals(), a.dims);
            results_["s"] = s.array;
            added = {p.tensor(const_cast<void*>(a.arrays.data("residual")), p.residuals(), {}),
                     p.tensor(s.data, p.residuals(), {})};
        }
        Mask mask = nullptr;
        if (const GivenArray* given = a.arrays.find("mask")) mask = given->bytes();
        std::optional<MadeArray> scale;
        if (p.spec.quantizes()) {
            scale.emplace(DType::f32, Dims{p.scale_count()});
            if (p.spec.finds_scale()) results_["scale"] = scale->array;
            else if (about["scale_value"].is_none())
                throw Error(
                    fmt::format("output = '{}' has no scale; scale_value = a number, or scale = 'block' or "
                                "'channels', is accepted",
                                name_of(*p.spec.output)));
            else *static_cast<float*>(scale->data) = about["scale_value"].cast<float>();
        }
        State* state = p.spec.running == Running::none ? nullptr : &state_;
        {
            const py::gil_scoped_release others_may_run;
            forward(p.spec, p.mode, p.tensor(const_cast<void*>(x.data()), p.dtype, {}), affine, state, saved_,
                    p.tensor(y.data, p.outputs(), {}), *implementation_, added, mask,
                    scale ? static_cast<float*>(scale->data) : nullptr);
        }
    }

    py::dict results() const { return results_; }
    py::dict saved() const {
        py::dict all;
        for (const auto& [name, values] :
             {std::pair{"mean", &saved_.mean}, std::pair{"var", &saved_.var}, std::pair{"rstd", &saved_.rstd},
              std::pair{"r", &saved_.r}, std::pair{"d", &saved_.d}})
            if (!values->empty()) all[name] = made_array(*values, {std::ssize(*values)});
        return all;
    }
    py::dict state() const { return made_state(state_); }
    std::string implementation() const { return implementation_->name(); }
    std::string accumulation() const { return std::string(name_of(implementation_->accumulation(problem_.dtype))); }

    // With a residual "x" is s.
    py::dict gradients(const std::string& variant, const py::dict& options, const py::dict& arrays,
                       const py::dict& about) const {
        const Asked a = again(variant, options, arrays, about);
        const Problem& p = problem_;
        const GivenArrays& given = a.arrays;
        const DType x_type = p.spec.adds() ? p.residuals() : p.dtype;
        given.at("x").require(x_type), given.at("dy").require(p.dtype);
        if (const GivenArray* ds = given.find("ds")) ds->require(p.residuals());
        MadeArray dx(p.dtype, dims_), dgamma(p.params(), a.entry_dims_of("gamma")),
            dbeta(p.params(), a.entry_dims_of("beta"));
        py::dict all;
        all["dx"] = dx.array, all["dgamma"] = dgamma.array, all["dbeta"] = dbeta.array;
        Gradients to{p.tensor(dx.data, p.dtype, {}), dgamma.data, dbeta.data};
        if (p.spec.adds()) {
            const MadeArray d(p.residuals(), dims_);
            to.d_residual = p.tensor(d.data, p.residuals(), {}), all["d_residual"] = d.array;
        }
        if (p.spec.thresholds()) {
            const MadeArray d(p.params(), a.entry_dims_of("tau"));
            to.dtau = d.data, all["dtau"] = d.array;
        }
        const Affine affine = affine_of(given, p);
        const auto tensor = [&](const char* name, DType type) {
            return ConstTensor(p.tensor(const_cast<void*>(given.data(name)), type, {}));
        };
        const Mask mask = given.find("mask") ? given.at("mask").bytes() : nullptr;
        const py::gil_scoped_release others_may_run;
        backward(p.spec, p.mode, tensor("x", x_type), tensor("dy", p.dtype), affine, saved_, to, *implementation_,
                 given.find("ds") ? tensor("ds", p.residuals()) : ConstTensor{}, mask);
        return all;
    }

    py::dict second_gradients(const std::string& variant, const py::dict& options, const py::dict& arrays,
                              const py::dict& about) const {
        const Asked a = again(variant, options, arrays, about);
        const Problem& p = problem_;
        const GivenArrays& given = a.arrays;
        given.at("x").require(p.dtype), given.at("dy").require(p.dtype);
        for (const char* name : {"u", "w"})
            if (const GivenArray* array = given.find(name)) array->require(p.params());
        if (const GivenArray* v = given.find("v")) v->require(p.dtype);
        const MadeArray ddx(p.dtype, dims_), ddy(p.dtype, dims_), ddgamma(p.params(), a.entry_dims_of("gamma"));
        py::dict all;
        all["ddx"] = ddx.array, all["ddy"] = ddy.array, all["ddgamma"] = ddgamma.array;
        const auto tensor = [&](const char* name) {
            return ConstTensor(p.tensor(const_cast<void*>(given.data(name)), p.dtype, {}));
        };
        const Affine affine = affine_of(given, p);
        const Cotangents with{given.find("v") ? tensor("v") : ConstTensor{}, given.data("u"), given.data("w")};
        const SecondGradients to{p.tensor(ddx.data, p.dtype, {}), p.tensor(ddy.data, p.dtype, {}), ddgamma.data};
        const py::gil_scoped_release others_may_run;
        backward_backward(p.spec, p.mode, tensor("x"), tensor("dy"), affine, saved_, with, to, *implementation_);
        return all;
    }

private:
    // The arrays of a backward call, of the shape that forward had.
    Asked again(const std::string& variant, const py::dict& options, const py::dict& arrays,
                const py::dict& about) const {
        py::dict with = py::reinterpret_steal<py::dict>(PyDict_Copy(about.ptr()));
        with["dtype"] = std::string(name_of(problem_.dtype));
        py::dict spec = py::reinterpret_steal<py::dict>(PyDict_Copy(options.ptr()));
        py::dict all = py::reinterpret_steal<py::dict>(PyDict_Copy(arrays.ptr()));
        if (problem_.spec.adds() && all.contains("x")) all["residual"] = all["x"];
        Asked a = asked(variant, spec, all, with);
        a.arrays.at("x").require(dims_);
        a.arrays.at("dy");
        if (a.problem.spec.masked != problem_.spec.masked)
            throw Error(fmt::format("mask is {}, and forward's was {}; the same is accepted",
                                    a.problem.spec.masked ? "given" : "None", problem_.spec.masked ? "given" : "None"));
        return a;
    }

    Problem problem_;
    Dims dims_;
    State state_;
    Saved saved_;
    py::dict results_;
    const Implementation* implementation_ = nullptr;
};

}  // namespace

void define_layers(py::module_& m) {
    py::class_<Call>(m, "Call")
        .def(py::init<const std::string&, const py::dict&, const py::dict&, const py::dict&>())
        .def("results", &Call::results)
        .def("saved", &Call::saved)
        .def("state", &Call::state)
        .def("gradients", &Call::gradients)
        .def("second_gradients", &Call::second_gradients)
        .def_property_readonly("implementation", &Call::implementation)
        .def_property_readonly("accumulation", &Call::accumulation);
    m.def("initial_state", [](const std::string& variant, const py::dict& options, std::int64_t channels) {
        if (channels < 0) throw Error(fmt::format("{} channels; 0 or more is accepted", channels));
        const Spec spec = spec_of(variant, options);
        py::dict all = made_state(initial_state(spec, channels));
        if (spec.running != Running::none && channels == 0) all["running_mean"] = made_array({}, {0});
        return all;
    });
}

}  // namespace normlab::python
