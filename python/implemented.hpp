#pragma once
// A Python function as an implementation: what of a check a function without memory of its own can be asked for.

#include "python/function.hpp"

namespace normlab::python {

class Implemented;

/// Whose function can be called while it lives; one at a time.
class Checked {
public:
    explicit Checked(const Function& function);
    ~Checked();
    Checked(const Checked&) = delete;
    Checked& operator=(const Checked&) = delete;
    /// The flag of its rerun lines, which Python's take the place of.
    std::string origin() const;

private:
    Implemented& implemented_;
};

/// Why this check says nothing about a function of Python; empty: it does.
std::string not_asked(const Function& function, std::string_view check);

}  // namespace normlab::python
