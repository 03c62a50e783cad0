#include "verify/checks/invariance_rows.hpp"

#include <algorithm>
#include <iterator>

#include "norms/variants.hpp"

namespace normlab::verify {
namespace {

// columns: W scaled, W + 1 gamma^T, one row scaled, one group scaled, data scaled, data + constant, one sample scaled,
// bias. Standardized weights add up to 0: they do not see a constant that is added to all data, and see one a feature.
constexpr InvarianceRow rows[] = {
    {"batch_norm", "batch_norm", RenormRegime::none, "yny-yyny"},
    {"batch_renorm", "batch_renorm, inside its limits", RenormRegime::inside, "nnn-nnnn"},
    {"batch_renorm", "batch_renorm, clipped", RenormRegime::clipped, "yny-yyny"},
    {"batch_renorm", "batch_renorm, statistics along", RenormRegime::along, "yny-yyny"},
    {"layer_norm", "layer_norm", RenormRegime::none, "ysn-ynyn"},
    {"instance_norm", "instance_norm", RenormRegime::none, "yny-yyyy"},
    {"group_norm", "group_norm", RenormRegime::none, "ysnyynyn"},
    {"weight_norm", "weight_norm", RenormRegime::none, "yny-nnnn"},
    {"rms_norm", "rms_norm", RenormRegime::none, "ynn-ynyn"},
    {"channel_norm", "channel_norm", RenormRegime::none, "yyn-ynyn"},
    {"filter_response_norm", "filter_response_norm", RenormRegime::none, "yny-ynyn"},
    {"l2_norm", "l2_norm", RenormRegime::none, "ynn-ynyn"},
    {"weight_standardization", "weight_standardization", RenormRegime::none, "yny-n-nn"},
    {"partial_rms_norm", "partial_rms_norm", RenormRegime::none, "ynn-ynyn"},
};

}  // namespace

std::string_view name_of(InvarianceColumn column) {
    constexpr std::string_view names[] = {"W scaled",    "W re-centred",    "weight vector scaled", "group scaled",
                                          "data scaled", "data re-centred", "single case scaled",   "bias added"};
    return names[static_cast<std::size_t>(column)];
}

Expected InvarianceRow::expected(InvarianceColumn column) const {
    switch (cells[static_cast<std::size_t>(column)]) {
        case 'y': return Expected::yes;
        case 'n': return Expected::no;
        case 's': return Expected::without_positions;
        case '?': return Expected::unknown;
        default: return Expected::not_applicable;
    }
}

std::vector<InvarianceRow> invariance_rows_of(std::string_view variant) {
    std::vector<InvarianceRow> found;
    std::ranges::copy_if(rows, std::back_inserter(found),
                         [&](const InvarianceRow& row) { return row.variant == variant; });
    if (!found.empty()) return found;
    const Variant& v = find_variant(variant);
    // in two literals: "??-" in one is a trigraph, of which compilers warn
    return {{v.name, v.name, RenormRegime::none,
             is_by_group(v.make()) ? "????????"
                                   : "???"
                                     "-????"}};
}

}  // namespace normlab::verify
