#pragma once
// Findings that are known: a file that names them, a line each. They pass by name until they change.
//
//     layer_norm mine f32 nchw train 5x18x1 seed=1 check=accuracy | y | FAIL 1.71e-05   # eps stays where it is
//
// The fields are the case's string, the quantity (behind its table row, where it has one), and the verdict with the
// error. A finding is accepted as long as its verdict is the line's and its error is not worse, by the rule of
// baseline.hpp: at most twice as large and one rounding of the result. The case of a user's data ends in data=DIGEST.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "verify/run/outcome.hpp"

namespace normlab::verify {

struct Known {
    Verdict verdict;  ///< fail or unresolved
    double error;
    std::size_t line = 0;  ///< of the file; 0: it is of a run
};
/// By case, then by quantity. A case of a run at which nothing is wrong is there, with nothing in it.
using KnownFindings = std::map<std::string, std::map<std::string, Known>>;

/// What does not hold, of the cases that ran. Of outcomes as they are before Accepted::apply.
KnownFindings known_findings(const std::vector<Outcome>& outcomes);

class Accepted {
public:
    /// Throws io::InputError naming the file and the line where it cannot be read or understood.
    explicit Accepted(std::filesystem::path path);

    /// Findings that the file accepts get Verdict::accepted. One that it names and that has changed gets a note saying
    /// what is accepted.
    void apply(Outcome& outcome) const;

    /// Lines of findings that hold by now, or are not made any more, though their case ran: a sentence each.
    std::vector<std::string> stale(const std::vector<Outcome>& outcomes) const;

    /// What is stale, and the counts. Of outcomes behind apply(), as stale() is.
    std::string text(const std::vector<Outcome>& outcomes) const;

private:
    std::filesystem::path path_;
    KnownFindings known_;
};

/// The text of such a file, brought up to date by a run. Comments stay, and lines of cases that the run has not. Throws
/// io::InputError as Accepted does; a file that is not there is an empty one.
std::string accept_text(const std::filesystem::path& path, const KnownFindings& run);

}  // namespace normlab::verify
