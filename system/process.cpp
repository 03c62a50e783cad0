#include "system/process.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <limits>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include "system/failure.hpp"
#include "system/family.hpp"
#include "system/interrupt.hpp"
#include "system/patience.hpp"

extern char** environ;

namespace normlab::system {
namespace {

[[noreturn]] void fail(const char* what) { throw Failure(fmt::format("{}: {}", what, std::strerror(errno))); }

enum class Moved { all, closed, late, too_long };

// Sends or receives exactly so many bytes, while `patience` lasts. What the other side prints meanwhile is taken in, or
// it would wait for that.
Moved move(int socket, char* data, std::size_t bytes, bool send, Patience& patience, Process::Printed* printed) {
    constexpr int left = 100;  // milliseconds
    while (bytes > 0) {
        if (!patience.lasts()) return patience.why().empty() ? Moved::closed : Moved::late;
        pollfd p[]{{socket, static_cast<short>(send ? POLLOUT : POLLIN), 0}, {printed ? printed->pipe : -1, POLLIN, 0}};
        if (printed && !printed->to_its_end && interrupted()) throw Interrupted();
        if (poll(p, 2, left) <= 0) continue;
        if (p[1].revents) printed->take();
        if (!p[0].revents) continue;
        const ssize_t n =
            send ? ::send(socket, data, bytes, MSG_NOSIGNAL | MSG_DONTWAIT) : ::recv(socket, data, bytes, MSG_DONTWAIT);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n <= 0) return Moved::closed;
        data += n, bytes -= static_cast<std::size_t>(n);
    }
    return Moved::all;
}

// A message is its length, eight bytes, and its bytes.
Moved write_message(int socket, const std::string& message, Patience& patience, Process::Printed* printed = nullptr) {
    std::uint64_t size = message.size();
    char head[sizeof size];
    std::memcpy(head, &size, sizeof size);
    const Moved moved = move(socket, head, sizeof size, true, patience, printed);
    return moved == Moved::all
               ? move(socket, const_cast<char*>(message.data()), message.size(), true, patience, printed)
               : moved;
}

Moved read_message(int socket, std::string& message, std::uint64_t most, Patience& patience,
                   Process::Printed* printed = nullptr) {
    std::uint64_t size = 0;
    char head[sizeof size];
    if (const Moved moved = move(socket, head, sizeof size, false, patience, printed); moved != Moved::all)
        return moved;
    std::memcpy(&size, head, sizeof size);
    if (size > most) return Moved::too_long;
    message.resize(size);
    return move(socket, message.data(), size, false, patience, printed);
}

std::string one_line(std::string text) {
    std::ranges::replace_if(
        text, [](unsigned char c) { return c < ' '; }, ' ');
    // reports are UTF-8, and it may have been cut
    std::ranges::replace_if(
        text, [](unsigned char c) { return c > '~'; }, '?');
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
}

}  // namespace

bool Process::Printed::take() {
    constexpr std::size_t most = 300;
    if (pipe < 0) return false;
    char part[1 << 16];  // as much as a pipe holds
    const ssize_t n = read(pipe, part, sizeof part);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (n <= 0) {
        close(pipe);
        pipe = -1;
        return false;
    }
    end.append(part, static_cast<std::size_t>(n));
    end.erase(0, end.size() - std::min(end.size(), most));
    return true;
}

void Process::Printed::take_all() {
    for (int reads = 0; reads < 16 && take(); ++reads) {
    }  // more is printed without end
}

Process::Process(const std::string& program, std::vector<std::string> arguments, Output output) {
    constexpr int theirs = 3;
    struct sigaction children {};
    // or nobody could say how it ended
    if (sigaction(SIGCHLD, nullptr, &children) == 0 && children.sa_handler == SIG_IGN) signal(SIGCHLD, SIG_DFL);
    int ends[2], pipe_ends[2]{-1, -1};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) fail("socketpair");
    if (output == Output::kept && pipe2(pipe_ends, O_CLOEXEC) != 0) fail("pipe");
    socket_ = ends[0], printed_.pipe = pipe_ends[0];
    if (printed_.pipe >= 0) fcntl(printed_.pipe, F_SETFL, O_NONBLOCK);
    for (int* of : {&ends[1], &pipe_ends[1]}) {  // above the descriptors that the new process has
        if (*of < 0) continue;
        const int low = std::exchange(*of, fcntl(*of, F_DUPFD_CLOEXEC, 10));
        if (*of < 0) fail("fcntl");
        close(low);
    }
    arguments.insert(arguments.begin(), program);
    arguments.push_back(std::to_string(theirs));
    std::vector<char*> argv;
    for (std::string& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], theirs);  // onto itself too: it stays open on exec
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    for (const int to : {STDOUT_FILENO, STDERR_FILENO})
        if (pipe_ends[1] >= 0) posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], to);
    // In a group of its own: Ctrl-C reaches this process alone, and what it is at is not taken for a fault.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    static std::atomic<int> started{0};
    family_ = fmt::format("{}={}.{}", family_name, getpid(), ++started);
    std::vector<char*> variables{family_.data()};
    for (char** v = environ; v && *v; ++v)
        if (!std::string_view(*v).starts_with(std::string(family_name) + '=')) variables.push_back(*v);
    variables.push_back(nullptr);
    const int error = posix_spawn(&pid_, program.c_str(), &actions, &attributes, argv.data(), variables.data());
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]), close(pipe_ends[1]);
    if (error != 0) {
        close(socket_), close(printed_.pipe);
        errno = error;
        fail(program.c_str());
    }
}

