// What lies between the elements of strided tensors belongs to others.

#include <fmt/format.h>

#include "norms/variants.hpp"
#include "verify/check/session.hpp"

namespace normlab::verify {
namespace {

std::string needs_strides(const Case& c) {
    return c.strides == Strides::dense
               ? "its tensors are dense: nothing lies between elements; strides=samples, sliced, "
                 "... is accepted"
               : "";
}

std::vector<Case> gap_cases(const Case& base, Tier tier) {
    std::vector<Case> cases;
    const auto add = [&](Strides strides, const Shape& shape) {
        cases.push_back(with_shape(base, shape));
        Case& c = cases.back();
        c.strides = strides;
        if (c.groups && shape.C % 3 != 0) c.groups = shape.C % 2 == 0 ? 2 : 1;
    };
    if (repeats_training(with_state(base))) {
        add(Strides::samples, {5, 6, 3});
        return cases;
    }
    for (int k = 1; k <= last_strides; ++k) {
        add(static_cast<Strides>(k), {5, 6, 3});
        if (tier == Tier::smoke && k > 1) break;
        if (tier != Tier::smoke) add(static_cast<Strides>(k), {3, 64, 1}), add(static_cast<Strides>(k), {4, 3, 37});
    }
    add(Strides::sliced, {5, 6, 3}), cases.back().residual = Residual::stored;
    add(Strides::sliced, {3, 2, 17}), cases.back().affine = AffineUse::none;
    if (!is_weights(base.spec())) add(Strides::sliced, {5, 6, 3}), cases.back().mask = MaskPattern::scattered;
    add(Strides::samples, {100, 8, 1}), add(Strides::sliced, {1, 6, 5});
    if (tier == Tier::full)
        for (const std::int64_t e : {1, 2, 7, 8, 9, 16, 17, 65, 257})
            for (const Strides s : {Strides::samples, Strides::sliced}) add(s, {3, 2, e}), add(s, {2, e, 1});
    return cases;
}

std::vector<Finding> gaps(const Case& c, const Implementation& implementation) {
    const Inputs<double> in = draw(c);
    std::size_t written = 0;
    std::vector<Outputs<double>> results;
    for (const std::byte poison : {std::byte{0xff}, std::byte{0x7b}}) {  // NaN and huge, in every dtype
        Session session(implementation, in.problem, {.poison = poison});
        session.write(in);
        session.forward(), written += session.written_between();
        session.backward(), written += session.written_between();
        results.push_back(session.outputs());
    }
    const std::optional<Bounds> within = tolerance(implementation, in);
    std::vector<Finding> all;
    for (const QuantityRow& q : quantities::results()) {
        const std::vector<double>&got = q.in(results[1]), &expected = q.in(results[0]);
        if (!q.is_of(in.problem) || (got.empty() && expected.empty())) continue;
        all.push_back(same_values("gaps read", in.problem, got, expected, tolerance_of(within, q.bound)));
        if (!all.back().where.empty()) all.back().where = fmt::format("{} {}", q.name, all.back().where);
    }
    Finding read = worst(all);
    if (read.verdict == Verdict::fail) read.note = "results depend on what lies between the elements of the tensors";
    return {read, gaps_written(written)};
}

}  // namespace

extern const Check gaps_check{"gaps",
                              "tensors that are slices of larger ones, each with strides of its own, and expanded dy: "
                              "what lies between elements decides no result, and is not written",
                              false,
                              needs_strides,
                              gap_cases,
                              gaps,
                              true,
                              true,
                              true};

}  // namespace normlab::verify
