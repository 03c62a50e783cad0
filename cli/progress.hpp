#pragma once
// A progress bar with the time left, on a terminal; nothing in a pipe.

#include <chrono>
#include <string>
#include <string_view>

namespace normlab::cli {

class Progress {
public:
    explicit Progress(std::string label);
    ~Progress() { clear(); }
    void show(std::size_t done, std::size_t total);
    /// part done, 0 to 1; seconds_left < 0: not known
    void show(double part, const std::string& text, double seconds_left);
    void clear();

private:
    std::string label_;
    bool terminal_, shown_ = false;
    std::chrono::steady_clock::time_point start_, last_;
};

/// What is said when the first signal comes.
inline constexpr const char* interrupt_note =
    "\nnormlab: interrupted; what is done is reported once the cases at hand have ended (a second signal ends at "
    "once)\n";

/// Prints to standard output. Where that fails, a full disk, the program goes on and says so at its end: no report is
/// lost with it. On a terminal verdicts have a colour (colour.hpp).
void print(std::string_view text);

}  // namespace normlab::cli
