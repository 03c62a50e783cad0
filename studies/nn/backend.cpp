#include "studies/nn/backend.hpp"

#include <fmt/format.h>

#include "norms/names.hpp"
#include "norms/registry.hpp"

namespace normlab::nn {

Backend& backend_for(const std::string& implementation) {
    const Implementation& norms = find_implementation(implementation);
    if (norms.device() == Device::host) return cpu();
    throw Error(
        fmt::format("implementation {} works on {} memory, for which nn has no backend; those that work on host memory "
                    "are accepted",
                    implementation, name_of(norms.device())));
}

}  // namespace normlab::nn
