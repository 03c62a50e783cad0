#include "verify/truth/quantities.hpp"

#include <algorithm>
#include <iterator>

namespace normlab::verify {
namespace {

constexpr QuantityRow quantity_rows[] = {
    {.quantity = Quantity::y,
     .name = "y",
     .per = Per::element,
     .bound = &Bounds::y,
     .output = &Outputs<double>::y,
     .truth = &truth::Result::y},
    {.quantity = Quantity::dx,
     .name = "dx",
     .per = Per::element,
     .degree = -1,
     .bound = &Bounds::dx,
     .output = &Outputs<double>::dx,
     .truth = &truth::Result::dx,
     .by = &Inputs<double>::x,
     .by_complex = &Inputs<Complex>::x},
    {.quantity = Quantity::dgamma,
     .name = "dgamma",
     .per = Per::entry,
     .bound = &Bounds::dgamma,
     .output = &Outputs<double>::dgamma,
     .truth = &truth::Result::dgamma,
     .by = &Inputs<double>::gamma,
     .by_complex = &Inputs<Complex>::gamma},
    {.quantity = Quantity::dbeta,
     .name = "dbeta",
     .per = Per::entry,
     .bound = &Bounds::dbeta,
     .output = &Outputs<double>::dbeta,
     .truth = &truth::Result::dbeta,
     .by = &Inputs<double>::beta,
     .by_complex = &Inputs<Complex>::beta},
    {.quantity = Quantity::s,
     .name = "s",
     .per = Per::element,
     .degree = 1,
     .residual = true,
     .bound = &Bounds::s,
     .output = &Outputs<double>::s,
     .truth = &truth::Result::s},
    {.quantity = Quantity::d_residual,
     .name = "d_residual",
     .per = Per::element,
     .degree = -1,
     .residual = true,
     .bound = &Bounds::d_residual,
     .output = &Outputs<double>::d_residual,
     .truth = &truth::Result::d_residual,
     .by = &Inputs<double>::residual},
    {.quantity = Quantity::dtau,
     .name = "dtau",
     .per = Per::entry,
     .threshold = true,
     .bound = &Bounds::dtau,
     .output = &Outputs<double>::dtau,
     .truth = &truth::Result::dtau,
     .by = &Inputs<double>::tau,
     .by_complex = &Inputs<Complex>::tau},
    {.quantity = Quantity::mean,
     .name = "saved mean",
     .per = Per::block,
     .degree = 1,
     .bound = &Bounds::mean,
     .saved = &Saved::mean,
     .view = &SavedView::mean,
     .saves = &Saves::mean,
     .of_block = [](const truth::Block& b) { return b.mean; }},
    {.quantity = Quantity::var,
     .name = "saved var",
     .per = Per::block,
     .degree = 2,
     .bound = &Bounds::var,
     .saved = &Saved::var,
     .view = &SavedView::var,
     .saves = &Saves::var,
     .of_block = [](const truth::Block& b) { return b.var; }},
    {.quantity = Quantity::rstd,
     .name = "saved rstd",
     .per = Per::block,
     .degree = -1,
     .bound = &Bounds::rstd,
     .saved = &Saved::rstd,
     .view = &SavedView::rstd,
     .saves = &Saves::rstd,
     .of_block = [](const truth::Block& b) { return b.s == 0 ? Quad(0) : Quad(1 / b.s); }},
    {.quantity = Quantity::r,
     .name = "saved r",
     .per = Per::block,
     .correction = true,
     .bound = &Bounds::r,
     .saved = &Saved::r,
     .view = &SavedView::r,
     .of_block = [](const truth::Block& b) { return b.r; }},
    {.quantity = Quantity::d,
     .name = "saved d",
     .per = Per::block,
     .correction = true,
     .bound = &Bounds::d,
     .saved = &Saved::d,
     .view = &SavedView::d,
     .of_block = [](const truth::Block& b) { return b.d; }},
    {.quantity = Quantity::running_mean,
     .name = "running mean",
     .per = Per::channel,
     .degree = 1,
     .bound = &Bounds::running_mean,
     .truth = &truth::Result::running_mean},
    {.quantity = Quantity::running_spread,
     .name = "running spread",
     .per = Per::channel,
     .bound = &Bounds::running_spread,
     .truth = &truth::Result::running_spread},
    {.quantity = Quantity::count, .name = "count", .per = Per::call},
    {.quantity = Quantity::norm,
     .name = "sqrt(var + eps)",
     .per = Per::block,
     .degree = 1,
     .of_block = [](const truth::Block& b) { return b.s; }},
    {.quantity = Quantity::raw_r,
     .name = "r before clipping",
     .per = Per::block,
     .correction = true,
     .of_block = [](const truth::Block& b) { return b.raw_r; }},
    {.quantity = Quantity::raw_d,
     .name = "d before clipping",
     .per = Per::block,
     .correction = true,
     .of_block = [](const truth::Block& b) { return b.raw_d; }},
    {.quantity = Quantity::ddx,
     .name = "ddx",
     .per = Per::element,
     .degree = -2,
     .bound = &Bounds::ddx,
     .output = &Outputs<double>::ddx,
     .truth = &truth::Result::ddx,
     .by = &Inputs<double>::x},
    {.quantity = Quantity::ddy,
     .name = "ddy",
     .per = Per::element,
     .bound = &Bounds::ddy,
     .output = &Outputs<double>::ddy,
     .truth = &truth::Result::ddy,
     .by = &Inputs<double>::dy},
    {.quantity = Quantity::ddgamma,
     .name = "ddgamma",
     .per = Per::entry,
     .degree = -1,
     .bound = &Bounds::ddgamma,
     .output = &Outputs<double>::ddgamma,
     .truth = &truth::Result::ddgamma,
     .by = &Inputs<double>::gamma},
    {.quantity = Quantity::S, .name = "S", .per = Per::call},
    {.quantity = Quantity::scale, .name = "scale", .per = Per::call},
};

constexpr std::size_t place(Quantity quantity) { return static_cast<std::size_t>(quantity); }

constexpr bool rows_are_in_order() {
    for (std::size_t k = 0; k < std::size(quantity_rows); ++k)
        if (place(quantity_rows[k].quantity) != k) return false;
    return true;
}
static_assert(rows_are_in_order() && std::size(quantity_rows) == quantity_count);

}  // namespace

namespace quantities {
std::span<const QuantityRow> all() { return quantity_rows; }
std::span<const QuantityRow> outputs() {
    return {quantity_rows + place(Quantity::y), quantity_rows + place(Quantity::s)};
}
std::vector<QuantityRow> outputs(const Problem& problem) {
    std::vector<QuantityRow> rows;
    std::copy_if(quantity_rows + place(Quantity::y), quantity_rows + place(Quantity::mean), std::back_inserter(rows),
                 [&](const QuantityRow& row) { return row.is_of(problem); });
    return rows;
}
std::span<const QuantityRow> saved() {
    return {quantity_rows + place(Quantity::mean), quantity_rows + place(Quantity::running_mean)};
}
std::span<const QuantityRow> results() {
    return {quantity_rows + place(Quantity::y), quantity_rows + place(Quantity::count)};
}
std::span<const QuantityRow> second() {
    return {quantity_rows + place(Quantity::ddx), quantity_rows + place(Quantity::S)};
}
}  // namespace quantities

const QuantityRow& row_of(Quantity quantity) { return quantity_rows[place(quantity)]; }

std::string_view QuantityRow::name_in(const Spec& spec) const {
    if (quantity != Quantity::running_spread) return name;
    return spec.running == Running::sigma ? "running sigma" : "running var";
}

const std::vector<double>& QuantityRow::in(const Outputs<double>& outputs) const {
    if (output) return outputs.*output;
    if (saved) return outputs.saved.*saved;
    return quantity == Quantity::running_mean ? outputs.state.mean : spread_of(outputs.state);
}

std::vector<truth::Wide> QuantityRow::in(const truth::Result& result) const {
    if (truth) return result.*truth;
    std::vector<truth::Wide> values;
    for (const truth::Block& b : result.blocks) values.emplace_back(of_block(b));
    return values;
}

bool is_asked(Quantity q, const Wanted& wanted) {
    return q == Quantity::y || q == Quantity::s || (q == Quantity::d_residual && wanted.d_residual) ||
           (q == Quantity::dtau && wanted.dtau) || (q == Quantity::dx && wanted.dx) ||
           (q == Quantity::dgamma && wanted.dgamma) || (q == Quantity::dbeta && wanted.dbeta) ||
           (q == Quantity::ddx && wanted.ddx) || (q == Quantity::ddy && wanted.ddy) ||
           (q == Quantity::ddgamma && wanted.ddgamma);
}

}  // namespace normlab::verify
