#include "verify/run/shrink.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "system/interrupt.hpp"
#include "verify/case/draw.hpp"
#include "verify/case/settings.hpp"
#include "verify/run/run_cases.hpp"

namespace normlab::verify {
namespace {

class Shrinker {
public:
    Shrinker(const Case& failing, const std::function<bool(const Case&)>& fails, int budget)
        : best_(failing), fails_(fails), left_(budget) {}

    // Keeps the change if the case still fails. True if it was kept.
    template <class Change>
    bool attempt(Change change) {
        Case c = best_;
        change(c);
        if (!has_gamma(c.affine)) c.gamma = {};  // nobody reads them
        if (!has_beta(c.affine)) c.beta = {};
        if (left_ <= 0 || system::interrupted() || c.text() == best_.text() || !is_valid(c) || c.shape.size() == 0)
            return false;
        if (const Check& check = find_check(c.check); !check.refuses(c).empty()) return false;
        left_ -= 1 + static_cast<int>(c.shape.size() / 2000);  // large ones take longer
        if (!fails_(c)) return false;
        best_ = std::move(c);
        return true;
    }

    void settings() {
        for (const std::vector<const Setting*>& together : settings_to_simplify())
            while (attempt([&](Case& c) {
                for (const Setting* s : together) s->simplify(c);
            })) {
            }
        attempt([](Case& c) { c.layout = Layout::channels_first; });
    }

    void shape() {
        if (best_.tile) return;
        for (bool smaller = true; smaller;) {
            smaller = false;
            for (std::int64_t Shape::*dim : {&Shape::N, &Shape::C, &Shape::S})
                for (auto less : {+[](std::int64_t) { return std::int64_t{1}; }, +[](std::int64_t n) { return n / 2; },
                                  +[](std::int64_t n) { return n - 1; }})
                    smaller |= attempt([&](Case& c) {
                        const std::int64_t size = less(c.shape.*dim);
                        if (size < 1) return;
                        c.shape.*dim = size;
                        if (c.groups && c.shape.C % *c.groups) c.groups = 1;
                    });
            for (const Setting* s : settings_of(Part::size)) smaller |= attempt(s->simplify);
        }
    }

    // The numbers themselves, where the check looks at them: 0 or 1, or with fewer digits.
    void values() {
        if (!find_check(best_.check).real_data || best_.shape.size() > 32) return;
        const auto write = [](Case& c, Values Case::*which, const std::vector<double>& drawn) {
            c.*which = {"", drawn};
        };
        const Inputs<double> in = draw(best_);
        const bool explicit_x = attempt([&](Case& c) {
            write(c, &Case::x, in.x);
            c.kappa = c.sigma = 1, c.offset = 0;
        });
        const bool explicit_dy = attempt([&](Case& c) { write(c, &Case::dy, in.dy); });
        if (explicit_x) simpler(&Case::x);
        if (explicit_dy) simpler(&Case::dy);
    }

    const Case& best() const { return best_; }

private:
    void simpler(Values Case::*which) {
        for (std::size_t i = 0; i < (best_.*which).given.size(); ++i)
            for (int digits : {-1, -2, 0, 1, 2}) {  // 0, 1, then rounded
                const double old = (best_.*which).given[i];
                const double scale = std::pow(10.0, digits);
                const double v = digits == -1 ? 0 : digits == -2 ? 1 : std::round(old * scale) / scale;
                if (v != old && attempt([&](Case& c) { (c.*which).given[i] = v; })) break;
            }
    }

    Case best_;
    const std::function<bool(const Case&)>& fails_;
    int left_;
};

}  // namespace

Case shrunk(const Case& failing, const std::function<bool(const Case&)>& fails, int budget) {
    if (failing.data) return failing;
    Shrinker s(failing, fails, budget);
    s.settings(), s.shape(), s.settings(), s.values();
    return s.best();
}

bool fails_at(const Case& c, const std::string& quantity, bool finite) {
    try {
        const Outcome o = run_case(c);
        return std::ranges::any_of(o.findings, [&](const Finding& f) {
            return f.verdict == Verdict::fail && f.quantity == quantity && (!finite || std::isfinite(f.error));
        });
    } catch (const Error&) {
        return false;
    } catch (const system::Interrupted&) {
        return false;
    }
}

std::vector<Case> shrink_failures(std::vector<Outcome>& outcomes) {
    constexpr std::size_t most = 8;
    std::set<std::string> seen;
    std::vector<Case> made_small;
    for (Outcome& o : outcomes) {
        const auto f = std::ranges::find(o.findings, Verdict::fail, &Finding::verdict);
        if (f == o.findings.end() || !o.rerun.empty() || o.test.data || seen.size() >= most) continue;
        if (!seen.insert(o.test.check + " " + o.test.variant + " " + o.test.implementation).second) continue;
        if (f->quantity == "time") continue;  // hundreds of cases that do not end either
        if (system::interrupted()) break;
        const bool finite = std::isfinite(f->error);
        const Case small = shrunk(o.test, [&](const Case& c) { return fails_at(c, f->quantity, finite); });
        if (small.text() != o.test.text()) o.smaller = small.rerun();
        made_small.push_back(small);
    }
    return made_small;
}

}  // namespace normlab::verify
