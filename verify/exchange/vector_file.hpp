#pragma once
// A folder with one outside test vector: case.json and the .npy files that it names.
//
//   op, dtype (float32, float64, bfloat16, float16), attributes: the call; momentum weighs the new value, or with
//     momentum_weighs = old the old one
//   inputs, outputs, outputs64, outputs_ref80: lists of {name, file, dtype, shape}; 16-bit ones are stored_as uint16,
//     their bits (or as they are), those of 8 bits as uint8
//   strides (of normlab export): of an entry of these lists, in elements, one an axis: the view of a larger tensor as
//     which the script is to have the array, 0 along an axis whose elements are one; files are dense
//   optional_outputs (of normlab export): likewise; they may be missing, running statistics may be float32,
//     and --vectors does not look at them
//   expect_error: null, or the message with which the outside refuses the call; tags: words
// Of an output that is in several lists the best is taken: outputs_ref80 (long double), outputs64 (f64 on the same f32
// inputs), outputs.

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "io/array.hpp"
#include "verify/case/case.hpp"

namespace normlab::verify {

struct VectorArray {
    std::filesystem::path file;
    io::ElementType type = io::ElementType::f64;
    std::vector<std::int64_t> shape;
    std::vector<double> values = {};         ///< after load()
    bool or_f32 = false;                     ///< load() takes f32 for f64 too
    std::optional<DType> bits = {};          ///< of type u8: whose bits they are, if not whole numbers
    std::vector<std::int64_t> strides = {};  ///< none: dense
};

/// What case.json calls a dtype: "float32", "bfloat16".
constexpr std::string_view name_in_files(DType d) {
    switch (d) {
        case DType::bf16: return "bfloat16";
        case DType::f16: return "float16";
        case DType::e4m3: return "float8_e4m3fn";
        case DType::e5m2: return "float8_e5m2";
        default: return row_of(d).numpy;
    }
}

/// The values as an array of the dtype; of types of 16 and 8 bits their bits.
io::Array array_in_files(DType dtype, const std::vector<std::int64_t>& shape, const std::vector<double>& values);

/// What computed an output.
enum class Source { f32, f64, ref80 };

struct VectorOutput {
    VectorArray array;
    Source source = Source::f64;
};

/// The settings of a call; an absent one is unset.
struct VectorAttributes {
    std::optional<bool> training;  ///< training or use_input_stats
    std::optional<bool> track_running_stats;
    std::optional<double> eps;
    bool has_momentum = false;
    std::optional<double> momentum;  ///< null: the cumulative average
    std::optional<AffineUse> affine;
    std::optional<std::int64_t> groups, normalized, dim, steps;
    std::vector<std::int64_t> normalized_shape;
    std::vector<double> r_max, d_max;  ///< one, or one a step
    std::optional<Running> running_stat;
    std::optional<Denominator> denominator;
    std::optional<Divisor> divisor;
    std::int32_t gamma_offset = 0;
    Activation activation = Activation::none;
    std::optional<DType> param_dtype, residual_dtype;
    Residual residual = Residual::none;
    AffineSet affine_set = AffineSet::channel;
    Cast cast = Cast::after;
    std::optional<DType> output;
    Scale scale = Scale::given;
    bool scale_power_of_two = false, scale_inverse = false;
    std::optional<double> part;
    Layout layout = Layout::channels_first;  ///< of x, dy, y and dx in their files: [N, C, ...] or [N, ..., C]
    std::optional<double> mean_initial, spread_initial;
    std::int64_t batches_initial = 0;
};

struct VectorFile {
    std::filesystem::path folder;
    std::string op;
    DType dtype = DType::f64;
    VectorAttributes attributes;
    std::map<std::string, VectorArray> inputs;
    std::map<std::string, VectorOutput> outputs;
    std::map<std::string, VectorArray> optional_outputs;
    std::set<std::string> tags;
    bool nonfinite = false;  ///< the outside's own outputs have NaN or infinities
    std::optional<std::string> expect_error;
};

/// Ops of such vectors that normlab does not have.
inline constexpr std::string_view absent_ops[] = {"sync_batch_norm"};

/// The ops whose outputs are of the double backward end so; what precedes it is the variant's name.
inline constexpr std::string_view double_backward = "_double_backward";

/// What x, y and gamma are called; gradients have a d in front.
struct ArrayNames {
    std::string_view x, y, gamma;
};
const ArrayNames& array_names(const Spec& spec);

/// The shape of gamma and beta as arrays: [C], [C, S], [N, C] or [G], after the affine set; not that of weights.
std::vector<std::int64_t> entry_shape(const Problem& problem);

/// Reads and checks a case.json, of an absent op the op and dtype alone; opens no other file. Throws io::InputError
/// naming the file, the offending key and what is accepted: no JSON, a key that is missing or of another type, an
/// attribute, dtype or running_stat that is unknown, a file outside the folder.
VectorFile read_vector(const std::filesystem::path& case_json);

/// Reads the arrays. Throws io::InputError where a file is missing or corrupt, or is not of the dtype and shape that
/// case.json says.
void load(VectorFile& vector);
void load(VectorArray& array);

}  // namespace normlab::verify
