#include "system/version.hpp"

#include <charconv>
#include <cstdlib>
#include <ctime>
#include <stdexcept>

#include "commit.hpp"

namespace normlab::system {
namespace {

constexpr std::time_t last_second = 253402300799;  // of the year 9999

std::time_t now() {
    const char* given = std::getenv("SOURCE_DATE_EPOCH");
    if (!given || !*given) return std::time(nullptr);
    const std::string text = given;
    std::time_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size() || seconds < 0 || seconds > last_second)
        throw std::invalid_argument("the environment has SOURCE_DATE_EPOCH=" + text +
                                    "; seconds since 1970, a whole number up to " + std::to_string(last_second) +
                                    ", are accepted");
    return seconds;
}

}  // namespace

std::string version() { return NORMLAB_VERSION; }
std::string commit() { return NORMLAB_COMMIT; }
std::string build_type() { return NORMLAB_BUILD_TYPE; }

std::string compiler() {
#ifdef __clang__
    return __VERSION__;
#else
    return "GCC " __VERSION__;
#endif
}

std::vector<std::pair<std::string, std::string>> optional_parts() {
    return {{"OpenMP", NORMLAB_OPENMP_PART}, {"CUDA", NORMLAB_CUDA_PART}};
}

std::string utc_time() {
    const std::time_t time = now();
    std::tm parts{};
    char text[32] = "";
    if (gmtime_r(&time, &parts)) std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    return text;
}

}  // namespace normlab::system
