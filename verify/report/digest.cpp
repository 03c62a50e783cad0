#include "verify/report/digest.hpp"

#include <cstring>

#include <fmt/format.h>

namespace normlab::verify {

std::string digest(const RealData& data) {
    std::uint64_t hash = 0xcbf29ce484222325;
    const auto add = [&](std::uint64_t word) { hash = (hash ^ word) * 0x100000001b3; };
    for (const std::vector<double>* values : {&data.x, &data.gamma, &data.beta}) {
        add(values->size());
        for (const double v : *values) {
            std::uint64_t bits = 0;
            std::memcpy(&bits, &v, sizeof bits);
            add(bits);
        }
    }
    return fmt::format("{:016x}", hash);
}

}  // namespace normlab::verify
