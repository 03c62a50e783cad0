// normlab.truth: right values of one call with the bounds that a promise allows, and results held against them.

#include <algorithm>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "python/alone.hpp"
#include "python/asked.hpp"
#include "verify/check/compare.hpp"
#include "verify/report/lines.hpp"
#include "verify/truth/quantities.hpp"
#include "verify/truth/range.hpp"
#include "verify/truth/scale.hpp"

namespace normlab::python {
namespace {

using verify::Per;
using verify::Quantity;
using verify::QuantityRow;

// "saved mean" -> "mean", "running var" -> "running_var"
std::string python_name(const QuantityRow& q, const Spec& spec) {
    std::string name(q.name_in(spec));
    if (name.starts_with("saved ")) name.erase(0, 6);
    std::ranges::replace(name, ' ', '_');
    return name;
}

class Truth {
public:
    Truth(const std::string& variant, const py::dict& options, const py::dict& arrays, const py::dict& about)
        : asked_(asked(variant, options, arrays, about)),
          accumulation_(parse_accumulation(about["accumulation"].cast<std::string>())) {
        const Problem& p = asked_.problem;
        if (p.spec.quantizes())
            throw Error(
                fmt::format("output = '{}' has no truth here: a y of 8 bits is judged by what it was rounded "
                            "from, which truth is without an output; 'f32' or none is accepted",
                            name_of(*p.spec.output)));
        in_.problem = p, in_.state = asked_.state();
        in_.x = elements("x", p.dtype), in_.dy = elements("dy", p.dtype);
        in_.residual = elements("residual", p.residuals()), in_.ds = elements("ds", p.residuals());
        in_.v = elements("v", p.dtype);
        for (const auto& [name, to] : {std::pair{"gamma", &in_.gamma}, std::pair{"beta", &in_.beta},
                                       std::pair{"tau", &in_.tau}, std::pair{"u", &in_.u}, std::pair{"w", &in_.w}})
            if (const GivenArray* array = asked_.arrays.find(name)) *to = array->values(p.params());
        if (const GivenArray* mask = asked_.arrays.find("mask"))
            in_.mask.assign(mask->bytes(), mask->bytes() + mask->count());
        if (in_.dy.empty() && p.shape.size() > 0)
            for (const char* name : {"ds", "v", "u", "w"})
                if (asked_.arrays.find(name)) throw Error(fmt::format("{} without dy; both are accepted", name));
        const py::gil_scoped_release others_may_run;
        truth_ = truth::evaluate(in_);
        hard_ = verify::error_bounds(in_, truth_, accumulation_);
        outside_ = verify::out_of_range(in_, truth_, accumulation_);
    }

    py::dict values() const {
        py::dict all;
        for (const QuantityRow& q : rows()) {
            std::vector<double> values;
            for (const truth::Wide& v : q.in(truth_)) values.push_back(v.high);
            all[python_name(q, spec()).c_str()] = made(q, values);
        }
        return all;
    }
    py::dict bounds(const std::string& limit) const {
        if (limit != "hard" && limit != "warning")
            throw Error(fmt::format("limit = '{}'; 'hard' and 'warning' are accepted", limit));
        const verify::Bounds b = limit == "hard" ? hard_ : soft();
        py::dict all;
        for (const QuantityRow& q : rows()) all[python_name(q, spec()).c_str()] = made(q, b.*q.bound);
        return all;
    }
    py::dict blocks() const {
        std::vector<double> kappa, s;
        for (const truth::Block& b : truth_.blocks) kappa.push_back(b.kappa), s.push_back(static_cast<double>(b.s));
        const Dims dims{static_cast<std::int64_t>(kappa.size())};
        py::dict all;
        all["kappa"] = made_array(kappa, dims), all["s"] = made_array(s, dims);
        return all;
    }
    const std::string& outside() const { return outside_; }
    std::int64_t count() const { return in_.state.count + truth_.steps; }

    // |result - truth| for each element, as findings have it.
    py::tuple errors(const std::string& name, const py::tuple& array) const {
        const QuantityRow q = row(name);
        const std::vector<double> got = taken(q, GivenArray(name, array));
        const std::vector<truth::Wide> right = q.in(truth_);
        std::vector<double> errors(got.size());
        for (std::size_t i = 0; i < got.size(); ++i)
            errors[i] = verify::error_of(got[i], right[i], (hard_.*q.bound)[i], q.dtype(asked_.problem));
        return made(q, errors);
    }

