#include "verify/exchange/judge.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "io/error.hpp"
#include "io/json.hpp"
#include "norms/names.hpp"
#include "system/shell.hpp"
#include "verify/exchange/judge_answers.hpp"
#include "verify/truth/elements.hpp"

namespace normlab::verify {
namespace {

namespace fs = std::filesystem;

class Playback final : public Plan {
public:
    Playback(const Problem& p, const Answers& answers, const Saves& saves) : p_(p), answers_(answers), saves_(saves) {}

    std::size_t opaque_bytes() const override { return sizeof(std::size_t); }  // where the forward call was found

    // What is missing is left as it was: complete() says so.
    void forward(const ForwardArgs& a) const override {
        const auto found = answers_.index().forward(inputs_of(p_, a));
        if (!found) throw Unsuitable("not exported: the script was not asked for a call that this case makes");
        std::memcpy(a.saved.opaque, &found->group, sizeof found->group);
        const Answer& answer = answers_[found->number];
        if (const auto* y = answer.find(Quantity::y)) write(*y, a.y);
        if (const auto* s = answer.find(Quantity::s)) write(*s, a.added.s);
        if (const auto* scale = answer.find(Quantity::scale))
            for (std::size_t k = 0; k < scale->size(); ++k) a.scale[k] = static_cast<float>((*scale)[k]);
        const auto copy = [&](Quantity q, double* to) {
            if (const auto* values = answer.find(q); to && values) std::ranges::copy(*values, to);
        };
        for (const QuantityRow& q : quantities::saved())
            if (q.is_saved(p_, saves_)) copy(q.quantity, a.saved.*q.view);
        if (p_.mode != Mode::train || p_.spec.running == Running::none) return;
        for (const StateArray& array : state_arrays) copy(array.quantity, a.state.*array.view);
        *a.state.count += p_.slices();
    }

    void backward(const BackwardArgs& a) const override {
        std::size_t group;
        std::memcpy(&group, a.saved.opaque, sizeof group);
        const auto number = answers_.index().backward(group, p_, logical_values(p_, a.dy), logical_values(p_, a.ds));
        if (!number) throw Unsuitable("not exported: the script was not asked for a gradient that this case takes");
        const Answer& answer = answers_[*number];
        if (const auto* dx = answer.find(Quantity::dx); dx && a.gradients.dx.data) write(*dx, a.gradients.dx);
        if (const auto* d = answer.find(Quantity::d_residual); d && a.gradients.d_residual.data)
            write(*d, a.gradients.d_residual);
        if (const auto* dgamma = answer.find(Quantity::dgamma); dgamma && a.gradients.dgamma)
            write(*dgamma, a.gradients.dgamma);
        if (const auto* dbeta = answer.find(Quantity::dbeta); dbeta && a.gradients.dbeta)
            write(*dbeta, a.gradients.dbeta);
        if (const auto* dtau = answer.find(Quantity::dtau); dtau && a.gradients.dtau) write(*dtau, a.gradients.dtau);
    }

    Support supports_backward_backward() const override { return {}; }
    void backward_backward(const BackwardBackwardArgs& a) const override {
        std::size_t group;
        std::memcpy(&group, a.saved.opaque, sizeof group);
        Inputs<double> in{p_, {}, {}, {}, {}, {}};
        add_cotangents(in, a);
        const auto number = answers_.index().backward_backward(group, in);
        if (!number) throw Unsuitable("not exported: the script was not asked for a double backward of this case");
        const Answer& answer = answers_[*number];
        const SecondGradients& to = a.gradients;
        if (const auto* ddx = answer.find(Quantity::ddx); ddx && to.ddx.data) write(*ddx, to.ddx);
        if (const auto* ddy = answer.find(Quantity::ddy); ddy && to.ddy.data) write(*ddy, to.ddy);
        if (const auto* ddgamma = answer.find(Quantity::ddgamma); ddgamma && to.ddgamma) write(*ddgamma, to.ddgamma);
    }

private:
    void write(const std::vector<double>& logical, const Tensor& to) const {
        for_elements(to, [&](std::size_t i, std::int64_t at) {
            if (i < logical.size()) write_element(to.data, to.dtype, at, logical[i]);
        });
    }
    void write(const std::vector<double>& by_channel, void* to) const {
        for (std::size_t c = 0; c < by_channel.size(); ++c)
            write_element(to, p_.params(), static_cast<std::int64_t>(c), by_channel[c]);
    }

