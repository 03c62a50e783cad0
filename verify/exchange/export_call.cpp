#include "verify/exchange/export_call.hpp"

#include <cerrno>
#include <fstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "io/error.hpp"
#include "io/npy.hpp"
#include "norms/names.hpp"
#include "norms/variants.hpp"
#include "verify/exchange/vector_file.hpp"

namespace normlab::verify {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

ordered_json attributes_of(const Inputs<double>& in, bool weighs_old) {
    const Problem& p = in.problem;
    const Spec& s = p.spec;
    ordered_json a = ordered_json::object();
    if (s.running != Running::none) {
        a["training"] = p.mode == Mode::train;
        // 1 - (1 - m) is m for every m in [0, 1] that is such a difference itself
        a["momentum"] = s.momentum ? ordered_json(weighs_old ? 1 - *s.momentum : *s.momentum) : ordered_json();
        if (weighs_old && s.momentum) a["momentum_weighs"] = "old";
        a["track_running_stats"] = true;
        if (s.correction == Correction::renorm || s.running != Running::unbiased_variance)
            a["running_stat"] = s.running == Running::sigma             ? "sigma"
                                : s.running == Running::biased_variance ? "var_biased"
                                                                        : "var_unbiased";
    }
    if (s.correction == Correction::renorm) a["r_max"] = s.r_max, a["d_max"] = s.d_max;
    a["eps"] = s.eps;
    if (!find_variant(s.variant).make().plain())
        a["denominator"] = name_of(s.denominator), a["divisor"] = name_of(s.divisor);
    if (s.activates()) a["activation"] = name_of(s.activation);
    if (s.gamma_offset != 0) a["gamma_offset"] = s.gamma_offset;
    if (s.adds()) a["residual"] = name_of(s.residual);
    if (p.residuals() != p.dtype) a["residual_dtype"] = name_in_files(p.residuals());
    if (is_narrow(p.params())) a["param_dtype"] = name_in_files(p.params());
    if (s.affine_set != AffineSet::channel) a["affine_set"] = name_of(s.affine_set);
    if (s.casts()) a["cast"] = name_of(s.cast);
    if (s.is_partial()) a["part"] = s.part;
    if (p.outputs() != p.dtype) a["output"] = name_in_files(p.outputs());
    if (s.quantizes())
        a["scale"] = name_of(s.scale), a["scale_power_of_two"] = s.scale_power_of_two,
        a["scale_inverse"] = s.scale_inverse;
    if (is_weights(s)) return a["dim"] = 1, a;
    a["affine"] = in.gamma.empty()  ? (in.beta.empty() ? ordered_json(false) : ordered_json("beta"))
                  : in.beta.empty() ? ordered_json("gamma")
                                    : ordered_json(true);
    if (is_by_element(s)) a["normalized_shape"] = {p.shape.C};
    if (is_by_group(s)) a["num_groups"] = s.groups;
    if (p.layout == Layout::channels_last) a["layout"] = "nhwc";
    return a;
}

class Folder {
public:
    Folder(const fs::path& path, const Inputs<double>& in, bool weighs_old)
        : path_(path), in_(in), p_(in.problem), weighs_old_(weighs_old) {
        fs::create_directory(path);
        const auto& [N, C, S] = p_.shape;
        const bool elements = is_by_element(p_.spec);  // S = 1
        tensor_ = elements                             ? std::vector{N, C}
                  : p_.layout == Layout::channels_last ? std::vector{N, S, C}
                                                       : std::vector{N, C, S};
        axes_ = elements ? "N C" : p_.layout == Layout::channels_last ? "N S C" : "N C S";
    }

