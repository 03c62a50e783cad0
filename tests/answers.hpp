#pragma once
// Plays the script of an exported folder: an implementation's outputs in the files that each call's case.json names.

#include <functional>

#include "io/npy.hpp"
#include "verify/exchange/vector_values.hpp"

namespace normlab::verify {

using Change = std::function<void(const Inputs<double>&, Outputs<double>&)>;

inline void write_answer(const VectorArray& a, const std::vector<double>& values) {
    const DType dtype = a.bits                            ? *a.bits
                        : a.type == io::ElementType::f32  ? DType::f32
                        : a.type == io::ElementType::bf16 ? DType::bf16
                        : a.type == io::ElementType::f16  ? DType::f16
                                                          : DType::f64;
    io::write_npy_in_part(a.file, array_in_files(dtype, a.shape, values));
}

/// `change` spoils them; without `optional`, what may be missing is.
inline void fill_in(
    const std::filesystem::path& folder, const Change& change = [](const Inputs<double>&, Outputs<double>&) {},
    bool optional = true, const Implementation& implementation = find_implementation("reference")) {
    for (const auto& call : std::filesystem::directory_iterator(folder)) {
        if (!call.is_directory()) continue;
        VectorFile file = read_vector(call.path() / "case.json");
        for (auto& [name, array] : file.inputs) load(array);
        for (const auto& [name, array] : file.optional_outputs)
            if (optional) file.outputs[name].array = array;
        const Step step = steps_of(file).at(0);
        Outputs<double> out = run(implementation, step.in);
        change(step.in, out);
        const ByQuantity values = values_of(step.in, out);
        for (const Target& t : step.targets) {
            const bool tensor = row_of(t.quantity).per == Per::element;
            std::vector<double> v = values[t.quantity];
            for (std::size_t i = 0; i < v.size() && tensor; ++i)
                v[memory_index(step.in.problem, i)] = values[t.quantity][i];
            write_answer(file.outputs[t.name].array, v);
        }
    }
}

}  // namespace normlab::verify
