#include <cmath>
#include <memory>

#include <fmt/format.h>

#include "cli/commands.hpp"
#include "cli/files.hpp"
#include "cli/progress.hpp"
#include "cli/verify_options.hpp"
#include "norms/names.hpp"
#include "system/interrupt.hpp"
#include "system/shell.hpp"
#include "verify/case/settings.hpp"
#include "verify/exchange/export.hpp"

namespace normlab::cli {
namespace {

int run(const CLI::App& verb, const std::string& folder, const VerifyOptions& o, verify::FixedSettings fixed) {
    require_with(verb, {"--residual-dtype"}, {"--residual"});
    std::vector<std::string> left_out;
    std::vector<verify::Case> cases;
    for (const std::string& text : o.cases) {
        cases.push_back(verify::as_a_script(parse_known_case(text)));
        cases.back().implementation = verify::script_name;
    }
    if (!cases.empty() && !given(verb, {"--tier",         "--variant",    "--check",         "--dtype",
                                        "--layout",       "--mode",       "--convention",    "--eps",
                                        "--momentum",     "--running",    "--denominator",   "--divisor",
                                        "--gamma-offset", "--activation", "--param-dtype",   "--affine-set",
                                        "--cast",         "--output",     "--residual",      "--residual-dtype",
                                        "--scale",        "--mask",       "--scale-inverse", "--scale-power-of-two",
                                        "--part",         "--strides"})
                               .empty())
        throw Error(
            "a case says everything itself; --tier, a selection and fixed settings are accepted without --case");
    fixed.as_cases_say = !cases.empty();
    const bool of_8_bits = fixed.output == DType::e4m3 || fixed.output == DType::e5m2;
    if (!of_8_bits && !given(verb, {"--scale", "--scale-inverse", "--scale-power-of-two"}).empty())
        throw Error("a scale is one of y of 8 bits; with --scale, --output e4m3 or e5m2 is accepted");
    if (fixed.scale_power_of_two && fixed.scale == Scale::given)
        throw Error("--scale-power-of-two rounds a scale that is found; --scale block or channels is accepted");
    if (cases.empty()) cases = verify::plan_export(o.selection, o.tier.value_or(verify::Tier::smoke), left_out, fixed);
    Progress progress("export");
    system::catch_interrupts("export: stopping; nothing of the folder is kept\n");
    const auto show = [&](std::size_t done, std::size_t total) {
        if (system::interrupted()) throw system::Interrupted();
        progress.show(done, total);
    };
    const verify::Exported written = verify::export_cases(folder, cases, left_out, show, fixed);
    progress.clear();
    for (const std::string& line : left_out) fmt::print("left out: {}\n", line);
    fmt::print("export: {} cases make {} calls: {} files, {:.1f} MB in {}\n", written.cases, written.calls,
               written.files, static_cast<double>(written.bytes) / 1e6, folder);
    fmt::print("write the outputs that each CALL/case.json lists, then: {}\n",
               command_name() + " verify --judge " + system::shell_word(folder));
    return 0;
}

double parse_eps(std::string_view flag, const std::string& word) {
    const double eps = verify::parse_number(flag, word);
    if (eps >= 0 && std::isfinite(eps)) return eps;
    throw Error(fmt::format("{} {}; a finite number, 0 or more, is accepted", flag, word));
}

std::string checked_momentum(std::string_view flag, const std::string& word) {
    const std::optional<double> momentum = verify::parse_momentum(word);
    if (!momentum || (*momentum >= 0 && *momentum <= 1)) return word;
    throw Error(fmt::format("{} {}; a number from 0 to 1, or none, is accepted", flag, word));
}

void add_fixed_settings(CLI::App& verb, verify::FixedSettings& to) {
    in_group(verb, "What the script has built in", "export folder --variant batch_norm --convention keras --eps 1e-5");
    add_value(
        verb, "--convention", to.convention,
        [](std::string_view, const std::string& word) { return verify::find_convention(word); },
        "the default eps, momentum and running variance of a library: pytorch, keras, onnx, flax or paddle. Its "
        "momentum weighs what it weighs there; case.json says so");
    add_value(verb, "--eps", to.eps, parse_eps, "this eps in all cases; those that need another are left out");
    add_value(verb, "--momentum", to.momentum, checked_momentum,
              "this momentum (none: the cumulative average), as the convention means it: without one, the weight of "
              "the new value");
    add_value(
        verb, "--running", to.running, [](std::string_view, const std::string& word) { return parse_running(word); },
        "what is kept for evaluation: unbiased, biased (a variance), sigma or none");
    add_value(
        verb, "--denominator", to.denominator,
        [](std::string_view, const std::string& word) { return parse_denominator(word); },
        "what l2_norm or weight_standardization divides by: root, added, floor or floor_root (default: the variant's)");
    add_value(
        verb, "--divisor", to.divisor, [](std::string_view, const std::string& word) { return parse_divisor(word); },
        "of their sums of squares: own, less_one or one (default: the variant's)");
    add_value(
        verb, "--param-dtype", to.param_dtype,
        [](std::string_view flag, const std::string& word) {
            if (const DType dtype = parse_dtype(word); arithmetic_dtype(dtype) == DType::f32) return dtype;
            throw Error(fmt::format("{} {}; f32, bf16 or f16 is accepted", flag, word));
        },
        "the type of gamma, beta and their gradients: f32, bf16 or f16 (default: f32, f64 beside f64)");
    add_value(
        verb, "--gamma-offset", to.gamma_offset,
        [](std::string_view flag, const std::string& word) {
            if (word == "0" || word == "1") return static_cast<std::int32_t>(word[0] - '0');
            throw Error(fmt::format("{} {}; 0 or 1 is accepted", flag, word));
        },
        "1: gamma is stored less 1, and x_hat multiplied by 1 + gamma");
    add_value(
        verb, "--activation", to.activation,
        [](std::string_view, const std::string& word) { return parse_activation(word); },
        "behind the norm: relu, silu, gelu, gelu_tanh or threshold, which has an array tau (default: none)");
    add_value(
        verb, "--residual", to.residual, [](std::string_view, const std::string& word) { return parse_residual(word); },
        "s = x + residual before the norm, an output: stored (statistics of s) or wide (of the sum before it is "
        "rounded; default: none)");
    add_value(
        verb, "--residual-dtype", to.residual_dtype,
        [](std::string_view, const std::string& word) { return parse_dtype(word); },
        "the type of residual and s: f32 beside data of 16 bits (default: the data's)");
    add_value(
        verb, "--affine-set", to.affine_set,
        [](std::string_view, const std::string& word) { return parse_affine_set(word); },
        "what gamma and beta have one entry of: channel, element, sample_channel or group (default: channel)");
    add_value(
        verb, "--cast", to.cast, [](std::string_view, const std::string& word) { return parse_cast(word); },
        "before: x_hat is rounded to the data's type before it is multiplied by gamma (default: after)");
    add_value(
        verb, "--part", to.part,
        [](std::string_view flag, const std::string& word) {
            const double part = verify::parse_number(flag, word);
            if (part > 0 && part <= 1) return part;
            throw Error(fmt::format("{} {}; a number above 0, up to 1, is accepted", flag, word));
        },
        "the share of a block, its first elements, that the root mean square of rms_norm, partial_rms_norm and "
        "filter_response_norm is of (default: the variant's)");
    add_value(
        verb, "--output", to.output, [](std::string_view, const std::string& word) { return parse_output(word); },
        "f32: y of 16-bit data is f32; e4m3 or e5m2: y of 8 bits, as bytes, with a scale (default: the data's type)");
    add_value(
        verb, "--scale", to.scale, [](std::string_view, const std::string& word) { return parse_scale(word); },
        "of y of 8 bits: given, or an output, one a block or one for 128 channels: block, channels (default: given)");
    verb.add_flag("--scale-power-of-two", to.scale_power_of_two, "of a scale that is an output: rounded up to one");
    verb.add_flag("--scale-inverse", to.scale_inverse, "1 / scale is what is given, or an output");
    add_value(verb, "--mask", to.mask, verify::parse_mask,
              "an input of N x S bytes says which positions count: tail, scattered, all, one or poisoned (default: "
              "there is none)");
    verb.add_flag("--strides", to.strided,
                  "ask for views of larger tensors, too, and for dy expanded along axes: an array's \"strides\" in "
                  "case.json say which view of it the script is to make, for its kernel to read or fill");
}

}  // namespace

void add_export(CLI::App& app, int& status) {
    auto* verb = app.add_subcommand(
        "export", "write cases as .npy files, for kernels in any language; verify --judge reads the results");
    const auto folder = std::make_shared<std::string>();
    const auto o = std::make_shared<VerifyOptions>();
    const auto fixed = std::make_shared<verify::FixedSettings>();
    fills(verb->add_option("DIR", *folder, "the folder to write, which is to be new or empty")->required());
    in_group(*verb, "Which cases", "export folder --variant layer_norm --dtype f32");
    add_selection(
        *verb, o->selection,
        {"variants, comma separated (default: all)", "checks (default: those of few calls)",
         dtype_words() + " (default: f64, f32)", "nchw, nhwc (default: nchw)", "train, eval (default: both)"});
    add_tier(*verb, o->tier, "smoke (the default), ci or full");
    verb->add_option("--case", o->cases, "exactly this case, as a failure printed it")->allow_extra_args(false);
    add_fixed_settings(*verb, *fixed);
    when_called(*verb, [verb, folder, o, fixed, &status] { status = run(*verb, *folder, *o, *fixed); });
}

}  // namespace normlab::cli
