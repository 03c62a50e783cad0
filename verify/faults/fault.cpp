#include "verify/faults/fault.hpp"

#include "norms/variants.hpp"

namespace normlab::verify::faults {

std::string_view name_of(Kind kind) {
    constexpr std::string_view names[] = {"term", "eps",       "bias",   "running", "saved",   "axis",   "layout",
                                          "tail", "precision", "renorm", "promise", "special", "strides"};
    return names[static_cast<std::size_t>(kind)];
}

bool Fault::shows_in(const Problem& p) const {
    if ((kind == Kind::strides && p.dense()) || p.shape.size() <= beyond) return false;
    return variants(p.spec) && (when == When::always || (when == When::train) == p.own_statistics());
}

Formula Fault::formula() const {
    Formula f;
    f.*number = wrong;
    return f;
}

std::string variants_text(Variants variants) {
    std::string text;
    bool all = true;
    for (const Variant* v : all_variants()) {
        if (variants(v->make())) text += (text.empty() ? "" : ", ") + std::string(v->name);
        else all = false;
    }
    return all ? "all" : text.empty() ? "those with an option" : text;
}

}  // namespace normlab::verify::faults
