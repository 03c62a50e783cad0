#include "verify/exchange/vector_case.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/operation.hpp"
#include "system/shell.hpp"
#include "verify/exchange/vector_told.hpp"
#include "verify/truth/range.hpp"

namespace normlab::verify {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view truth_name = "truth";

class Vector {
public:
    Vector(VectorFile file, fs::path top)
        : file_(std::move(file)), top_(std::move(top)), name_(file_.folder.filename().string()) {}

    // Truth, and every selected implementation in every layout.
    std::vector<Outcome> run(const Selection& selection) {
        load(file_);
        try {
            steps_ = steps_of(file_);
            for (const Step& s : steps_) validate(s.in.problem);
            told_ = told(steps_);
        } catch (const Error& e) {
            refused_ = e.what();
        }
        if (steps_.empty()) return {refusal(outcome(truth_name, Layout::channels_first), refused_)};
        if (steps_[0].in.problem.spec.quantizes()) {
            Outcome out = outcome(truth_name, Layout::channels_first);
            out.skipped = "y of 8 bits: --judge judges what normlab export asked for, and nothing else of it";
            return {out};
        }
        std::vector<Outcome> all;
        if (refused_.empty()) all.push_back(against_truth());
        bool ran = false;
        for (const std::string& implementation : chosen_implementations(selection))
            for (Layout layout : selection.layouts.empty() ? std::vector{Layout::channels_first, Layout::channels_last}
                                                           : selection.layouts) {
                const Shape& shape = steps_[0].in.problem.shape;
                // the same memory
                if (layout == Layout::channels_last && selection.layouts.empty() && (shape.S == 1 || shape.C == 1))
                    continue;
                all.push_back(on(find_implementation(implementation), layout));
                ran |= all.back().skipped.empty();
                // asked for by name: it is to judge all of them, but what an implementation need not have
                if (!selection.implementations.empty() && !all.back().skipped.empty() && !twice())
                    all.back() = failed_vector(outcome(implementation, layout), all.back().skipped);
            }
        if (!ran && !twice())
            all.push_back(failed_vector(outcome("-", Layout::channels_first), "no implementation ran it"));
        return all;
    }

    Outcome outcome(std::string_view implementation, Layout layout) const {
        Outcome out;
        out.test.variant = variant_of(file_.op).name, out.test.implementation = implementation;
        out.test.dtype = file_.dtype, out.test.layout = layout;
        if (!steps_.empty()) out.test.shape = steps_[0].in.problem.shape, out.test.mode = steps_[0].in.problem.mode;
        out.name = fmt::format("{} {} {}", name_, implementation, name_of(layout));
        out.rerun =
            fmt::format("normlab verify --vectors {} --only {}", system::shell_word(top_), system::shell_word(name_));
        if (implementation != truth_name)
            out.rerun += fmt::format(" --impl {} --layout {}", implementation, name_of(layout));
        return out;
    }

private:
    bool twice() const { return file_.op.ends_with(double_backward); }

    // Where the README lets us compute or refuse.
    bool lenient() const {
        const Spec own = variant_of(file_.op).make();
        // one a channel is refused, by all
        return file_.tags.contains("quirk") ||
               (file_.tags.contains("one_element") && own.centred() && own.block.channels);
    }

    // The call was refused.
    Outcome refusal(Outcome out, const std::string& why) const {
        if (!file_.expect_error && !lenient()) return failed_vector(std::move(out), "refused: " + why);
        Finding f = measured("refusal", 0, 0);
        f.note = "ours: " + why;
        out.findings.push_back(f);
        return out;
    }

    Outcome against_truth() const {
        Outcome out = outcome(truth_name, Layout::channels_first);
        for (const Told& t : told_)
            for (const Target& target : t.step->targets)
                out.findings.push_back(judged(target, t, t.values, truth_bounds(t)));
        return out;
    }

    Outcome on(const Implementation& implementation, Layout layout) {
        Outcome out = outcome(implementation.name(), layout);
        for (const Step& s : steps_) {
            Problem p = s.in.problem;
            p.layout = layout, p.device = implementation.device();
            if (const Support support = implementation.supports(p); refused_.empty() && !support) {
                out.skipped = implementation.name() + " declines: " + support.reason;
                return out;
            }
        }
        std::vector<Outputs<double>> outputs;
        try {
            for (const Step& s : steps_) {
                Inputs<double> in = s.in;
                in.problem.layout = layout;
                if (!outputs.empty()) in.state = outputs.back().state;
                outputs.push_back(verify::run(implementation, in));
            }
        } catch (const Declined& e) {  // double backward
            out.skipped = e.what();
            return out;
        } catch (const Error& e) {
            return refusal(std::move(out), e.what());
        } catch (const std::bad_alloc&) {
            throw;
        } catch (const std::exception& e) {
            return failed_vector(std::move(out), e.what());
        }
        if (!refused_.empty())
            return failed_vector(std::move(out), fmt::format("computed; to be refused: {}", refused_));
        if (file_.expect_error && !lenient())
            return failed_vector(std::move(out),
                                 fmt::format("computed; the outside refuses it: {}", *file_.expect_error));
        judge(implementation, outputs, out);
        if (file_.expect_error) {
            Finding f = measured("refusal", 0, 0);
            f.note = "ours computes it";
            out.findings.push_back(f);
        }
        return out;
    }

    void judge(const Implementation& implementation, const std::vector<Outputs<double>>& outputs, Outcome& out) const {
        StateError before;
        for (std::size_t k = 0; k < told_.size(); ++k) {
            const Told& t = told_[k];
            Inputs<double> in = t.in;
            if (k > 0) in.state = outputs[k - 1].state;
            const Accumulation accumulation = implementation.accumulation(file_.dtype);
            const ByQuantity got = values_of(in, outputs[k]), bounds = bounds_of(t.in, t.truth, accumulation, before);
            std::string outside;
            for (const truth::Block& b : t.truth.blocks)
                if (outside.empty()) outside = outside_range(b, t.in.x, file_.dtype, accumulation);
            for (const Target& target : t.step->targets) {
                if (got[target.quantity].empty()) continue;  // not saved by this implementation
                Finding f = judged(target, t, got, bounds);
                const bool of_squares = target.quantity != Quantity::dbeta && target.quantity != Quantity::mean &&
                                        target.quantity != Quantity::running_mean && target.quantity != Quantity::count;
                if (f.verdict == Verdict::fail && !outside.empty() && of_squares) {
                    f.verdict = artefact() ? Verdict::skipped : Verdict::unresolved;
                    f.note += (f.note.empty() ? "" : "; ") + outside + "; ours at " + f.where;
                }
                out.findings.push_back(std::move(f));
            }
            before = {bounds[Quantity::running_mean], bounds[Quantity::running_spread]};
        }
    }

    // The outside's own arithmetic gave way on these numbers too.
    bool artefact() const {
        return file_.nonfinite || std::ranges::any_of(file_.tags, [](const std::string& t) {
                   return t == "overflow" || t == "underflow" || t == "eps0" || t == "zero";
               });
    }

    VectorFile file_;
    fs::path top_;
    std::string name_;
    std::vector<Step> steps_;
    std::vector<Told> told_;
    std::string refused_;  // why; empty: the call is one
};

}  // namespace

std::vector<Outcome> run_vector(VectorFile file, const fs::path& top, const Selection& selection) {
    return Vector(std::move(file), top).run(selection);
}

Outcome failed_vector(Outcome out, const std::string& why) {
    out.findings.push_back(measured("vector", std::numeric_limits<double>::infinity(), 0, why));
    return out;
}

}  // namespace normlab::verify
