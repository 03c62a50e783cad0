#pragma once
// Reverse-mode differentiation of plain arithmetic in quad precision: values are recorded on a tape, one backward sweep
// gives the derivative of one result by every leaf. Truth's backward is this applied to truth's forward: nobody derived
// a formula for it. On a tape of dual numbers each value has its derivative along one direction beside it, and each
// derivative of the sweep too: forward over reverse.

#include <cstddef>
#include <vector>

#include "norms/quad.hpp"

namespace normlab::truth {

/// A number and its derivative along a direction.
struct Dual {
    Quad value = 0, along = 0;

    Dual() = default;
    Dual(const Quad& v) : value(v) {}
    Dual(int v) : value(v) {}
    Dual(const Quad& v, const Quad& a) : value(v), along(a) {}
};
inline Dual operator+(const Dual& a, const Dual& b) { return {a.value + b.value, a.along + b.along}; }
inline Dual operator-(const Dual& a, const Dual& b) { return {a.value - b.value, a.along - b.along}; }
inline Dual operator-(const Dual& a) { return {-a.value, -a.along}; }
inline Dual operator*(const Dual& a, const Dual& b) {
    return {a.value * b.value, a.along * b.value + a.value * b.along};
}
inline Dual operator/(const Dual& a, const Dual& b) {
    const Quad quotient = a.value / b.value;
    return {quotient, (a.along - quotient * b.along) / b.value};
}
inline Dual sqrt(const Dual& a) {
    const Quad root = sqrt(a.value);
    return {root, a.along / (2 * root)};
}
inline Dual exp(const Dual& a) {
    const Quad e = exp(a.value);
    return {e, a.along * e};
}
inline Dual& operator+=(Dual& a, const Dual& b) { return a = a + b; }
inline bool operator==(const Dual& a, int b) { return a.value == b && a.along == 0; }

template <class Number>
class BasicTape {
public:
    static constexpr std::size_t none = static_cast<std::size_t>(-1);

    std::size_t record(std::size_t a, const Number& da, std::size_t b, const Number& db) {
        nodes_.push_back({a, b, da, db});
        return nodes_.size() - 1;
    }
    void clear() { nodes_.clear(); }

    /// d result / d node, for every node.
    std::vector<Number> derivatives(std::size_t result) const {
        std::vector<Number> by(nodes_.size(), Number(0));
        by[result] = Number(1);
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
        Number da, db;     // derivative of the result by each
    };
    std::vector<Node> nodes_;
};

/// A number that may be on a tape; without one it is a constant.
template <class Number>
struct BasicRecorded {
    Number value = 0;
    std::size_t node = BasicTape<Number>::none;
    BasicTape<Number>* tape = nullptr;

    BasicRecorded() = default;
    BasicRecorded(const Number& v) : value(v) {}
    BasicRecorded(const Number& v, BasicTape<Number>& t) : value(v), node(t.record(t.none, 0, t.none, 0)), tape(&t) {}
};
using Tape = BasicTape<Quad>;
using Recorded = BasicRecorded<Quad>;

template <class N>
BasicRecorded<N> recorded(const N& value, const BasicRecorded<N>& a, const N& da, const BasicRecorded<N>& b,
                          const N& db) {
    BasicRecorded<N> out(value);
    out.tape = a.tape ? a.tape : b.tape;
    if (out.tape) out.node = out.tape->record(a.node, da, b.node, db);
    return out;
}
template <class N>
BasicRecorded<N> operator+(const BasicRecorded<N>& a, const BasicRecorded<N>& b) {
    return recorded<N>(a.value + b.value, a, 1, b, 1);
}
template <class N>
BasicRecorded<N> operator-(const BasicRecorded<N>& a, const BasicRecorded<N>& b) {
    return recorded<N>(a.value - b.value, a, 1, b, -1);
}
template <class N>
BasicRecorded<N> operator*(const BasicRecorded<N>& a, const BasicRecorded<N>& b) {
    return recorded<N>(a.value * b.value, a, b.value, b, a.value);
}
template <class N>
BasicRecorded<N> operator/(const BasicRecorded<N>& a, const BasicRecorded<N>& b) {
    const N q = a.value / b.value;
    return recorded<N>(q, a, N(1) / b.value, b, -q / b.value);
}
template <class N>
BasicRecorded<N> sqrt(const BasicRecorded<N>& a) {
    const N root = sqrt(a.value);
    return recorded<N>(root, a, N(1) / (N(2) * root), {}, 0);
}

template <class N>
BasicRecorded<N> exp(const BasicRecorded<N>& a) {
    const N e = exp(a.value);
    return recorded<N>(e, a, e, {}, 0);
}

}  // namespace normlab::truth