    std::size_t write() {
        const bool weights = is_weights(p_.spec), renorm = p_.has_correction();
        const std::vector<std::int64_t> channels{p_.shape.C},
            parameters = weights ? weight_parameters() : entry_shape(p_);
        const ArrayNames& names = array_names(p_.spec);
        const std::string x(names.x), y(names.y), gamma(names.gamma),
            spread = p_.spec.running == Running::sigma ? "sigma" : "var";
        const std::string parameter_axes = weights ? "1 C 1" : entry_axes();
        const DType params = p_.params();
        const TensorGaps& gaps = p_.gaps;
        input(x, in_memory(in_.x), p_.dtype, tensor_, axes_, gaps.x);
        input("d" + y, in_memory(in_.dy), p_.dtype, tensor_, axes_, gaps.dy);
        const DType sums = p_.residuals();
        input("residual", in_memory(in_.residual), sums, tensor_, axes_, gaps.x);
        if (p_.spec.masked) mask();
        input("scale", in_.scale, DType::f32, std::vector{p_.scale_count()}, "1");
        if (!in_.dy.empty()) input("ds", in_memory(in_.ds), sums, tensor_, axes_, gaps.dx);
        input(gamma, in_.gamma, params, parameters, parameter_axes);
        input("beta", in_.beta, params, parameters, parameter_axes);
        input("tau", in_.tau, params, parameters, parameter_axes);
        if (in_.twice()) {
            input(weights ? "p" : "v", in_memory(in_.v), p_.dtype, tensor_, axes_, gaps.dx);
            input(weights ? "q" : "u", in_.u, params, parameters, parameter_axes);
            input("w", in_.w, params, parameters, parameter_axes);
        }
        input("running_mean_in", in_.state.mean, DType::f64, channels, "C");
        input(fmt::format("running_{}_in", spread), in_.state.sigma.empty() ? in_.state.var : in_.state.sigma,
              DType::f64, channels, "C");
        if (p_.spec.running != Running::none) count();

        ordered_json outputs = ordered_json::array(), optional = ordered_json::array();
        const auto add = [&](ordered_json& to, const std::string& name, DType dtype, const auto& shape,
                             const std::string& axes,
                             const Gaps& between = {}) { to.push_back(entry(name, dtype, shape, axes, between)); };
        add(outputs, y, p_.outputs(), tensor_, axes_, gaps.y);
        if (p_.spec.finds_scale())
            add(outputs, "scale", DType::f32, std::vector{p_.scale_count()},
                p_.spec.scale == Scale::block ? "one a block" : "N S pieces_of_128_channels");
        if (p_.spec.adds()) add(outputs, "s", sums, tensor_, axes_, gaps.x);
        if (!in_.dy.empty()) {
            if (p_.spec.adds()) add(outputs, "dresidual", sums, tensor_, axes_, gaps.dx);
            add(outputs, "d" + x, p_.dtype, tensor_, axes_, gaps.dx);
            if (!in_.gamma.empty()) add(outputs, "d" + gamma, params, parameters, parameter_axes);
            if (!in_.beta.empty()) add(outputs, "dbeta", params, parameters, parameter_axes);
            if (p_.spec.thresholds()) add(outputs, "dtau", params, parameters, parameter_axes);
        }
        if (in_.twice()) {
            add(outputs, "dd" + x, p_.dtype, tensor_, axes_, gaps.dx);
            add(outputs, "dd" + y, p_.dtype, tensor_, axes_, gaps.dx);
            if (!in_.gamma.empty()) add(outputs, "dd" + gamma, params, parameters, parameter_axes);
        }
        const std::vector<std::int64_t> blocks{p_.statistics_count()};
        if (p_.spec.running != Running::none && p_.mode == Mode::train)
            for (const std::string& what : {std::string("mean"), spread})
                add(optional, fmt::format("running_{}_out", what), DType::f64, channels, "C");
        for (const char* what : {"r", "d"})
            if (renorm) add(optional, what, DType::f64, blocks, "C");
        if (p_.own_statistics())
            for (const char* what : {"save_mean", "save_rstd"}) add(optional, what, DType::f64, blocks, "one a block");
        const ordered_json document{
            {"schema", 1},
            {"name", path_.filename().string()},
            {"source", "normlab export"},
            {"op", std::string(p_.spec.variant) + std::string(in_.twice() ? double_backward : "")},
            {"dtype", name_in_files(p_.dtype)},
            {"attributes", attributes_of(in_, weighs_old_)},
            {"inputs", inputs_},
            {"outputs", outputs},
            {"optional_outputs", optional}};
        std::ofstream out(path_ / "case.json");
        out << text_of(document) << std::flush;
        if (!out) io::refuse_with_errno(path_ / "case.json", "cannot be written", errno);
        return files_ + 1;
    }

private:
    std::vector<std::int64_t> weight_parameters() const { return {1, p_.shape.C, 1}; }
    std::string entry_axes() const {
        constexpr std::string_view axes[] = {"C", "C S", "N C", "G"};
        return std::string(axes[static_cast<std::size_t>(p_.spec.affine_set)]);
    }