    Problem p_;
    const Answers& answers_;
    Saves saves_;
};

// The cases of normlab.json with the names of their calls.
using Index = std::vector<std::pair<Case, std::vector<std::string>>>;

Index read_index(const fs::path& folder, const std::string& name) {
    const fs::path path = folder / "normlab.json";
    const std::string accepted = "a folder that normlab export wrote is accepted";
    if (!fs::exists(path)) io::refuse(folder, "holds no normlab.json; " + accepted);
    const nlohmann::json document = io::read_json(path, accepted);
    const auto member = [](const nlohmann::json& object, const char* key) {
        if (!object.contains(key)) throw Error(fmt::format("has no \"{}\"", key));
        return object[key];
    };
    Index index;
    try {
        if (member(document, "schema") != 1) throw Error("has another \"schema\" than 1");
        for (const auto& entry : member(document, "cases")) {
            index.emplace_back(parse_case(member(entry, "case").get<std::string>()),
                               member(entry, "calls").get<std::vector<std::string>>());
            index.back().first.implementation = name;
            if (index.back().second.empty()) throw Error("has a case without calls");
            for (const std::string& call : index.back().second)
                if (call.empty() || call.find('/') != std::string::npos || call.starts_with('.'))
                    throw Error(fmt::format("names a call {}, which is no folder's name", io::in_quotes(call)));
        }
    } catch (const nlohmann::json::exception&) {  // in a parser's words
        io::refuse(path, "has a \"case\" or \"calls\" that is no text or list of texts; " + accepted);
    } catch (const Error& e) {
        io::refuse(path, fmt::format("{}; {}", e.what(), accepted));
    }
    return index;
}

bool shows_no_number(const Finding& f) {
    return !std::isfinite(f.error) || f.where.find("nan") != std::string::npos ||
           f.where.find("inf") != std::string::npos;
}

std::set<std::string> calls_of(const Index& index) {
    std::set<std::string> names;
    for (const auto& [c, calls] : index) names.insert(calls.begin(), calls.end());
    return names;
}

class JudgedScript final : public Script {
public:
    explicit JudgedScript(const JudgeOptions& options)
        : options_(options), index_(read_index(options.folder, options.name)),
          answers_(options.folder, options.outputs, calls_of(index_), options.accept_nan) {
        answers_.each([&](const Answer& a) { problems_.insert(content_of_problem(a.in.problem)); });
        // of a case whose check makes calls of other problems, say of a layer's weights, its own is none
        for (const auto& [c, calls] : index_) problems_.insert(content_of_problem(c.problem()));
    }

    std::string name() const override { return options_.name; }
    std::string description() const override { return "what a script wrote into " + options_.folder.string(); }
    Support supports(const Problem& p) const override {
        if (problems_.contains(content_of_problem(p))) return {};
        return {p.dense() ? "not exported" : "views with these strides were not exported"};
    }
    DType state_dtype(const Problem& p) const override { return answers_.state_dtype(p.spec.variant, p.dtype); }
    Accumulation accumulation(DType) const override { return options_.accumulation; }
    bool updates_state() const override { return true; }
    Saves saves() const override { return {answers_.given(Quantity::mean), false, answers_.given(Quantity::rstd)}; }
    std::string origin() const override {
        std::string flags = "--judge " + system::shell_word(options_.folder.string());
        if (!options_.outputs.empty()) flags += " --outputs " + system::shell_word(options_.outputs.string());
        if (options_.accumulation != Accumulation::sequential)
            flags += fmt::format(" --accumulation {}", name_of(options_.accumulation));
        if (options_.accept_nan) flags += fmt::format(" {}", accept_nan_flag);
        return flags;
    }
    std::unique_ptr<Plan> plan(const Problem& p) const override {
        return std::make_unique<Playback>(p, answers_, saves());
    }

    std::vector<Case> cases(const Selection& s) const override {
        const auto chosen = [](const auto& asked, const auto& value) {
            return asked.empty() || std::ranges::find(asked, value) != asked.end();
        };
        std::set<std::string_view> checks;
        for (const std::string& check : s.checks) checks.insert(find_check(check).name);
        std::vector<Case> all;
        for (const auto& [c, calls] : index_)
            if (chosen(s.variants, c.variant) && chosen(s.dtypes, c.dtype) && chosen(s.layouts, c.layout) &&
                chosen(s.modes, c.mode) && (checks.empty() || checks.contains(find_check(c.check).name)))
                all.push_back(c);
        if (all.empty()) throw Error(none_chosen(s));
        return all;
    }

