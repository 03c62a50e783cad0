// The bitwise checks and the contracts tested: an implementation that breaks one promise, around the reference, is
// called FAIL by the finding that names it.

#include <array>
#include <map>
#include <set>

#include "norms/variants.hpp"
#include "tests/catch.hpp"
#include "verify/check/watched.hpp"

using namespace normlab;

namespace {

struct Call {
    Problem problem;
    std::unique_ptr<Plan> right;
    int threads = 0;
};

// What is done in place of the reference's calls.
struct Wrong {
    std::function<Problem(Problem)> problem = [](Problem p) { return p; };
    std::function<void(const Call&, const ForwardArgs&)> forward = [](const Call& c, const ForwardArgs& a) {
        c.right->forward(a);
    };
    std::function<void(const Call&, const BackwardArgs&)> backward = [](const Call& c, const BackwardArgs& a) {
        c.right->backward(a);
    };
    bool deterministic = true;
};

class WrongPlan final : public Plan {
public:
    WrongPlan(const Problem& p, const Wrong& wrong)
        : call_{p, find_implementation("reference").plan(wrong.problem(p))}, wrong_(wrong) {}
    std::size_t workspace_bytes() const override { return sizeof(float); }
    void set_threads(int threads) override { call_.threads = threads; }
    void forward(const ForwardArgs& args) const override { wrong_.forward(call_, args); }
    void backward(const BackwardArgs& args) const override { wrong_.backward(call_, args); }

private:
    Call call_;
    Wrong wrong_;
};

// Not registered: other tests go through what is.
class WrongImplementation final : public Implementation {
public:
    explicit WrongImplementation(Wrong wrong) : wrong_(std::move(wrong)) {}
    std::string name() const override { return "wrong"; }
    std::string description() const override { return "the reference with a broken promise"; }
    Support supports(const Problem& p) const override {
        return p.outputs() == p.dtype ? Support{} : Support{"its promises are broken in elements of the data's type"};
    }
    bool deterministic() const override { return wrong_.deterministic; }
    std::unique_ptr<Plan> plan(const Problem& p) const override { return std::make_unique<WrongPlan>(p, wrong_); }

private:
    Wrong wrong_;
};

thread_local const void* last_of_thread = nullptr;

float& at(const Tensor& t, std::int64_t i) { return static_cast<float*>(t.data)[i]; }
float at(const ConstTensor& t, std::int64_t i) { return static_cast<const float*>(t.data)[i]; }

// What FAILs of the check, over its ci cases of the variant in f32.
std::vector<verify::Finding> failures(std::string_view check_name, std::string_view variant, const Wrong& wrong) {
    const WrongImplementation implementation(wrong);
    const verify::Check& check = verify::find_check(check_name);
    std::vector<verify::Finding> failed;
    for (const Mode mode : {Mode::train, Mode::eval}) {
        verify::Case base;
        base.variant = variant, base.check = check_name, base.dtype = DType::f32, base.mode = mode;
        for (const verify::Case& c : check.cases(base, verify::Tier::ci)) {
            if (!verify::is_valid(c) || !check.refuses(c).empty() || !implementation.supports(c.problem())) continue;
            for (const verify::Finding& f : check.run(c, implementation))
                if (f.verdict == verify::Verdict::fail) failed.push_back(f);
        }
    }
    return failed;
}

// Their quantities.
std::set<std::string> failing(std::string_view check_name, std::string_view variant, const Wrong& wrong) {
    std::set<std::string> names;
    for (const verify::Finding& f : failures(check_name, variant, wrong)) names.insert(f.quantity);
    return names;
}

using Names = std::set<std::string>;

Wrong forward_then(std::function<void(const Call&, const ForwardArgs&)> then) {
    return {.forward = [then](const Call& c, const ForwardArgs& a) { c.right->forward(a), then(c, a); }};
}

bool has_nan(const ConstTensor& t) {
    for (std::int64_t i = 0; i < t.shape.size(); ++i)
        if (std::isnan(at(t, i))) return true;
    return false;
}

}  // namespace

TEST_CASE("broken promises: none, and nothing fails") {
    for (const char* check : {"power_of_two", "permutation", "batch_independence", "exact_statistics", "repeat",
                              "reuse", "combinations", "contracts", "isolation", "refusal", "empty"})
        for (const Variant& v : variants) {
            CAPTURE(check, v.name);
            CHECK(failing(check, v.name, {}).empty());
        }
}

