#pragma once
// What is timed: problems by name, in sets, or read from a file.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "norms/spec.hpp"

namespace normlab::bench {

/// One normalization layer of a network.
struct Workload {
    std::string variant;
    std::string dims;  ///< as people write them: 32x64x56x56
    Shape shape;
    std::int64_t groups = 1;
    std::optional<double> eps;  ///< unset: the variant's own
    Activation activation = Activation::none;
    Residual residual = Residual::none;  ///< none or stored
    Cast cast = Cast::after;
    std::optional<DType> output;  ///< of y, where it is not the data's
    Scale scale = Scale::given;   ///< of a y of 8 bits
    bool scale_power_of_two = false, scale_inverse = false;
    // unless others are asked for:
    DType dtype = DType::f32;
    Layout layout = Layout::channels_first;
    bool both_layouts = false;  ///< the other layout too

    Spec spec() const;
    /// "group_norm 32x64x56x56 G=32 silu cast residual output=e4m3 scale=block", or with other signs than ' ' and '='
    std::string text(char between = ' ', char of = '=') const;
};

/// dims as they are in their network: [N, C, ...]; layer and rms norm over the last of them; weight norm over all but
/// the first. Throws Error for dims that the variant cannot have (activation_shape, trailing_shape, weight_shape), an
/// empty one among them, and where groups do not divide C.
Workload make_workload(std::string_view variant, const std::vector<std::int64_t>& dims, std::int64_t groups = 1);

/// The names of sets (shape_sets.hpp).
std::vector<std::string_view> shape_sets();

/// One of these sets, or else a file. Throws Error naming the nearest set.
std::vector<Workload> find_workloads(const std::string& set_or_file);

/// JSON: {"problems": [{"prim": "bnorm" | "lnorm" | "gnorm", "shape": [N, C, ...], "G": groups of gnorm, "eps",
/// "activation", "cast", "residual", "output", "scale", "scale_power_of_two" and "scale_inverse": optional}, ...]},
/// other keys ignored. bnorm is batch_norm, lnorm layer_norm over the last dimension, gnorm group_norm; residual is
/// "none" or "stored"; scale "channels" is of lnorm alone. A problem that was there before with the same N, C, S, G and
/// options but eps is skipped. Throws io::InputError naming the file, the problem's
/// number and what would be accepted.
std::vector<Workload> read_workloads(const std::filesystem::path& path);

/// The same workloads for `variants` alone (empty: all). A variant that the set does not have runs on all its distinct
/// shapes; group norm then has the largest number of groups up to 32 that divides C. Throws Error for an unknown
/// variant.
std::vector<Workload> select_variants(const std::vector<Workload>& workloads, const std::vector<std::string>& variants);

}  // namespace normlab::bench
