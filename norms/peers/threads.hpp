#pragma once
// OpenMP's number of threads for the length of a call: the setting is one for the whole process, and normlab's own
// kernels are in it too.

#ifdef _OPENMP
#include <omp.h>
#endif

namespace normlab::peers {

#ifdef _OPENMP
class Threads {
public:
    explicit Threads(int threads) : before_(omp_get_max_threads()) { omp_set_num_threads(threads); }
    ~Threads() { omp_set_num_threads(before_); }
    Threads(const Threads&) = delete;
    Threads& operator=(const Threads&) = delete;

private:
    int before_;
};
inline int usual_threads() { return omp_get_max_threads(); }
#else
struct Threads {
    explicit Threads(int) {}
};
inline int usual_threads() { return 1; }
#endif

}  // namespace normlab::peers
