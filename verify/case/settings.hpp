#pragma once
// The settings of a case, the KEY=VALUE of its string, a row each. Reading and writing the string, cases by chance,
// hunting, shrinking and normlab::check loop over the rows, so that a new setting is a field of Case, its use, and a
// row.

#include "system/random.hpp"
#include "verify/case/case.hpp"

namespace normlab::verify {

/// What is drawn by chance, and drawn anew by a hunt, together.
enum class Part {
    size,     ///< with the shape
    layer,    ///< what the layer is told
    numbers,  ///< what it is given
    fixed     ///< never by chance
};

struct Setting {
    std::string_view key;
    Part part;
    /// place in the order of shrinking; equal places are tried together; 0: with the shape, if at all
    int simplified;

    /// By chance, from its default. None in Part::fixed alone.
    void (*draw)(Case&, Random&) = nullptr;
    /// What a hunt does to it alone; none: it is drawn anew with its part.
    void (*change)(Case&, Random&) = nullptr;
    /// A step to a simpler case; where a row says nothing, to its default.
    void (*simplify)(Case&) = nullptr;
    /// Why it does not go with the rest of a case of this key and string; empty: it does.
    std::string (*refused)(const Case&, std::string_view key, std::string_view text) =
        [](const Case&, std::string_view, std::string_view) { return std::string(); };
    /// What a caller's Spec says otherwise than the variant's own.
    void (*take)(Case&, const Spec& wanted, const Spec& own) = [](Case&, const Spec&, const Spec&) {};
    /// Of `normlab verify` on a user's data.
    std::string_view flag = {};

    // These follow from the field.
    /// empty at its default, which the string leaves out; seed and check never are
    std::string (*text)(const Case&) = nullptr;
    /// throws Error naming the word and what is accepted
    void (*parse)(Case&, std::string_view key, const std::string& word) = nullptr;
    void (*reset)(Case&) = nullptr;  ///< to its default
};

/// In the order of the string, which is that of drawing: which case a seed gives depends on it.
std::span<const Setting> settings();
std::vector<const Setting*> settings_of(Part part);

/// Throws Error naming the nearest; `key` is what the word was given as.
MaskPattern parse_mask(std::string_view key, const std::string& word);

/// In the order of shrinking, those tried together in one list.
std::vector<std::vector<const Setting*>> settings_to_simplify();

}  // namespace normlab::verify
