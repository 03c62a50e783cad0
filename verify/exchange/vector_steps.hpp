#pragma once
// What an outside test vector means here: calls of norm.hpp, and what each should give.

#include "norms/variants.hpp"
#include "verify/exchange/vector_file.hpp"
#include "verify/truth/quantities.hpp"

namespace normlab::verify {

struct Target {
    std::string name;   ///< as in the file: "running_mean_out"
    Quantity quantity;  ///< that it is compared with
    Source source;
    std::vector<double> values;
};

/// One call.
struct Step {
    Inputs<double> in;  ///< the State is the first step's; a later one takes what the step before left
    std::vector<Target> targets;
};

/// The variant that computes an op, batch norm for "batch_norm_multistep": a variant whose calls move statistics has
/// ops of several calls. Throws Error naming the nearest known op.
const Variant& variant_of(std::string_view op);

/// The calls of a loaded vector: one, or those of a multistep op in order, evaluation last. Throws io::InputError where
/// the file contradicts itself (an array that is missing, or whose name is unknown), and Error where its arrays make no
/// call: shapes and attributes that do not go together.
std::vector<Step> steps_of(const VectorFile& vector);

}  // namespace normlab::verify
