#include "system/memory_budget.hpp"

#include <unistd.h>

namespace normlab::system {

double memory_budget() {
    return share_of_memory * static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace normlab::system