TEST_CASE("broken promises: an element past the end, for some sizes") {
    CHECK(failing("contracts", "layer_norm", forward_then([](const Call& c, const ForwardArgs& a) {
                      if (c.problem.shape.size() % 8 == 7) at(a.y, c.problem.shape.size()) = 0;
                  })) == Names{"writes outside"});
}

TEST_CASE("broken promises: beyond the workspace, and before a parameter") {
    CHECK(failing("contracts", "batch_norm", forward_then([](const Call&, const ForwardArgs& a) {
                      static_cast<float*>(a.workspace)[1] = 1;
                  })) == Names{"writes outside"});
    CHECK(failing("contracts", "batch_norm", {.backward = [](const Call& c, const BackwardArgs& a) {
                      c.right->backward(a);
                      static_cast<float*>(a.gradients.dbeta)[-1] = 1;
                  }}) == Names{"writes outside"});
}

TEST_CASE("broken promises: a read beyond an array, and a write that is undone") {
    [[maybe_unused]] static volatile float read;  // set and not used
    CHECK(failing("contracts", "layer_norm", forward_then([](const Call& c, const ForwardArgs& a) {
                      if (c.problem.shape.size() % 8 == 7) read = at(a.x, c.problem.shape.size());
                  })) == Names{"reads outside"});
    CHECK(failing("contracts", "batch_norm", {.backward = [](const Call& c, const BackwardArgs& a) {
                      c.right->backward(a);
                      read = static_cast<const float*>(a.dy.data)[-1];
                  }}) == Names{"reads outside"});
    CHECK(failing("contracts", "layer_norm", forward_then([](const Call&, const ForwardArgs& a) {
                      if (a.y.data == a.x.data) return;
                      auto* x = static_cast<volatile float*>(const_cast<void*>(a.x.data));
                      const float before = x[0];
                      x[0] = before + 1;
                      x[0] = before;
                  })) == Names{"inputs modified"});
}

TEST_CASE("broken promises: the last element is not written") {
    CHECK(failing("contracts", "group_norm", {.forward = [](const Call& c, const ForwardArgs& a) {
                      const std::int64_t last = c.problem.shape.size() - 1;
                      const float before = at(a.y, last);
                      c.right->forward(a);
                      if (a.y.data != a.x.data) at(a.y, last) = before;
                  }}) == Names{"outputs written"});
}

TEST_CASE("broken promises: dgamma is added to what was there") {
    CHECK(failing("contracts", "rms_norm", {.backward = [](const Call& c, const BackwardArgs& a) {
                      auto* dgamma = static_cast<float*>(a.gradients.dgamma);
                      const float before = dgamma[0];
                      c.right->backward(a);
                      dgamma[0] += before;
                  }}) == Names{"outputs written"});
}

TEST_CASE("broken promises: an input is modified") {
    CHECK(failing("contracts", "layer_norm", {.backward = [](const Call& c, const BackwardArgs& a) {
                      c.right->backward(a);
                      if (a.gradients.dx.data != a.dy.data) static_cast<float*>(const_cast<void*>(a.dy.data))[0] = 0;
                  }}) == Names{"inputs modified"});
    CHECK(failing("contracts", "weight_norm", {.backward = [](const Call& c, const BackwardArgs& a) {
                      c.right->backward(a);
                      const_cast<double*>(a.saved.rstd)[0] = 0;
                  }}) == Names{"inputs modified"});
}

TEST_CASE("broken promises: evaluation moves State") {
    const Wrong moves = forward_then([](const Call& c, const ForwardArgs& a) {
        if (c.problem.mode == Mode::eval && a.state.mean) a.state.mean[c.problem.shape.C - 1] += 1;
    });
    for (const char* variant : {"batch_norm", "batch_renorm", "instance_norm"})
        CHECK(failing("contracts", variant, moves) == Names{"State moved"});
}

TEST_CASE("broken promises: eps is clamped") {
    CHECK(failing("power_of_two", "batch_norm",
                  {.problem =
                       [](Problem p) {
                           p.spec.eps = std::max(p.spec.eps, 1e-8);
                           return p;
                       }})
              .contains("y"));
}

TEST_CASE("broken promises: values below a threshold are taken for 0") {
    CHECK(failing("power_of_two", "layer_norm", forward_then([](const Call& c, const ForwardArgs& a) {
                      if (std::abs(at(a.x, 0)) < 1e-5F) at(a.y, c.problem.shape.size() - 1) = 0;
                  })) == Names{"y"});
}

