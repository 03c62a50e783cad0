// normlab._core: what the package calls.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "python/alone.hpp"
#include "python/draw.hpp"
#include "python/report.hpp"
#include "verify/case/settings.hpp"
#include "verify/checks/exhaustive.hpp"

namespace py = pybind11;

namespace {

using namespace normlab;
using python::Chosen;
using python::Function;

template <class T>
std::optional<T> given(const py::dict& from, const char* key) {
    if (!from.contains(key) || from[key].is_none()) return std::nullopt;
    return from[key].cast<T>();
}

verify::AffineUse affine_of(bool gamma, bool beta) {
    return gamma ? (beta ? verify::AffineUse::both : verify::AffineUse::gamma)
                 : (beta ? verify::AffineUse::beta : verify::AffineUse::none);
}

verify::FixedSettings fixed_of(const py::dict& options) {
    verify::FixedSettings f;
    const auto word = [&](const char* key, auto parse, auto& to) {
        if (const auto text = given<std::string>(options, key)) to = parse(*text);
    };
    word("convention", verify::find_convention, f.convention);
    word("running", parse_running, f.running);
    word("denominator", parse_denominator, f.denominator);
    word("divisor", parse_divisor, f.divisor);
    word("activation", parse_activation, f.activation);
    word("residual", parse_residual, f.residual);
    word("param_dtype", parse_dtype, f.param_dtype);
    word("affine_set", parse_affine_set, f.affine_set);
    word("cast", parse_cast, f.cast);
    word("residual_dtype", parse_dtype, f.residual_dtype);
    word("output", parse_output, f.output);
    word("scale", parse_scale, f.scale);
    word(
        "mask", [](const std::string& name) { return verify::parse_mask("mask", name); }, f.mask);
    f.scale_power_of_two = given<bool>(options, "scale_power_of_two").value_or(false);
    f.scale_inverse = given<bool>(options, "scale_inverse").value_or(false);
    f.eps = given<double>(options, "eps");
    if (options.contains("momentum") && py::isinstance<py::str>(options["momentum"]))
        f.momentum = given<std::string>(options, "momentum");
    else if (const auto momentum = given<double>(options, "momentum")) f.momentum = py::str(py::float_(*momentum));
    f.gamma_offset = given<std::int32_t>(options, "gamma_offset").value_or(0);
    f.part = given<double>(options, "part");
    f.as_cases_say = given<bool>(options, "as_cases_say").value_or(false);
    return f;
}

Function function_of(const py::dict& about, const py::dict& options) {
    Function f;
    f.name = about["name"].cast<std::string>();
    f.variant = about["variant"].cast<std::string>();
    f.shown = about["shown"].cast<std::string>(), f.said = about["said"].cast<std::string>();
    f.fixed = fixed_of(options);
    f.affine = affine_of(about["gamma"].cast<bool>(), about["beta"].cast<bool>());
    f.absent = about["absent"].cast<bool>();
    f.backward = about["backward"].cast<bool>();
    f.twice = about["twice"].cast<bool>();
    f.strided = about["strided"].cast<bool>();
    f.any_mask = about["any_mask"].cast<bool>();
    f.accept_nan = about["accept_nan"].cast<bool>();
    f.accumulation = parse_accumulation(about["accumulation"].cast<std::string>());
    f.channels = given<std::int64_t>(about, "channels");
    f.groups = given<std::int64_t>(about, "groups");
    f.flushes_subnormals = given<bool>(about, "flushes_subnormals").value_or(false);
    f.deterministic = given<bool>(about, "deterministic").value_or(true);
    f.counts = given<bool>(about, "counts").value_or(false);
    return f;
}

Chosen chosen_of(const py::dict& chosen) {
    Chosen c;
    c.tier = chosen["tier"].cast<std::string>();
    c.seed = chosen["seed"].cast<std::uint64_t>();
    for (const auto& [key, to] :
         {std::pair{"dtypes", &c.dtypes}, std::pair{"layouts", &c.layouts}, std::pair{"modes", &c.modes},
          std::pair{"checks", &c.checks}, std::pair{"cases", &c.cases}})
        *to = chosen[key].cast<std::vector<std::string>>();
    c.accept = given<std::string>(chosen, "accept").value_or("");
    c.shrink = given<bool>(chosen, "shrink").value_or(true);
    return c;
}

python::Report check(const py::object& call, const py::dict& about, const py::dict& options, const py::dict& chosen,
                     const py::object& progress) {
    Function f = function_of(about, options);
    f.call = call;
    return python::check(f, chosen_of(chosen), progress);
}

// What a function of this variant is given.
py::dict variant(const std::string& name) {
    const Variant& v = find_variant(name);
    const Spec s = v.make();
    py::dict d;
    d["name"] = std::string(v.name), d["weights"] = is_weights(s), d["beta"] = has_beta(s);
    d["groups"] = is_by_group(s), d["running"] = std::string(name_of(s.running)),
    d["may_keep_state"] = may_keep_state(s);
    d["renorm"] = s.correction == Correction::renorm, d["eps"] = s.eps, d["by_element"] = is_by_element(s);
    return d;
}

}  // namespace

PYBIND11_MODULE(_core, m) {
    m.doc() = "The verdict, in this process. normlab.check() is what is meant to be called.";
    const auto& error = py::register_exception<Error>(m, "Error", PyExc_ValueError);
    py::register_exception<python::Nothing>(m, "Nothing", error);
    py::class_<python::Report>(m, "Report")
        .def_property_readonly("held", [](const python::Report& r) { return r.summary().held; })
        .def_property_readonly("failed", [](const python::Report& r) { return r.summary().failed; })
        .def_property_readonly("unresolved", [](const python::Report& r) { return r.summary().unresolved; })
        .def_property_readonly("skipped", [](const python::Report& r) { return r.summary().skipped; })
        .def_property_readonly("accepted", [](const python::Report& r) { return r.summary().accepted; })
        .def_property_readonly("left_out", &python::Report::left_out)
        .def_property_readonly("stale", &python::Report::stale)
        .def("accept_text", &python::Report::accept_text)
        .def("text", &python::Report::text)
        .def("tables", &python::Report::tables)
        .def("json", &python::Report::json)
        .def("html", &python::Report::html)
        .def("compare", &python::Report::compare);
    py::class_<python::Drawing>(m, "Drawing")
        .def(py::init([](const py::dict& about, const py::dict& options, const py::dict& chosen) {
            return python::Drawing(function_of(about, options), chosen_of(chosen));
        }))
        .def("case", &python::Drawing::drawn)
        .def_property_readonly("settings", &python::Drawing::settings)
        .def("simplified", &python::Drawing::simplified)
        .def("shape", &python::Drawing::shape)
        .def("with_shape", &python::Drawing::with_shape);
    m.def("check", &check);
    m.def("checks", [] {
        std::vector<std::pair<std::string, std::string>> all;
        for (const verify::Check& c : verify::checks())
            if (c.name != verify::exhaustive_name)
                all.emplace_back(c.name, c.statement);  // which has no cases in a tier
        return all;
    });
    m.def("variant", &variant);
    m.def("variants", [] {
        std::vector<std::string> names;
        for (const Variant* v : all_variants()) names.emplace_back(v->name);
        return names;
    });
    python::define_truth(m);
    python::define_layers(m);
    python::define_fold(m);
    python::define_noise(m);
    m.attr("__version__") = NORMLAB_VERSION;
}