Process::~Process() {
    if (pid_ > 0) {
        kill(pid_, SIGKILL), waitpid(pid_, nullptr, 0);
        end_family(family_);
    }
    close(socket_), close(printed_.pipe);
}

Process::Reply Process::ask(const std::string& message, double seconds) {
    if (pid_ < 0) throw Failure("the process has ended");
    printed_.take_all();
    printed_.end.clear();
    Patience patience(pid_, seconds);
    Reply reply;
    Moved moved = write_message(socket_, message, patience, &printed_);
    std::string answer;
    if (moved == Moved::all) moved = read_message(socket_, answer, longest_answer, patience, &printed_);
    if (moved != Moved::all) {
        reply = moved == Moved::too_long ? refused() : ended(patience.why());
        reply.seconds = patience.seconds();
        return reply;
    }
    ++answered_;
    reply.message = std::move(answer);
    return reply;
}

Process::Reply Process::listen(double seconds) {
    if (pid_ < 0) throw Failure("the process has ended");
    Reply reply;
    std::string told;
    Patience patience(seconds);
    const Moved moved = read_message(socket_, told, longest_answer, patience, &printed_);
    if (moved != Moved::all) return moved == Moved::too_long ? refused() : ended(patience.why());
    reply.message = std::move(told);
    return reply;
}

void Process::pass_on(int signal) {
    if (pid_ > 0) kill(pid_, signal);
    printed_.to_its_end = true;
}

Process::Reply Process::refused() {
    kill(pid_, SIGKILL);
    Reply reply = ended("");
    reply.exit_status.reset();
    reply.death = fmt::format("sent what is no answer: one of more than {} bytes", longest_answer);
    return reply;
}

Process::Reply Process::ended(const std::string& too_slow) {
    if (!too_slow.empty()) kill(pid_, SIGKILL);
    int status = 0;
    // What has closed the connection is about to end; what closed it alone and lives on is ended.
    pid_t waited = 0;
    for (int i = 0; (waited = waitpid(pid_, &status, WNOHANG)) == 0; ++i) {
        if (i == 2000) kill(pid_, SIGKILL);
        printed_.take();  // it may wait to print its last
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    pid_ = -1;
    end_family(family_);
    Reply reply;
    reply.too_slow = !too_slow.empty();
    if (!reply.too_slow && waited > 0 && WIFEXITED(status)) reply.exit_status = WEXITSTATUS(status);
    const char* name = WIFSIGNALED(status) ? sigabbrev_np(WTERMSIG(status)) : nullptr;
    std::string text = reply.too_slow ? too_slow
                       : waited < 0   ? "ended, nobody knows how"
                       : name         ? fmt::format("killed by SIG{} ({})", name, strsignal(WTERMSIG(status)))
                       : WIFSIGNALED(status)
                           ? fmt::format("killed by signal {}", WTERMSIG(status))
                           : fmt::format("ended the process with exit status {}", WEXITSTATUS(status));
    printed_.take_all();
    if (const std::string printed = one_line(printed_.end); !printed.empty()) text += "; it printed: " + printed;
    reply.death = text;
    return reply;
}

void end_with(int descriptor) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    fcntl(descriptor, F_SETFD, FD_CLOEXEC);  // a process that a plug-in starts does not hold it open
    std::thread([descriptor] {               // whoever asked is gone: nobody waits for the answer
        for (;;) {
            pollfd p{descriptor, POLLRDHUP, 0};
            if (poll(&p, 1, -1) > 0 && p.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) {
                end_own_family();
                _exit(0);
            }
        }
    })
        .detach();
}

bool tell(int descriptor, const std::string& message) {
    Patience for_ever;
    return write_message(descriptor, message, for_ever) == Moved::all;
}

void serve(int descriptor, const std::function<std::string(const std::string&)>& answer) {
    end_with(descriptor);
    Patience for_ever;
    constexpr auto any = std::numeric_limits<std::uint64_t>::max();  // whoever asks is trusted
    for (std::string message; read_message(descriptor, message, any, for_ever) == Moved::all;)
        if (!tell(descriptor, answer(message))) break;
    _exit(0);  // no destructors: a plug-in's may hang
}

std::string this_program() { return std::filesystem::read_symlink("/proc/self/exe").string(); }

}  // namespace normlab::system
