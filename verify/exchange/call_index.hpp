#pragma once
// Calls of an implementation by their content: what `normlab export` writes down and `verify --judge` looks up.

#include <map>
#include <optional>

#include "verify/truth/inputs.hpp"

namespace normlab::verify {

/// All of a problem that decides what a call gives, the device apart, and the strides of x, which all calls have.
/// Without running statistics evaluation is the call that training is.
std::string content_of_problem(const Problem& problem);

/// The numbers of a forward call, from the arrays of an implementation's plan; of dy or ds alone (null: none) for a
/// backward call. Arrays are on the host.
Inputs<double> inputs_of(const Problem& problem, const ForwardArgs& args);
std::vector<double> logical_values(const Problem& problem, const ConstTensor& x);
/// Puts the dy and the cotangents of a double backward's call into `in`.
void add_cotangents(Inputs<double>& in, const BackwardBackwardArgs& args);

/// Numbers calls in the order in which they are added; the same problem and the same bits are the same call. A forward
/// call is part of every backward call on its inputs, and that of every double backward with its dy: it has no number
/// of its own where one of these has.
class CallIndex {
public:
    /// The call's number; a new one is size() before.
    std::size_t add(const Inputs<double>& in);
    std::size_t size() const { return size_; }

    /// A call with these inputs, whatever its dy: where it was found, and its number.
    struct Forward {
        std::size_t group, number;
    };
    std::optional<Forward> forward(const Inputs<double>& in) const;
    /// The number of the call of that group with this dy and, of a layer with a residual, this ds; dy and dx lie as the
    /// problem says.
    std::optional<std::size_t> backward(std::size_t group, const Problem& problem, const std::vector<double>& dy,
                                        const std::vector<double>& ds) const;
    /// The same with these cotangents, of `in`.
    std::optional<std::size_t> backward_backward(std::size_t group, const Inputs<double>& in) const;

private:
    struct Entry {
        std::size_t number;
        std::string dy;      // its bytes and those of ds, the strides of dy and dx; "": none
        std::string second;  // those of v, u and w; "": none
    };
    std::map<std::string, std::size_t> groups_;  // by problem, x, gamma, beta and State
    std::vector<std::vector<Entry>> entries_;
    std::size_t size_ = 0;
};

}  // namespace normlab::verify
