#pragma once
// Host memory that ends, or begins, at pages that cannot be touched: a read beyond an array is seen though its value is
// not used, and a write though it is undone. What is touched all the same is noted, and the access goes on.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace normlab::system {

/// An access that was not allowed.
struct Access {
    /// before the array, from its end on, of an array that was to be read only, or of one whose call had ended
    enum Where { before_begin, after_end, inside, given_back } where;
    bool written;  ///< false: read, or this machine does not say
    std::string text;
};

class GuardedMemory {
public:
    enum class Edge { begin, end };  ///< where the array meets the pages that cannot be touched

    /// The array is aligned to `alignment`, at most a page, and lies as near to the edge as that allows. The rest of
    /// its pages holds `filler`. Throws std::bad_alloc.
    GuardedMemory(std::string_view name, std::size_t bytes, std::size_t alignment, Edge edge, std::byte filler);
    /// Its addresses stay a while, as ones that cannot be touched: whoever kept one is found.
    ~GuardedMemory();
    GuardedMemory(const GuardedMemory&) = delete;
    GuardedMemory& operator=(const GuardedMemory&) = delete;

    std::byte* data() const { return pages_ + first_; }
    std::size_t first() const { return first_; }  ///< of the array, within what can be touched
    std::byte* pages() const { return pages_; }
    std::size_t pages_bytes() const { return pages_bytes_; }

    /// A call begins, `function` (a literal), the number-th: the array is to be read only, or may be written.
    void enter(const char* function, int number, bool read_only);
    /// The call has ended: the array may be written again. What was not allowed since.
    std::vector<Access> leave();

private:
    std::byte *all_ = nullptr, *pages_ = nullptr;
    std::size_t all_bytes_ = 0, pages_bytes_ = 0, first_ = 0, slot_ = 0;
    bool read_only_ = false;
};

/// From now on norm.hpp guards the copies that it hands to plug-ins; for a process that runs one case after another.
void guard_all_calls();
bool all_calls_guarded();

/// While it lives no call is guarded, or counted: what normlab runs of its own in there is not the plug-in's doing.
class UnguardedCalls {
public:
    UnguardedCalls();
    ~UnguardedCalls();
    UnguardedCalls(const UnguardedCalls&) = delete;
    UnguardedCalls& operator=(const UnguardedCalls&) = delete;

private:
    bool guarded_;
};

/// A case begins, its calls are counted anew, and which edge each of them has follows from `number`.
void begin_guarded_case(std::uint64_t number);
struct GuardedCall {
    int number;
    GuardedMemory::Edge edge;
};
GuardedCall next_guarded_call();

/// What nobody has been told of yet: by arrays that are no more, and in those of calls that had ended.
std::vector<Access> take_accesses();

}  // namespace normlab::system
