#pragma once
// The runs of a study in several processes at once: each run's record is written as soon as it is there, so that
// whatever ends the program loses at most the runs in hand. A worker that dies takes one run with it, and the others go
// on.

#include <filesystem>

#include "studies/runs/study.hpp"

namespace normlab::studies {

struct Jobs {
    std::filesystem::path out;  ///< which holds a folder records
    std::string data;           ///< --data; empty: the embedded digits
    int processes = 1;          ///< the cores are shared among them
    bool fresh = false;         ///< records that are there are made again and replaced, one at a time
    bool force = false;         ///< with fresh: also a file in a record\'s place that is none
};

struct Progress {
    std::size_t done, total;    ///< runs, those found in `out` included
    double part, seconds_left;  ///< weighted by what runs take; seconds_left < 0: not yet known
};

/// What the records of a call with this --data say of it. Throws io::InputError where it is no data set.
std::string describe_data(const Study& study, const std::string& data);

/// Makes the records that `out` lacks and returns all, in the order of `runs`. `show` is called now and then, never
/// twice at once. Throws io::InputError or Error at the first wrong input or unwritable folder or record, once the runs
/// in hand have ended, and Failure, naming them, where runs failed but the others are done.
std::vector<Record> make_records(const Study& study, const std::vector<Run>& runs, const Jobs& jobs,
                                 const std::function<void(const Progress&)>& show);

/// The other side: runs what it is asked to, until nobody asks any more.
[[noreturn]] void serve_runs(int descriptor);

}  // namespace normlab::studies