TEST_CASE("broken promises: one block is not computed as the others are") {
    const Wrong first =
        forward_then([](const Call&, const ForwardArgs& a) { at(a.y, 0) = std::nextafter(at(a.y, 0), 9.0F); });
    for (const char* variant : {"batch_norm", "layer_norm", "instance_norm"})
        CHECK(failing("permutation", variant, first).contains("y"));
}

TEST_CASE("broken promises: another path for a large batch") {
    CHECK(failing("batch_independence", "layer_norm", forward_then([](const Call& c, const ForwardArgs& a) {
                      if (c.problem.shape.N > 128) at(a.y, 0) = std::nextafter(at(a.y, 0), 9.0F);
                  })) == Names{"y"});
    CHECK(failing("batch_independence", "batch_norm", {.backward = [](const Call& c, const BackwardArgs& a) {
                      c.right->backward(a);
                      if (c.problem.shape.N == 1) at(a.gradients.dx, 0) = std::nextafter(at(a.gradients.dx, 0), 9.0F);
                  }}) == Names{"dx"});
}

TEST_CASE("broken promises: the result depends on threads, on alignment, on being in place") {
    CHECK(failing("repeat", "layer_norm", forward_then([](const Call& c, const ForwardArgs& a) {
                      if (c.threads == 3) a.saved.rstd[0] = std::nextafter(a.saved.rstd[0], 9.0);
                  })) == Names{"threads"});
    CHECK(failing("repeat", "batch_norm", {.backward = [](const Call& c, const BackwardArgs& a) {
                      c.right->backward(a);
                      const bool aligned = reinterpret_cast<std::uintptr_t>(a.dy.data) % 16 == 0,
                                 in_place = a.dy.data == a.gradients.dx.data;
                      if (!aligned && !in_place && c.threads == 1) at(a.gradients.dx, 0) = -at(a.gradients.dx, 0);
                  }}) == Names{"misaligned"});
    CHECK(failing("repeat", "batch_renorm", forward_then([](const Call&, const ForwardArgs& a) {
                      if (a.y.data == a.x.data) at(a.y, 0) += 1;
                  })) == Names{"in place"});
}

TEST_CASE("broken promises: scratch of the call before") {
    const auto failed = failing("repeat", "group_norm", forward_then([](const Call&, const ForwardArgs& a) {
                                    auto& scratch = *static_cast<float*>(a.workspace);
                                    at(a.y, 0) += scratch;
                                    scratch = 1;
                                }));
    CHECK(failed.contains("twice"));
    CHECK(failed.contains("dirty workspace"));
}

TEST_CASE("broken promises: backward reads what the last forward left, whoever's it was") {
    const auto last = std::make_shared<double>();
    CHECK(failing("repeat", "layer_norm",
                  {.forward =
                       [last](const Call& c, const ForwardArgs& a) {
                           c.right->forward(a);
                           *last = a.saved.mean[0];
                       },
                   .backward =
                       [last](const Call& c, const BackwardArgs& a) {
                           c.right->backward(a);
                           if (*last != a.saved.mean[0]) at(a.gradients.dx, 0) += 1;
                       }}) == Names{"other calls between"});
}

TEST_CASE("broken promises: what was prepared once is not prepared again") {
    // gamma, by its address
    const auto prepared = std::make_shared<std::map<std::pair<const Plan*, const void*>, std::vector<float>>>();
    const auto once = [prepared](const Call& c, Affine affine) {
        if (!affine.gamma || c.problem.dtype == DType::f64) return affine;
        const auto* gamma = static_cast<const float*>(affine.gamma);
        const auto known = prepared->try_emplace({c.right.get(), gamma}, gamma, gamma + c.problem.affine_count());
        affine.gamma = known.first->second.data();
        return affine;
    };
    CHECK(failing("reuse", "layer_norm",
                  {.forward =
                       [once](const Call& c, ForwardArgs a) {
                           a.affine = once(c, a.affine);
                           c.right->forward(a);
                       }})
              .contains("inputs rewritten"));
    // gamma of forward, in backward
    const auto kept = std::make_shared<std::map<const Plan*, std::vector<float>>>();
    CHECK(failing("reuse", "batch_norm",
                  {.forward =
                       [kept](const Call& c, const ForwardArgs& a) {
                           c.right->forward(a);
                           const auto* gamma = static_cast<const float*>(a.affine.gamma);
                           if (c.problem.dtype != DType::f64)
                               (*kept)[c.right.get()].assign(gamma, gamma ? gamma + c.problem.affine_count() : gamma);
                       },
                   .backward =
                       [kept](const Call& c, BackwardArgs a) {
                           if (c.problem.dtype != DType::f64 && !(*kept)[c.right.get()].empty())
                               a.affine.gamma = (*kept)[c.right.get()].data();
                           c.right->backward(a);
                       }}) == Names{"parameters changed before backward"});
    // what a thread keeps for itself
    CHECK(failing("reuse", "rms_norm",
                  {.forward =
                       [](const Call& c, const ForwardArgs& a) {
                           c.right->forward(a);
                           last_of_thread = a.y.data;
                       },
                   .backward =
                       [](const Call& c, const BackwardArgs& a) {
                           c.right->backward(a);
                           if (!last_of_thread) at(a.gradients.dx, 0) += 1;
                       }}) == Names{"calls on another thread"});
}