    py::list compare(const py::dict& arrays) const {
        const verify::Bounds warning = soft();
        py::list all;
        for (const auto& [key, array] : arrays) {
            const auto name = key.cast<std::string>();
            const QuantityRow q = row(name);
            const std::vector<double> got = taken(q, GivenArray(name, array.cast<py::tuple>()));
            Problem sizes = q.stored(asked_.problem);
            if (q.per == Per::block || q.per == Per::channel) sizes.shape = {1, std::ssize(got), 1};
            verify::Finding f =
                verify::compare(python_name(q, spec()), sizes, got, q.in(truth_), hard_.*q.bound, warning.*q.bound);
            f.not_judged = f.verdict == verify::Verdict::pass && f.error > 0 && q.per != Per::channel &&
                           verify::promises_nothing(hard_.*q.bound, verify::scale_of(q, in_, truth_));
            if (f.verdict == verify::Verdict::fail && !outside_.empty())
                f.verdict = verify::Verdict::unresolved, f.note = outside_;
            py::dict record;
            record["quantity"] = f.quantity, record["error"] = f.error, record["bound"] = f.bound;
            record["ratio"] = f.ratio(), record["verdict"] = std::string(verify::name_of(f.verdict));
            record["warning"] = f.warning, record["not_judged"] = f.not_judged, record["where"] = f.where;
            if (!f.note.empty()) record["note"] = f.note;
            all.append(record);
        }
        return all;
    }

private:
    const Spec& spec() const { return asked_.problem.spec; }
    verify::Bounds soft() const { return verify::error_bounds(in_, truth_, accumulation_, verify::Limit::warning); }
    bool by_element(const QuantityRow& q) const { return q.per == Per::element; }

    std::vector<double> elements(const char* name, DType dtype) const {
        const GivenArray* array = asked_.arrays.find(name);
        return array ? logical(array->values(dtype)) : std::vector<double>();
    }
    // From memory's order, and back.
    std::vector<double> logical(const std::vector<double>& memory) const {
        std::vector<double> values(memory.size());
        for (std::size_t i = 0; i < values.size(); ++i) values[i] = memory[verify::memory_index(asked_.problem, i)];
        return values;
    }

    // What this call has.
    std::vector<QuantityRow> rows() const {
        std::vector<QuantityRow> all;
        for (const QuantityRow& q : verify::quantities::all())
            if (q.bound && q.is_of(asked_.problem) && !(hard_.*q.bound).empty() &&
                (hard_.*q.bound).size() == q.in(truth_).size())
                all.push_back(q);
        return all;
    }
    QuantityRow row(const std::string& name) const {
        std::vector<std::string> names;
        for (const QuantityRow& q : rows()) {
            names.push_back(python_name(q, spec()));
            if (names.back() == name) return q;
        }
        throw Error(unknown("result", name, std::vector<std::string_view>(names.begin(), names.end())));
    }

    Dims dims_of(const QuantityRow& q, std::size_t count) const {
        if (by_element(q)) return asked_.dims;
        if (q.per != Per::entry) return {static_cast<std::int64_t>(count)};
        return asked_.entry_dims_of(q.quantity == Quantity::dbeta  ? "beta"
                                    : q.quantity == Quantity::dtau ? "tau"
                                                                   : "gamma");
    }
    py::tuple made(const QuantityRow& q, const std::vector<double>& values) const {
        const Dims dims = dims_of(q, values.size());
        if (!by_element(q)) return made_array(values, dims);
        std::vector<double> memory(values.size());
        for (std::size_t i = 0; i < values.size(); ++i) memory[verify::memory_index(asked_.problem, i)] = values[i];
        return made_array(memory, dims);
    }
    std::vector<double> taken(const QuantityRow& q, const GivenArray& array) const {
        if (by_element(q)) array.require(asked_.dims);
        else array.require(std::ssize(hard_.*q.bound), "as many as truth has");
        std::vector<double> values = array.values();
        return by_element(q) ? logical(values) : values;
    }

    Asked asked_;
    Accumulation accumulation_;
    verify::Inputs<double> in_;
    truth::Result truth_;
    verify::Bounds hard_;
    std::string outside_;
};

}  // namespace

void define_truth(py::module_& m) {
    py::class_<Truth>(m, "Truth")
        .def(py::init<const std::string&, const py::dict&, const py::dict&, const py::dict&>())
        .def("values", &Truth::values)
        .def("bounds", &Truth::bounds)
        .def("blocks", &Truth::blocks)
        .def("errors", &Truth::errors)
        .def("compare", &Truth::compare)
        .def_property_readonly("outside", &Truth::outside)
        .def_property_readonly("count", &Truth::count);
}

}  // namespace normlab::python
