#include "verify/check/exact.hpp"

#include <cmath>
#include <cstring>

#include <fmt/format.h>

#include "verify/truth/quantities.hpp"

namespace normlab::verify {
namespace {

bool same(double a, double b, double within) {
    return a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= within;
}

// The quantity of an array of a run, if it has bounds.
const QuantityRow* quantity_of(const std::string& array) {
    for (const auto rows : {quantities::results(), quantities::second()})
        for (const QuantityRow& q : rows)
            if (q.name == array) return &q;
    for (const StateArray& a : state_arrays)
        if (a.name == array) return &row_of(a.quantity);
    return nullptr;
}

bool is_tensor(const std::string& array) {
    const QuantityRow* q = quantity_of(array);
    return q && q->per == Per::element;
}

double value(const Array& array, std::size_t at) {
    return read_element<double>(array.bytes.data(), array.dtype, static_cast<std::int64_t>(at));
}

}  // namespace

std::optional<Bounds> tolerance(const Implementation& implementation, const Inputs<double>& in) {
    if (implementation.deterministic()) return std::nullopt;
    return bounds_of_two(implementation, in);
}

Bounds bounds_of_two(const Implementation& implementation, const Inputs<double>& in) {
    Bounds b = error_bounds(in, truth::evaluate(in), implementation.accumulation(in.problem.dtype));
    for (const auto rows : {quantities::results(), quantities::second()})
        for (const QuantityRow& q : rows) b.*q.bound = twice(b.*q.bound);
    return b;
}

std::vector<double> tolerance_of(const std::optional<Bounds>& tolerance, std::vector<double> Bounds::*quantity) {
    return tolerance ? *tolerance.*quantity : std::vector<double>();
}

std::string element_text(const Problem& p, std::size_t i) {
    const auto C = static_cast<std::size_t>(p.shape.C), S = static_cast<std::size_t>(p.shape.S);
    return fmt::format("n={} c={} s={}", i / (C * S), i / S % C, i % S);
}

std::string entry_text(const Problem& p, std::size_t entry) {
    const auto C = static_cast<std::size_t>(p.shape.C), S = static_cast<std::size_t>(p.shape.S);
    switch (p.spec.affine_set) {
        case AffineSet::element: return fmt::format("c={} s={}", entry / S, entry % S);
        case AffineSet::sample_channel: return fmt::format("n={} c={}", entry / C, entry % C);
        case AffineSet::group: return fmt::format("g={}", entry);
        default: return fmt::format("c={}", entry);
    }
}

Finding none_of(std::string_view quantity, std::size_t count, std::string first) {
    return measured(quantity, static_cast<double>(count), 0, std::move(first));
}

Finding same_bits(std::string_view quantity, const Problem& p, const std::vector<Array>& got,
                  const std::vector<Array>& expected, const std::optional<Bounds>& within) {
    std::size_t different = 0;
    std::string first;
    if (got.size() != expected.size())
        return none_of(quantity, 1, fmt::format("{} arrays where {} are expected", got.size(), expected.size()));
    for (std::size_t a = 0; a < got.size(); ++a) {
        const Array &g = got[a], &e = expected[a];
        if (g.bytes == e.bytes && g.name == e.name) continue;
        if (g.name != e.name || g.size() != e.size())
            return none_of(quantity, 1, fmt::format("{} where {} is expected", g.name, e.name));
        const bool tensor = is_tensor(g.name);
        const QuantityRow* q = within ? quantity_of(g.name) : nullptr;
        if (within && !q && g.name != "count") continue;
        if (within && size_of(g.dtype) == 1) continue;  // the bounds are of what it stands for
        const std::vector<double> near = q ? tolerance_of(within, q->bound) : std::vector<double>();
        for (std::size_t i = 0; i < g.size(); ++i) {
            const std::size_t at = tensor ? memory_index(p, i) : i, width = size_of(g.dtype);
            if (std::memcmp(&g.bytes[at * width], &e.bytes[at * width], width) == 0) continue;
            if ((i < near.size() && same(value(g, at), value(e, at), near[i])) || different++ > 0) continue;
            first = fmt::format("{} {}: {:.17g}, expected {:.17g}", g.name,
                                tensor ? element_text(p, i) : fmt::format("[{}]", i), value(g, at), value(e, at));
        }
    }
    return none_of(quantity, different, first);
}

Finding same_values(std::string_view quantity, const Problem& p, const std::vector<double>& got,
                    const std::vector<double>& expected, const std::vector<double>& within) {
    if (got.size() != expected.size())
        return none_of(quantity, 1, fmt::format("{} values where {} are expected", got.size(), expected.size()));
    std::size_t different = 0;
    std::string first;
    for (std::size_t i = 0; i < got.size(); ++i) {
        if (same(got[i], expected[i], within.empty() ? 0 : within[i]) || different++ > 0) continue;
        const bool tensor = std::ssize(got) == p.shape.size() && p.shape.size() != p.shape.C;
        first = fmt::format("{}: {:.17g}, expected {:.17g}", tensor ? element_text(p, i) : fmt::format("[{}]", i),
                            got[i], expected[i]);
    }
    return none_of(quantity, different, first);
}

}  // namespace normlab::verify
