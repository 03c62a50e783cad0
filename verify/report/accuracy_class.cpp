#include "verify/report/accuracy_class.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "norms/names.hpp"

namespace normlab::verify {
namespace {

constexpr double told[] = {1, 1e2, 1e3, 1e4, 1e6};  // kappas that the table has a column for

// Whether the kappa of the case is all that is special about its numbers.
bool plain(const Case& c) {
    return c.sigma == 1 && c.offset == 0 && c.x == Values{} && c.gamma == Values{} && c.beta == Values{} && !c.eps &&
           !c.data && c.mode == Mode::train && c.state == StateKind::near && !c.output;
}

void add(std::map<double, double>& errors, double kappa, double error) {
    double& worst = errors[kappa];
    worst = std::isnan(error) || error > worst ? error : worst;
}

}  // namespace

const std::string_view accuracy_meaning =
    "kappa is the mean of the data over their spread: 1 to 50 for activations of real nets, up to 1e3 in residual "
    "streams";

std::string_view AccuracyClass::name() const {
    if (growth.size() < 2) return "-";
    const double floor = growth.begin()->second;
    // from where the error has left its floor to where it stops meaning anything
    std::vector<std::pair<double, double>> points;
    double last = floor, last_kappa = growth.begin()->first;
    for (const auto& [kappa, error] : growth) {
        if (error > 3 * floor && error < 0.1) points.emplace_back(std::log10(kappa), std::log10(error));
        if (!(last < 0.1)) break;
        last = error, last_kappa = kappa;
    }
    if (points.empty() && last <= 3 * floor) return "flat";
    // too few for a line: from the floor at kappa 1 to the last that means something
    const double slope =
        points.size() >= 3 ? fitted_slope(points) : std::log10(last / floor) / std::max(std::log10(last_kappa), 0.5);
    return slope < 0.5 ? "flat" : slope < 1.5 ? "slope 1" : "slope 2";
}

std::optional<int> AccuracyClass::decimals(double kappa) const {
    if (errors.empty() || errors.rbegin()->first < kappa) return {};
    double worst = 0;
    for (const auto& [at, error] : errors)
        if (at <= kappa) worst = std::isnan(error) || error > worst ? error : worst;
    if (!(worst < 0.5)) return 0;
    return worst == 0 ? 16 : static_cast<int>(std::floor(-std::log10(2 * worst)));
}

std::vector<AccuracyClass> accuracy_classes(const std::vector<Outcome>& outcomes) {
    std::vector<AccuracyClass> classes;
    std::map<std::tuple<std::string, std::string, DType>, std::size_t> index;
    for (const Outcome& o : outcomes) {
        const Case& c = o.test;
        if (!o.name.empty() || !o.skipped.empty()) continue;
        const std::string_view check = find_check(c.check).name;
        if (check != "accuracy" && check != "kappa_slope") continue;
        const auto [at, added] = index.try_emplace({c.implementation, c.variant, c.dtype}, classes.size());
        if (added) classes.push_back({.implementation = c.implementation, .variant = c.variant, .dtype = c.dtype});
        AccuracyClass& all = classes[at->second];
        for (const Finding& f : o.findings) {
            for (const auto& [kappa, error] : f.curve) add(all.errors, kappa, error), add(all.growth, kappa, error);
            if (check != "accuracy") continue;
            ++(f.not_judged ? all.not_judged : all.judged);
            if (f.not_judged) all.quantities.insert(f.quantity);
            if (f.quantity != "y" || !plain(c)) continue;
            add(all.errors, c.kappa, f.error);
            if (c.problem().block_size() <= 64) add(all.growth, c.kappa, f.error);
        }
    }
    std::erase_if(classes, [](const AccuracyClass& c) { return c.errors.size() < 2 && c.not_judged == 0; });
    return classes;
}

std::vector<AccuracyClass> joined(const std::vector<AccuracyClass>& classes) {
    std::vector<AccuracyClass> rows;
    for (const AccuracyClass& c : classes) {
        const auto alike = [&](const AccuracyClass& row) {
            return row.implementation == c.implementation && row.dtype == c.dtype && row.name() == c.name();
        };
        const auto row = std::ranges::find_if(rows, alike);
        if (row == rows.end()) {
            rows.push_back(c);
            continue;
        }
        row->variant += ", " + c.variant;
        for (const auto& [kappa, error] : c.errors) add(row->errors, kappa, error);
        row->judged += c.judged, row->not_judged += c.not_judged;
        row->quantities.insert(c.quantities.begin(), c.quantities.end());
    }
    std::ranges::stable_sort(rows, {}, [](const AccuracyClass& c) { return std::pair(c.implementation, c.dtype); });
    return rows;
}

std::string accuracy_text(const std::vector<Outcome>& outcomes) {
    const std::vector<AccuracyClass> rows = joined(accuracy_classes(outcomes));
    if (rows.empty()) return {};
    std::string text = fmt::format(
        "accuracy class, measured: right decimals of y for data up to a kappa\n({})\n"
        "{:<11} {:<5} {:<8} {:>3} {:>4} {:>4} {:>4} {:>4}  not judged  variants\n",
        accuracy_meaning, "impl", "dtype", "class", "1", "1e2", "1e3", "1e4", "1e6");
    for (const AccuracyClass& c : rows) {
        text += fmt::format("{:<11} {:<5} {:<8}", c.implementation, name_of(c.dtype), c.name());
        for (const double kappa : told) {
            const std::optional<int> decimals = c.decimals(kappa);
            text += fmt::format(" {:>{}}", decimals ? std::to_string(*decimals) : "-", kappa == 1 ? 3 : 4);
        }
        text += fmt::format("  {:>10}  {}\n", c.not_judged, c.variant);
    }
    std::size_t not_judged = 0, all = 0;
    std::set<std::string> quantities;
    for (const AccuracyClass& c : rows) {
        not_judged += c.not_judged, all += c.judged + c.not_judged;
        quantities.insert(c.quantities.begin(), c.quantities.end());
    }
    if (not_judged)
        text += fmt::format(
            "not judged: in {} of {} findings the promise allows anything, an error as large as the "
            "result ({})\n",
            not_judged, all, fmt::join(quantities, ", "));
    return text + "\n";
}

nlohmann::json accuracy_json(const std::vector<Outcome>& outcomes) {
    using nlohmann::json;
    json all = json::array();
    for (const AccuracyClass& c : accuracy_classes(outcomes)) {
        json errors = json::array(), decimals = json::object();
        for (const auto& [kappa, error] : c.errors)
            errors.push_back({kappa, std::isfinite(error) ? json(error) : json(fmt::format("{}", error))});
        for (const double kappa : told)
            if (const std::optional<int> d = c.decimals(kappa)) decimals[fmt::format("{:g}", kappa)] = *d;
        all.push_back({{"impl", c.implementation},
                       {"variant", c.variant},
                       {"dtype", name_of(c.dtype)},
                       {"class", c.name()},
                       {"errors_by_kappa", errors},
                       {"right_decimals", decimals},
                       {"judged", c.judged},
                       {"not_judged", c.not_judged},
                       {"quantities_not_judged", c.quantities}});
    }
    return all;
}

}  // namespace normlab::verify
