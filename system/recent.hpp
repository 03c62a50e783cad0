#pragma once
// The last results of a costly function that depends on its argument alone.

#include <algorithm>
#include <cstddef>
#include <list>
#include <utility>

namespace normlab::system {

/// Keeps results until their sizes come to more than `budget`, the newest first. Not for several threads at once.
template <class Key, class Value>
class Recent {
public:
    explicit Recent(std::size_t budget) : budget_(budget) {}

    /// The value that is kept for a key of which `is` holds; null if there is none. It lives until the next add().
    template <class Predicate>
    const Value* find(Predicate is) {
        const auto at = std::ranges::find_if(kept_, is, &Entry::key);
        if (at == kept_.end()) return nullptr;
        kept_.splice(kept_.begin(), kept_, at);
        return &kept_.front().value;
    }
    void add(Key key, const Value& value, std::size_t size) {
        if (size > budget_) return;
        kept_.push_front({std::move(key), value, size});
        for (total_ += size; total_ > budget_ || kept_.size() > most; kept_.pop_back()) total_ -= kept_.back().size;
    }

private:
    struct Entry {
        Key key;
        Value value;
        std::size_t size;
    };
    static constexpr std::size_t most = 16;  // each is compared with
    std::list<Entry> kept_;
    std::size_t budget_, total_ = 0;
};

}  // namespace normlab::system