    void complete(Outcome& o) const override {
        std::erase_if(o.findings, [&](const Finding& f) { return !judged(o.test, f.quantity); });
        const auto exported =
            std::ranges::find(index_, o.test.text(), [](const auto& entry) { return entry.first.text(); });
        if (exported == index_.end()) return;
        const std::vector<const Answer*> calls = answers_.of(exported->second);
        if (std::ranges::all_of(calls, &Answer::blank)) {
            o.findings.clear();
            o.skipped = fmt::format("the script wrote nothing for {}{}", calls.at(0)->name,
                                    calls.size() > 1 ? " and its other calls" : "");
            return;
        }
        const bool by_convention = !options_.accept_nan && std::ranges::any_of(calls, &Answer::zero_over_zero);
        const auto with_nan = std::ranges::find_if(calls, [](const Answer* a) { return !a->nan.empty(); });
        for (Finding& f : o.findings)
            if (f.verdict == Verdict::fail || f.verdict == Verdict::unresolved) {
                if (std::isnan(f.error) && with_nan != calls.end())
                    f.note += (f.note.empty() ? "" : "; ") + (*with_nan)->nan;
                if (by_convention && shows_no_number(f))
                    f.note += fmt::format(
                        "{}convention: where variance and eps are 0, normlab has x_hat = 0 and dx = 0; {} "
                        "accepts what is not finite there",
                        f.note.empty() ? "" : "; ", accept_nan_flag);
                f.note += fmt::format("{}of {}{}", f.note.empty() ? "" : "; ", calls[0]->name,
                                      calls.size() > 1 ? fmt::format(" and {} calls more", calls.size() - 1) : "");
            }
        std::map<std::string_view, std::string> missing;  // one a quantity
        for (const Answer* a : calls)
            for (const auto& [q, why] : a->missing) missing.emplace(row_of(q).name_in(a->in.problem.spec), why);
        if (missing.empty()) return;
        o.skipped.clear();
        // What comes of numbers that are not there is no finding. Of a result that is there, NaN is one.
        const auto of_what_is_missing = [&](const Finding& f) {
            const auto is = [&](const QuantityRow& q) { return f.quantity == q.name; };
            return f.verdict != Verdict::pass && shows_no_number(f) &&
                   (missing.contains(f.quantity) || std::ranges::none_of(quantities::results(), is));
        };
        std::erase_if(o.findings, of_what_is_missing);
        for (const auto& [name, why] : missing) {
            Finding f = measured(name, std::numeric_limits<double>::quiet_NaN(), 0, why);
            f.cause = fmt::format("{} is missing or cannot be read", name);
            o.findings.push_back(f);
        }
    }

    std::vector<std::string> left_out() const override { return answers_.left_out(); }

private:
    std::string none_chosen(const Selection& s) const {
        std::vector<std::string> variants, dtypes, flags;  // in the folder's order
        const auto add = [](std::vector<std::string>& to, std::string_view name) {
            if (std::ranges::find(to, name) == to.end()) to.emplace_back(name);
        };
        for (const auto& [c, calls] : index_) add(variants, c.variant), add(dtypes, name_of(c.dtype));
        const auto say = [&](std::string_view flag, const auto& values) {
            std::vector<std::string> words;
            for (const auto& v : values)
                if constexpr (std::is_same_v<decltype(v), const std::string&>) words.push_back(v);
                else words.emplace_back(name_of(v));
            if (!words.empty()) flags.push_back(fmt::format("{} {}", flag, fmt::join(words, ",")));
        };
        say("--variant", s.variants), say("--check", s.checks), say("--dtype", s.dtypes);
        say("--layout", s.layouts), say("--mode", s.modes);
        return fmt::format("{} holds calls of {} in {}; {} {} none of its cases", options_.folder.string(),
                           in_words(variants), in_words(dtypes), in_words(flags),
                           flags.size() == 1 ? "chooses" : "choose");
    }

    // Whether it is the script that the finding speaks of.
    bool judged(const Case& c, const std::string& quantity) const {
        const bool own = c.problem().own_statistics();
        const auto given = [&](Quantity q) { return answers_.given(c.variant, q); };
        for (const StateArray& a : state_arrays)
            if (quantity == a.name) return given(a.quantity);
        for (const QuantityRow& q : quantities::results()) {
            if (quantity != q.name) continue;
            if (q.quantity == Quantity::dgamma) return has_gamma(c.affine);
            if (q.quantity == Quantity::dbeta) return has_beta(c.affine);
            if (q.output) return true;
            // no script is asked for a variance
            return (q.quantity == Quantity::var || given(q.quantity)) && (own || !q.saves);
        }
        if (quantity == row_of(Quantity::ddgamma).name) return has_gamma(c.affine);
        if (quantity.starts_with("saved")) return own;
        if (quantity.starts_with("running")) return given(Quantity::running_mean) && given(Quantity::running_spread);
        return quantity != "negative saved var" && quantity != "updates miscounted" &&
               quantity != "State changed by evaluation";
    }

    JudgeOptions options_;
    Index index_;
    Answers answers_;
    std::set<std::string> problems_;
};

}  // namespace

const Script& add_script(const JudgeOptions& options) {
    return static_cast<const Script&>(register_implementation(std::make_unique<JudgedScript>(options)));
}

}  // namespace normlab::verify
