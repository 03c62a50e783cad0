// libFuzzer's entry, for the target that NORMLAB_TARGET names.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fuzz/targets.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    for (const normlab::fuzz::Target& target : normlab::fuzz::targets)
        if (std::string_view(target.name) == NORMLAB_TARGET)
            target.run(std::string(reinterpret_cast<const char*>(data), size));
    return 0;
}