TEST_CASE("broken promises: a plan made for another problem of the same shape") {
    const auto eps = std::make_shared<std::map<std::array<std::int64_t, 3>, double>>();
    CHECK(failing("reuse", "layer_norm", {.problem = [eps](Problem p) {
                      const auto known = eps->try_emplace(std::array{p.shape.N, p.shape.C, p.shape.S}, p.spec.eps);
                      p.spec.eps = known.first->second;
                      return p;
                  }}) == Names{"other plans"});
}

TEST_CASE("broken promises: an update of shared sums is lost, with many threads or now and then") {
    const auto lost = [](auto when) {
        return Wrong{.backward = [when](const Call& c, const BackwardArgs& a) {
            c.right->backward(a);
            if (when(c)) static_cast<float*>(a.gradients.dgamma)[0] += 1;
        }};
    };
    CHECK(failing("threads", "layer_norm", lost([](const Call& c) { return c.threads == 3; })) ==
          Names{"numbers of threads"});
    CHECK(failures("threads", "layer_norm", lost([](const Call& c) { return c.threads > 3; }))[0].note ==
          "2 of 3 calls differ: with 6 threads, 16 threads");
    const auto calls = std::make_shared<int>(0);
    CHECK(failing("threads", "batch_norm",
                  lost([calls](const Call& c) { return c.problem.shape.N > 4096 && ++*calls % 5 == 0; }))
              .contains("backward repeated"));
    const auto rare = failing("many_calls", "group_norm", lost([calls](const Call&) { return ++*calls % 90 == 0; }));
    CHECK(rare.contains("calls that differ"));
    CHECK(rare.contains("plans that differ"));
}

TEST_CASE("broken promises: what promises no bits is held to its bounds") {
    const auto calls = std::make_shared<int>(0);
    const auto off_by = [calls](float distance) {
        return Wrong{.forward =
                         [calls, distance](const Call& c, const ForwardArgs& a) {
                             c.right->forward(a);
                             // what a mask leaves out has to be 0, and what is below a threshold tau
                             if (c.problem.dtype != DType::f32 || c.problem.spec.masked) return;
                             if (c.problem.spec.thresholds()) return;
                             if (++*calls % 7 == 0) at(a.y, 0) += distance;
                         },
                     .deterministic = false};
    };
    CHECK(failing("reuse", "layer_norm", off_by(1e-7F)).empty());
    CHECK(failing("many_calls", "layer_norm", off_by(1e-7F)).empty());
    CHECK(failing("many_calls", "layer_norm", off_by(1e-3F)).contains("calls that differ"));
}

TEST_CASE("broken promises: strides are ignored") {
    CHECK(failing("repeat", "channel_norm", {.forward = [](const Call& c, ForwardArgs a) {
                      a.x.sample_stride = 0;
                      c.right->forward(a);
                  }}) == Names{"strided"});
}

TEST_CASE("broken promises: NaN leaks out of its block") {
    CHECK(failing("isolation", "instance_norm", forward_then([](const Call& c, const ForwardArgs& a) {
                      if (has_nan(a.x)) at(a.y, 0) = at(a.y, c.problem.shape.size() - 1) = std::nanf("");
                  }))
              .contains("y"));
}

TEST_CASE("broken promises: NaN is hidden") {
    CHECK(failing("isolation", "layer_norm", forward_then([](const Call& c, const ForwardArgs& a) {
                      for (std::int64_t i = 0; i < c.problem.shape.size(); ++i)
                          if (std::isnan(at(a.y, i))) at(a.y, i) = 0;
                  })) == Names{"NaN in gamma or beta", "y"});
}

