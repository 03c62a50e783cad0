#pragma once
// Another process of this program, started by exec, with which messages are exchanged: what happens there, a crash or
// an endless loop too, does not happen here.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace normlab::system {

class Process {
public:
    /// what it prints: the end of it kept, to be quoted when it dies, or printed where this process prints
    enum class Output { kept, ours };

    /// What it prints, where it is kept.
    struct Printed {
        int pipe = -1;         ///< does not block; -1: closed
        std::string end = {};  ///< the last 300 bytes
        /// it is waited for although a signal has come here; otherwise that throws Interrupted
        bool to_its_end = false;

        bool take();  ///< some of what is there; false: nothing was
        void take_all();
    };

    /// Starts `program` with these arguments and, last of them, the descriptor for serve() or tell(). Throws Failure.
    Process(const std::string& program, std::vector<std::string> arguments, Output output = Output::kept);
    ~Process();  ///< kills it, and what it has started
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    /// What a process says is not believed to be ours: code that is not ours runs in it.
    static constexpr std::size_t longest_answer = std::size_t{1} << 26;

    struct Reply {
        std::optional<std::string> message;
        std::string death;      ///< how it ended, where there is no message: "killed by SIGSEGV; it printed: ..."
        bool too_slow = false;  ///< it was killed because it took longer
        std::optional<int> exit_status = {};  ///< it ended by itself
        /// without those in which it could have run and others had the processors
        double seconds = 0;
    };
    /// Sends a message and waits for the answer: until one of its threads has used `seconds` of processor time, or all
    /// of them that much for each processor, or none has used any, nor waited for a processor, for `seconds`. So a busy
    /// machine makes nobody late. After a death the process cannot be asked again.
    Reply ask(const std::string& message, double seconds);

    /// Waits for what the process tells of itself, so many seconds.
    Reply listen(double seconds);

    /// Passes a signal on; what the process says from now on is waited for.
    void pass_on(int signal);

    int answered() const { return answered_; }  ///< messages so far

private:
    Reply ended(const std::string& too_slow);
    Reply refused();

    pid_t pid_ = -1;
    std::string family_;  // the environment variable that it and all that it starts have
    int socket_ = -1, answered_ = 0;
    Printed printed_;
};

/// The other side: answers each message that comes over the descriptor, until it is closed. The process ends at once if
/// it closes during an answer.
void serve(int descriptor, const std::function<std::string(const std::string&)>& answer);

/// The other side, where nothing is asked: false if nobody listens any more.
bool tell(int descriptor, const std::string& message);

/// From now on this process ends at once when nobody is at the other end of the descriptor, and leaves no core file.
void end_with(int descriptor);

/// The path of the running program.
std::string this_program();

}  // namespace normlab::system
