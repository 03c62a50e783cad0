#include "cli/progress.hpp"

#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

namespace normlab::cli {

Progress::Progress(std::string label)
    : label_(std::move(label)), terminal_(isatty(STDERR_FILENO) != 0), start_(std::chrono::steady_clock::now()), last_(start_) {}

void Progress::show(std::size_t done, std::size_t total) {
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_ || total == 0 || now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    shown_ = true;
    constexpr std::size_t width = 30;
    const double part = static_cast<double>(done) / static_cast<double>(total), elapsed = std::chrono::duration<double>(now - start_).count();
    const auto filled = static_cast<std::size_t>(part * width);
    const std::string left = part > 0.02 ? fmt::format("{:.0f} s left", elapsed / part - elapsed) : "";
    fmt::print(stderr, "\r{}: [{}{}] {}/{} {}\033[K", label_, std::string(filled, '#'), std::string(width - filled, ' '), done, total, left);
}

void Progress::clear() {
    if (shown_) fmt::print(stderr, "\r\033[K");
    shown_ = false;
}

}  // namespace normlab::cli
