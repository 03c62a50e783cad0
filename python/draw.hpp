#pragma once
// Cases by chance that a function of Python can be asked, and simpler ones: for normlab.strategies.

#include "python/report.hpp"

namespace normlab::python {

class Drawing {
public:
    Drawing(Function function, Chosen chosen);

    /// The same for the same seed. Throws Nothing where no case of what was chosen can be drawn.
    std::string drawn(std::uint64_t seed);

    /// How many kinds of settings simplified() knows.
    std::size_t settings() const;
    /// With the settings of this kind at their simplest; as it is where that is no case of the function's.
    std::string simplified(const std::string& test, std::size_t kind);

    std::vector<std::int64_t> shape(const std::string& test) const;
    /// Likewise of this shape.
    std::string with_shape(const std::string& test, std::int64_t N, std::int64_t C, std::int64_t S);

private:
    bool asks(const verify::Case& c);

    Function function_;
    Chosen chosen_;
};

}  // namespace normlab::python