    ordered_json entry(const std::string& name, DType dtype, const std::vector<std::int64_t>& shape,
                       const std::string& axes, const Gaps& between = {}) const {
        ordered_json e{{"name", name}, {"file", name + ".npy"}, {"dtype", name_in_files(dtype)}};
        if (is_narrow(dtype)) e["stored_as"] = "uint16";
        if (size_of(dtype) == 1) e["stored_as"] = "uint8";
        e["shape"] = shape, e["axes"] = axes;
        if (between != Gaps{}) {
            const Steps s = p_.tensor(nullptr, dtype, between).steps();
            e["strides"] = shape.size() == 2                    ? std::vector{s.sample, s.channel}
                           : p_.layout == Layout::channels_last ? std::vector{s.sample, s.position, s.channel}
                                                                : std::vector{s.sample, s.channel, s.position};
        }
        return e;
    }

    // A line for each key and each array.
    static std::string text_of(const ordered_json& document) {
        std::string text;
        for (const auto& [key, value] : document.items()) {
            text += fmt::format("{}\n {}: ", text.empty() ? "{" : ",", ordered_json(key).dump());
            if (!value.is_array()) text += value.dump();
            else {
                std::string lines;
                for (const ordered_json& element : value)
                    lines += fmt::format("{}\n  {}", lines.empty() ? "" : ",", element.dump());
                text += "[" + lines + (lines.empty() ? "]" : "\n ]");
            }
        }
        return text + "\n}\n";
    }

    std::vector<double> in_memory(const std::vector<double>& logical) const {
        std::vector<double> v(logical.size());
        for (std::size_t i = 0; i < v.size(); ++i) v[memory_index(p_, i)] = logical[i];
        return v;
    }

    // Nothing where there are no values.
    void input(const std::string& name, const std::vector<double>& values, DType dtype,
               const std::vector<std::int64_t>& shape, const std::string& axes, const Gaps& between = {}) {
        if (values.empty()) return;
        io::write_npy_in_part(path_ / (name + ".npy"), array_in_files(dtype, shape, values));
        inputs_.push_back(entry(name, dtype, shape, axes, between));
        ++files_;
    }
    void mask() {
        const std::vector shape{p_.shape.N, p_.shape.S};
        io::write_npy_in_part(path_ / "mask.npy", io::make_array(shape, std::span<const std::uint8_t>(in_.mask)));
        inputs_.push_back(
            {{"name", "mask"}, {"file", "mask.npy"}, {"dtype", "uint8"}, {"shape", shape}, {"axes", "N S"}});
        ++files_;
    }
    void count() {
        const std::string name = "num_batches_tracked_in";
        io::write_npy_in_part(path_ / (name + ".npy"), io::make_array({}, std::span(&in_.state.count, 1)));
        inputs_.push_back(
            {{"name", name}, {"file", name + ".npy"}, {"dtype", "int64"}, {"shape", ordered_json::array()}});
        ++files_;
    }

    fs::path path_;
    const Inputs<double>& in_;
    const Problem& p_;
    bool weighs_old_;
    std::vector<std::int64_t> tensor_;
    std::string axes_;
    ordered_json inputs_ = ordered_json::array();
    std::size_t files_ = 0;
};

}  // namespace

std::size_t write_call(const fs::path& folder, const Inputs<double>& call, bool weighs_old) {
    return Folder(folder, call, weighs_old).write();
}

}  // namespace normlab::verify
