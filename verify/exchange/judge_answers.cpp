#include "verify/exchange/judge_answers.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "io/error.hpp"
#include "verify/exchange/zero_over_zero.hpp"

namespace normlab::verify {
namespace {

namespace fs = std::filesystem;

bool finite(const std::vector<double>& v) {
    return std::ranges::all_of(v, [](double e) { return std::isfinite(e); });
}

// Why the array is none, or "".
std::string load_output(VectorArray& a) {
    if (!fs::exists(a.file))
        return fmt::format("{}: is missing; {} of shape {} is to be written there", a.file.string(),
                           a.type == io::ElementType::f32   ? "float32"
                           : a.type == io::ElementType::f64 ? "float64"
                           : a.type == io::ElementType::u8  ? "uint8 (bits)"
                                                            : "uint16 (bits)",
                           io::shape_text(a.shape));
    try {
        load(a);
    } catch (const io::InputError& e) {
        return fmt::format("{}; write it again", e.what());
    }
    return {};
}

std::string nan_in(const VectorArray& a) {
    const auto nan = std::ranges::find_if(a.values, [](double v) { return std::isnan(v); });
    return nan == a.values.end()
               ? ""
               : fmt::format("{}: element {} of {} is NaN", a.file.string(), nan - a.values.begin(), a.values.size());
}

Answer read_answer(const fs::path& folder, const fs::path& outputs, const std::string& name, bool accept_nan) {
    const fs::path path = folder / name / "case.json";
    VectorFile file = read_vector(path);
    for (auto& [input, array] : file.inputs) load(array);
    Answer out{name, {}, {}, {}, {}, "", true, false};
    const bool inputs_are_finite =
        std::ranges::all_of(file.inputs, [](const auto& entry) { return finite(entry.second.values); });
    const std::size_t needed = file.outputs.size();
    for (const auto& [optional, array] : file.optional_outputs) file.outputs[optional].array = array;
    if (file.outputs.size() != needed + file.optional_outputs.size())
        io::refuse(path, "an optional output is an output as well");
    std::map<std::string, std::string> missing;
    std::set<std::string> not_given;
    for (auto& [output, o] : file.outputs) {
        if (!outputs.empty()) o.array.file = outputs / name / o.array.file.filename();
        const bool there = fs::exists(o.array.file);
        missing[output] = load_output(o.array);
        if (!there && file.optional_outputs.contains(output)) not_given.insert(output);
        if (there) out.blank = false;
        if (inputs_are_finite && out.nan.empty()) out.nan = nan_in(o.array);
    }
    try {
        std::vector<Step> steps = steps_of(file);
        validate(steps.at(0).in.problem);
        out.in = std::move(steps[0].in);
        for (Target& t : steps[0].targets) {
            if (const std::string& why = missing[t.name]; why.empty()) out.outputs[t.quantity] = std::move(t.values);
            else (not_given.contains(t.name) ? out.not_given : out.missing)[t.quantity] = why;
        }
        out.zero_over_zero = zero_over_zero(out.in, out.outputs, accept_nan);
    } catch (const Error& e) {
        io::refuse(path, e.what());
    }
    return out;
}

}  // namespace

Answers::Answers(const fs::path& folder, const fs::path& outputs, const std::set<std::string>& names, bool accept_nan) {
    std::size_t written = 0;
    for (const std::string& name : names) {
        const Answer& a = all_.emplace_back(read_answer(folder, outputs, name, accept_nan));
        if (index_.add(a.in) + 1 != all_.size())
            io::refuse(folder / name / "case.json",
                       "is the same call as an earlier one; one folder a call is accepted");
        written += a.outputs.size();
        for (const auto& [q, values] : a.outputs) given_.insert({a.variant(), q});
    }
    if (written == 0)
        io::refuse(outputs.empty() ? folder : outputs,
                   "holds no outputs yet: " + (all_.empty() ? "no call" : all_[0].missing.begin()->second));
    for (Answer& a : all_)
        for (const auto& [q, why] : a.not_given)
            if (!a.blank && given(a.variant(), q))
                a.missing[q] = fmt::format("{}; other calls of {} have it", why, a.variant());
}

std::vector<const Answer*> Answers::of(const std::vector<std::string>& names) const {
    std::vector<const Answer*> some;
    for (const Answer& a : all_)
        if (std::ranges::find(names, a.name) != names.end()) some.push_back(&a);
    return some;
}

bool Answers::given(Quantity quantity) const {
    return std::ranges::any_of(given_, [quantity](const auto& entry) { return entry.second == quantity; });
}

DType Answers::state_dtype(std::string_view variant, DType dtype) const {
    const auto wider = [](double v) { return std::isfinite(v) && rounded(v, DType::f32) != v; };
    for (const Answer& a : all_)
        if (a.variant() == variant && a.in.problem.dtype == dtype)
            for (const Quantity q : {Quantity::running_mean, Quantity::running_spread})
                if (const auto* values = a.find(q); values && std::ranges::any_of(*values, wider)) return DType::f64;
    return DType::f32;
}

std::vector<std::string> Answers::left_out() const {
    std::vector<std::string> lines;
    if (const auto blank = std::ranges::count(all_, true, &Answer::blank); blank > 0)
        lines.push_back(
            fmt::format("nothing was written for {} of {} calls ({} first): cases of such calls alone are skipped",
                        blank, all_.size(), std::ranges::find(all_, true, &Answer::blank)->name));
    std::map<std::string, std::size_t> optional;
    for (const Answer& a : all_)
        for (const auto& [q, why] : a.not_given)
            if (!a.blank && !a.missing.contains(q))
                ++optional[fmt::format("{} of {}", row_of(q).name_in(a.in.problem.spec), a.variant())];
    for (const auto& [what, calls] : optional)
        lines.push_back(fmt::format("{}: optional, not written for any of {} calls", what, calls));
    return lines;
}

}  // namespace normlab::verify
