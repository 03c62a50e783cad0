#include "bench/machine.hpp"

#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include <fmt/format.h>

#include "norms/memory.hpp"
#include "norms/registry.hpp"
#include "system/version.hpp"

namespace normlab::bench {
namespace {

namespace fs = std::filesystem;

std::string first_line(const fs::path& path) {
    std::ifstream in(path);
    std::string line;
    std::getline(in, line);
    return line;
}

std::string cpu_model() {
    std::ifstream in("/proc/cpuinfo");
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
    return "unknown";
}

// "32768K" of sysfs, in bytes.
std::size_t cache_size(const std::string& text) {
    const std::size_t unit = text.ends_with('M') ? 1 << 20 : text.ends_with('K') ? 1 << 10 : 1;
    return text.empty() ? 0 : std::strtoull(text.c_str(), nullptr, 10) * unit;
}

struct CacheLevel {
    std::size_t size = 0;
    std::map<std::string, bool> shared;  // one entry an instance: the cores that share it
};

// Data and unified caches by level, as Linux lists them under each core.
std::map<int, CacheLevel> cache_levels() {
    std::map<int, CacheLevel> levels;
    for (unsigned cpu = 0; cpu < std::thread::hardware_concurrency(); ++cpu)
        for (int index = 0; index < 8; ++index) {
            const fs::path folder = fmt::format("/sys/devices/system/cpu/cpu{}/cache/index{}", cpu, index);
            const std::string level = first_line(folder / "level");
            if (level.empty() || first_line(folder / "type") == "Instruction") continue;
            CacheLevel& entry = levels[std::stoi(level)];
            entry.size = cache_size(first_line(folder / "size"));
            entry.shared[first_line(folder / "shared_cpu_list")] = true;
        }
    return levels;
}

std::string utc() {
    const std::time_t now = std::time(nullptr);
    char text[32] = "";
    std::tm parts{};
    if (gmtime_r(&now, &parts)) std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
    return text;
}

}  // namespace

LastCache last_cache(Device device) {
    LastCache cache;
    if (device == Device::cuda) {
        cache.one = cache.all = cuda_device().last_cache_bytes;
    } else if (const auto levels = cache_levels(); !levels.empty() && levels.rbegin()->second.size > 0) {
        cache.one = levels.rbegin()->second.size;
        cache.all = cache.one * levels.rbegin()->second.shared.size();
    }
    return cache;
}

std::vector<std::pair<std::string, std::string>> machine() {
    std::string caches;
    for (const auto& [level, cache] : cache_levels())
        caches += fmt::format("{}L{} {} KiB{}", caches.empty() ? "" : ", ", level, cache.size >> 10,
                              cache.shared.size() > 1 ? fmt::format(" x {}", cache.shared.size()) : "");
    std::vector<std::pair<std::string, std::string>> facts{
        {"commit", system::commit()},
        {"date", utc()},
        {"cpu", cpu_model()},
        {"cores", std::to_string(std::thread::hardware_concurrency())},
        {"caches", caches.empty() ? "unknown" : caches},
        {"compiler", system::compiler()},
        {"flags", NORMLAB_FLAGS}};
    for (const Implementation* i : implementations())
        if (i->device() == Device::cuda && i->available()) {
            facts.emplace_back("gpu", cuda_device().name);
            break;
        }
    return facts;
}

}  // namespace normlab::bench
