#include "cli/progress.hpp"

#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

#include "cli/colour.hpp"

namespace normlab::cli {

Progress::Progress(std::string label)
    : label_(std::move(label)), terminal_(isatty(STDERR_FILENO) != 0), start_(std::chrono::steady_clock::now()),
      last_(start_) {}

void Progress::show(std::size_t done, std::size_t total) {
    if (total == 0) return;
    const double part = static_cast<double>(done) / static_cast<double>(total),
                 elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    show(part, fmt::format("{}/{}", done, total), part > 0.02 ? elapsed / part - elapsed : -1);
}

void Progress::show(double part, const std::string& text, double seconds_left) {
    const auto now = std::chrono::steady_clock::now();
    if (!terminal_ || now - last_ < std::chrono::milliseconds(100)) return;
    last_ = now;
    shown_ = true;
    constexpr std::size_t width = 30;
    const auto filled = static_cast<std::size_t>(part * width);
    const std::string left = seconds_left >= 0 ? fmt::format("{:.0f} s left", seconds_left) : "";
    fmt::print(stderr, "\r{}: [{}{}] {} {}\033[K", label_, std::string(filled, '#'), std::string(width - filled, ' '),
               text, left);
}

void print(std::string_view text) {
    const std::string painted = has_colour(stdout) ? coloured(std::string(text)) : std::string(text);
    std::fwrite(painted.data(), 1, painted.size(), stdout);
}

void Progress::clear() {
    if (shown_) fmt::print(stderr, "\r\033[K");
    shown_ = false;
}

}  // namespace normlab::cli