TEST_CASE("broken promises: one NaN spoils the running statistics of all channels") {
    CHECK(failing("isolation", "batch_norm", forward_then([](const Call& c, const ForwardArgs& a) {
                      if (c.problem.mode == Mode::train && has_nan(a.x))
                          std::fill_n(a.state.mean, c.problem.shape.C, std::nan(""));
                  })) == Names{"running statistics"});
}

TEST_CASE("broken promises: an element counted twice is told apart from rounding") {
    const Wrong counts = forward_then([](const Call& c, const ForwardArgs& a) {
        a.saved.mean[0] += static_cast<double>(at(a.x, 0)) / static_cast<double>(c.problem.block_size());
    });
    CHECK(failing("exact_statistics", "batch_norm", counts) == Names{"mean"});
    const verify::Case c = verify::parse_case("layer_norm reference f32 nchw 2x16x4 x=pairs check=exact_statistics");
    const auto note = [&](const Wrong& wrong) {
        return verify::find_check(c.check).run(c, WrongImplementation(wrong))[0].note;
    };
    CHECK(note(counts).starts_with("far above"));
    CHECK(note({}).empty());
}

TEST_CASE("broken promises: one element a block does not give beta") {
    CHECK(failing("refusal", "layer_norm", forward_then([](const Call& c, const ForwardArgs& a) {
                      if (c.problem.block_size() == 1) at(a.y, 0) += 1;
                  })) == Names{"y of one element"});
}

TEST_CASE("broken promises: what has to be refused is accepted, or refused too late") {
    const Problem p{batch_norm(), {1, 3, 1}, DType::f32};
    const State state = initial_state(p.spec, 3);
    using verify::Verdict;
    CHECK(verify::refused("", p, state, [](ConstTensor, State&, Tensor) {}).verdict == Verdict::fail);
    CHECK(verify::refused("", p, state, [](ConstTensor, State&, Tensor) { throw Error("no"); }).verdict ==
          Verdict::pass);
    CHECK(verify::refused("", p, state, [](ConstTensor, State& s, Tensor) {
              s.count = 1;
              throw Error("no");
          }).verdict == Verdict::fail);
    CHECK(verify::refused("", p, state, [](ConstTensor, State& s, Tensor) {
              s.var[2] = 0;
              throw Error("no");
          }).verdict == Verdict::fail);
    CHECK(verify::refused("", p, state, [](ConstTensor, State&, Tensor y) {
              at(y, 2) = 0;
              throw Error("no");
          }).verdict == Verdict::fail);
}

TEST_CASE("wrong layers: each is named by the check that looks at it") {
    const auto add_share_of_x = forward_then([](const Call& c, const ForwardArgs& a) {
        if (a.y.data != a.x.data)
            for (std::int64_t i = 0; i < c.problem.shape.size(); ++i) at(a.y, i) += 0.05f * at(a.x, i);
    });
    CHECK_FALSE(failing("bias_invariance", "batch_norm", add_share_of_x).empty());
    CHECK_FALSE(failing("invariance_table", "batch_norm", add_share_of_x).empty());
    CHECK_FALSE(failing("fold", "batch_norm", add_share_of_x).empty());
    CHECK_FALSE(failing("recalibrate", "batch_norm",
                        forward_then([](const Call&, const ForwardArgs& a) { a.saved.mean[0] += 0.01; }))
                    .empty());
    CHECK_FALSE(failing("symmetry", "layer_norm",
                        {.backward =
                             [](const Call& c, const BackwardArgs& a) {
                                 const float other = at(a.dy, 1);
                                 c.right->backward(a);
                                 at(a.gradients.dx, 0) += 0.05f * other;
                             }})
                    .empty());
    CHECK_FALSE(failing("gradient_masks", "layer_norm",
                        {.backward =
                             [](const Call& c, const BackwardArgs& a) {
                                 c.right->backward(a);
                                 if (a.gradients.dx.data && !a.gradients.dgamma) at(a.gradients.dx, 0) *= 1.001f;
                             }})
                    .empty());
    CHECK_FALSE(failing("cross_variant", "group_norm", forward_then([](const Call& c, const ForwardArgs& a) {
                            if (c.problem.spec.groups > 1) at(a.y, 0) += 0.05f;
                        }))
                    .empty());
}
