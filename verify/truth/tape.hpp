#pragma once
// Reverse-mode differentiation of plain arithmetic in quad precision: values are recorded on a tape, one backward sweep
// gives the derivative of one result by every leaf. Truth's backward is this applied to truth's forward: nobody derived
// a formula for it.

#include <cstddef>
#include <vector>

#include "norms/quad.hpp"

namespace normlab::truth {

class Tape {
public:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    std::size_t record(std::size_t a, const Quad& da, std::size_t b, const Quad& db) {
        nodes_.push_back({a, b, da, db});
        return nodes_.size() - 1;
    }
    void clear() { nodes_.clear(); }

    /// d result / d node, for every node.
    std::vector<Quad> derivatives(std::size_t result) const {
        std::vector<Quad> by(nodes_.size(), Quad(0));
        by[result] = 1;
        for (std::size_t i = result + 1; i-- > 0;) {
            if (by[i] == 0) continue;
            const Node& node = nodes_[i];
            if (node.a != none) by[node.a] += node.da * by[i];
            if (node.b != none) by[node.b] += node.db * by[i];
        }
        return by;
    }

private:
    struct Node {
        std::size_t a, b;  // the operands
        Quad da, db;       // derivative of the result by each
    };
    std::vector<Node> nodes_;
};

/// A number that may be on a tape; without one it is a constant.
struct Recorded {
    Quad value = 0;
    std::size_t node = Tape::none;
    Tape* tape = nullptr;

    Recorded() = default;
    Recorded(const Quad& v) : value(v) {}
    Recorded(const Quad& v, Tape& t) : value(v), node(t.record(Tape::none, 0, Tape::none, 0)), tape(&t) {}
};

inline Recorded recorded(const Quad& value, const Recorded& a, const Quad& da, const Recorded& b, const Quad& db) {
    Recorded out(value);
    out.tape = a.tape ? a.tape : b.tape;
    if (out.tape) out.node = out.tape->record(a.node, da, b.node, db);
    return out;
}
inline Recorded operator+(const Recorded& a, const Recorded& b) { return recorded(a.value + b.value, a, 1, b, 1); }
inline Recorded operator-(const Recorded& a, const Recorded& b) { return recorded(a.value - b.value, a, 1, b, -1); }
inline Recorded operator*(const Recorded& a, const Recorded& b) {
    return recorded(a.value * b.value, a, b.value, b, a.value);
}
inline Recorded operator/(const Recorded& a, const Recorded& b) {
    const Quad q = a.value / b.value;
    return recorded(q, a, 1 / b.value, b, -q / b.value);
}
inline Recorded sqrt(const Recorded& a) {
    const Quad root = sqrt(a.value);
    return recorded(root, a, 1 / (2 * root), {}, 0);
}

}  // namespace normlab::truth
