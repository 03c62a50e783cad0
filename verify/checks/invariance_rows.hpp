#pragma once
// What each variant is invariant to: the table that the invariance_table check measures. A variant is a row (batch
// renorm three).

#include <array>
#include <string_view>
#include <vector>

namespace normlab::verify {

enum class InvarianceColumn {
    weights_scaled,
    weights_recentred,
    row_scaled,
    group_scaled,
    data_scaled,
    data_recentred,
    single_case_scaled,
    bias_added
};
inline constexpr std::array invariance_columns{
    InvarianceColumn::weights_scaled,     InvarianceColumn::weights_recentred, InvarianceColumn::row_scaled,
    InvarianceColumn::group_scaled,       InvarianceColumn::data_scaled,       InvarianceColumn::data_recentred,
    InvarianceColumn::single_case_scaled, InvarianceColumn::bias_added};
std::string_view name_of(InvarianceColumn column);

enum class Expected { yes, no, without_positions, not_applicable, unknown };  ///< without_positions: only where S = 1

/// How batch renorm's running statistics stand to the data.
enum class RenormRegime { none, inside, clipped, along };

struct InvarianceRow {
    std::string_view variant, label;
    RenormRegime regime;
    std::string_view cells;  ///< a letter a column: y, n, s (without positions), - (not applicable), ? (unknown)
    Expected expected(InvarianceColumn column) const;
};

/// A variant's rows; one of unknowns for a variant that has none here.
std::vector<InvarianceRow> invariance_rows_of(std::string_view variant);

}  // namespace normlab::verify
