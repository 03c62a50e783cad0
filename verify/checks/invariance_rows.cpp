#include "verify/checks/invariance_rows.hpp"

namespace normlab::verify {
namespace {

// columns: W scaled, W + 1 gamma^T, one row scaled, one group scaled, data scaled, data + constant, one sample scaled, bias
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
        default: return Expected::not_applicable;
    }
}

std::span<const InvarianceRow> invariance_rows() { return rows; }

}  // namespace normlab::verify
