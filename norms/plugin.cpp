#include "norms/plugin.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>

#include <dlfcn.h>

#include <fmt/format.h>

#include "norms/memory.hpp"
#include "norms/names.hpp"
#include "norms/operation.hpp"

namespace normlab {
namespace {

std::string version_text(std::uint32_t version) { return fmt::format("{}.{}", version >> 16, version & 0xffff); }

normlab_problem c_problem(const Problem& p) {
    const Axes& block = p.spec.block;
    normlab_problem c{};
    c.size = sizeof c;
    c.variant = p.spec.variant.data();
    c.N = p.shape.N, c.C = p.shape.C, c.S = p.shape.S;
    c.dtype = row_of(p.dtype).plugin_code;
    c.layout = static_cast<std::int32_t>(p.layout);
    c.mode = static_cast<std::int32_t>(p.mode);
    c.device = static_cast<std::int32_t>(p.device);
    c.block = (block.samples ? NORMLAB_SAMPLES : 0) | (block.groups ? NORMLAB_GROUPS : 0) |
              (block.channels ? NORMLAB_CHANNELS : 0) | (block.positions ? NORMLAB_POSITIONS : 0);
    c.moments = static_cast<std::int32_t>(p.spec.moments);
    c.correction = static_cast<std::int32_t>(p.spec.correction);
    c.running = static_cast<std::int32_t>(p.spec.running);
    c.groups = p.spec.groups;
    c.stat_batch = p.slices() > 1 ? p.spec.stat_batch : 0;
    c.statistics = p.statistics_count();
    c.eps = p.spec.eps;
    c.momentum = p.spec.momentum.value_or(-1);
    c.r_max = p.spec.r_max, c.d_max = p.spec.d_max;
    c.denominator = static_cast<std::int32_t>(p.spec.denominator);
    c.divisor = static_cast<std::int32_t>(p.spec.divisor);
    c.gamma_offset = p.spec.gamma_offset;
    c.epilogue = static_cast<std::int32_t>(p.spec.activation);
    c.param_dtype = is_narrow(p.params()) ? 1 + row_of(p.params()).plugin_code : 0;
    c.residual = static_cast<std::int32_t>(p.spec.residual);
    c.residual_dtype = p.residuals() != p.dtype ? 1 + row_of(p.residuals()).plugin_code : 0;
    c.affine_set = static_cast<std::int32_t>(p.spec.affine_set);
    c.cast = static_cast<std::int32_t>(p.spec.cast);
    c.masked = p.spec.masked ? 1 : 0;
    constexpr DType outputs[] = {DType::f32, DType::e4m3, DType::e5m2};
    if (p.outputs() != p.dtype)
        c.output = 1 + static_cast<std::int32_t>(std::ranges::find(outputs, p.outputs()) - std::begin(outputs));
    c.scale = static_cast<std::int32_t>(p.spec.scale);
    c.scale_power_of_two = p.spec.scale_power_of_two, c.scale_inverse = p.spec.scale_inverse;
    c.scales = p.scale_count();
    c.part = p.spec.is_partial() ? p.spec.part : 0;
    c.strided = p.dense() ? 0 : 1;
    const auto put = [&](const Gaps& gaps, std::int64_t(&strides)[3]) {
        const Steps steps = p.tensor(nullptr, p.dtype, gaps).steps();
        strides[0] = steps.sample, strides[1] = steps.channel, strides[2] = steps.position;
    };
    put(p.gaps.x, c.x_strides), put(p.gaps.y, c.y_strides), put(p.gaps.dy, c.dy_strides), put(p.gaps.dx, c.dx_strides);
    return c;
}

// The enumerations of both sides have one order; dtypes have their codes in dtype.hpp.
static_assert(std::ranges::max(dtype_table, {}, &DTypeRow::plugin_code).plugin_code <
              static_cast<int>(std::extent_v<decltype(normlab_plugin::accumulation)>));
static_assert(NORMLAB_CHANNELS_LAST == static_cast<int>(Layout::channels_last) &&
              NORMLAB_EVAL == static_cast<int>(Mode::eval));
static_assert(NORMLAB_CUDA == static_cast<int>(Device::cuda) && NORMLAB_NORM == static_cast<int>(Moments::norm));
static_assert(NORMLAB_FLOOR_ROOT == static_cast<int>(Denominator::floor_root) &&
              NORMLAB_DIVISOR_ONE == static_cast<int>(Divisor::one));
static_assert(NORMLAB_ACTIVATION_THRESHOLD == static_cast<int>(Activation::threshold));
static_assert(NORMLAB_RESIDUAL_WIDE == static_cast<int>(Residual::wide));
static_assert(NORMLAB_AFFINE_GROUP == static_cast<int>(AffineSet::group));
static_assert(NORMLAB_CAST_BEFORE == static_cast<int>(Cast::before));
static_assert(NORMLAB_SCALE_CHANNELS == static_cast<int>(Scale::channels) && channels_of_a_scale == 128);
static_assert(NORMLAB_RENORM == static_cast<int>(Correction::renorm) &&
              NORMLAB_RUNNING_SIGMA == static_cast<int>(Running::sigma));
static_assert(NORMLAB_KAPPA_FREE == static_cast<int>(Accumulation::kappa_free) &&
              NORMLAB_PIVOT == static_cast<int>(Accumulation::pivot));

Saves saves_of(const normlab_plugin& table) {
    return {(table.saves & NORMLAB_SAVES_MEAN) != 0, (table.saves & NORMLAB_SAVES_VAR) != 0,
            (table.saves & NORMLAB_SAVES_RSTD) != 0};
}

void (*look)(const char*) = nullptr;

// A function of the table, called.
template <class F>
auto looked_after(const char* name, F&& function) {
    struct After {
        const char* name;
        ~After() {
            if (look) look(name);
        }
    } after{name};
    return function();
}

class PluginPlan final : public Plan {
public:
    PluginPlan(const normlab_plugin& table, const Problem& problem) : table_(table) {
        const normlab_problem p = c_problem(problem);
        check("create", [&] { return table_.create(&p, &plan_); });
    }
    ~PluginPlan() override {
        looked_after("destroy", [&] { table_.destroy(plan_); });
    }
    PluginPlan(const PluginPlan&) = delete;
    PluginPlan& operator=(const PluginPlan&) = delete;

    std::size_t workspace_bytes() const override { return bytes("workspace_bytes", table_.workspace_bytes); }
    std::size_t opaque_bytes() const override { return bytes("saved_bytes", table_.saved_bytes); }
    void set_threads(int threads) override {
        if (table_.set_threads) check("set_threads", [&] { return table_.set_threads(plan_, threads); });
    }

    void forward(const ForwardArgs& a) const override {
        const normlab_state state{a.state.mean, a.state.var, a.state.sigma, a.state.count};
        const normlab_forward_args args{
            sizeof args, a.x.data, a.affine.gamma,        a.affine.beta,  state,  c_saved(a.saved), a.y.data,
            a.workspace, a.stream, a.added.residual.data, a.added.s.data, a.mask, a.scale,          a.affine.tau};
        check("forward", [&] { return table_.forward(plan_, &args); });
    }

    void backward(const BackwardArgs& a) const override {
        const normlab_backward_args args{sizeof args,
                                         a.x.data,
                                         a.dy.data,
                                         a.affine.gamma,
                                         a.affine.beta,
                                         c_saved(a.saved),
                                         a.gradients.dx.data,
                                         a.gradients.dgamma,
                                         a.gradients.dbeta,
                                         a.workspace,
                                         a.stream,
                                         a.ds.data,
                                         a.gradients.d_residual.data,
                                         a.mask,
                                         a.affine.tau,
                                         a.gradients.dtau};
        check("backward", [&] { return table_.backward(plan_, &args); });
    }

    Support supports_backward_backward() const override {
        if (table_.backward_backward) return {};
        return {table_.version < version_of_backward_backward
                    ? fmt::format("its table is of version {} of norms/plugin.h, which has no backward_backward",
                                  version_text(table_.version))
                    : "backward_backward is null in its table"};
    }

    void backward_backward(const BackwardBackwardArgs& a) const override {
        const normlab_backward_backward_args args{
            sizeof args,         a.x.data,       a.dy.data,      a.affine.gamma,       c_saved(a.saved),
            a.cotangents.v.data, a.cotangents.u, a.cotangents.w, a.gradients.ddx.data, a.gradients.ddy.data,
            a.gradients.ddgamma, a.workspace,    a.stream};
        check("backward_backward", [&] { return table_.backward_backward(plan_, &args); });
    }

private:
    static constexpr std::uint32_t version_of_backward_backward = 1u << 16 | 2;

    normlab_saved c_saved(const ConstSavedView& s) const {
        const Saves saves = saves_of(table_);
        const auto given = [](const double* p, bool wanted) { return wanted ? const_cast<double*>(p) : nullptr; };
        return {given(s.mean, saves.mean), given(s.var, saves.var), given(s.rstd, saves.rstd),
                given(s.r, true),          given(s.d, true),        const_cast<std::byte*>(s.opaque)};
    }
    std::size_t bytes(const char* name, std::size_t (*function)(const normlab_plan*)) const {
        return function ? looked_after(name, [&] { return function(plan_); }) : 0;
    }
    template <class F>
    void check(const char* function, F&& call) const {
        const int status = looked_after(function, call);
        if (status == 0) return;
        const char* text = table_.last_error ? table_.last_error() : nullptr;
        if (status == NORMLAB_DECLINED && std::string_view(function) == "backward_backward")
            throw Declined(
                fmt::format("{} declines double backward: {}", table_.name, text ? text : "no reason given"));
        throw Failure(fmt::format("{}: {} failed with {}{}", table_.name, function, status,
                                  text ? fmt::format(": {}", text) : ""));
    }

    const normlab_plugin& table_;
    normlab_plan* plan_ = nullptr;
};

class PluginImplementation final : public Implementation {
public:
    PluginImplementation(const normlab_plugin& table, const PluginName& name)
        : table_(table), origin_("--plugin " + name.text()) {}

    std::string name() const override { return table_.name; }
    std::string description() const override { return table_.description; }
    Device device() const override { return static_cast<Device>(table_.device); }
    Support available() const override {
        return answer(table_.available ? looked_after("available", table_.available) : nullptr);
    }
    Support supports(const Problem& problem) const override {
        if (row_of(problem.dtype).plugin_code < 0)
            return {fmt::format("{} does not cross the plug-in interface", name_of(problem.dtype))};
        if (const std::string unread = not_read(problem); !unread.empty()) return {unread};
        if (problem.mode == Mode::train && problem.spec.running != Running::none && !updates_state() &&
            !(saves().mean && saves().var))
            return {"it neither moves running statistics nor saves the mean and variance to move them with"};
        if (problem.device != device()) return {fmt::format("it works on {} memory", name_of(device()))};
        Problem whole = problem;  // an empty tensor is not asked about: plugin.h promises one of each
        whole.shape = {std::max<std::int64_t>(1, problem.shape.N), std::max(problem.spec.groups, problem.shape.C),
                       std::max<std::int64_t>(1, problem.shape.S)};
        const normlab_problem c = c_problem(whole);
        return answer(looked_after("supports", [&] { return table_.supports(&c); }));
    }
    Accumulation accumulation(DType dtype) const override {
        const int code = row_of(dtype).plugin_code;
        return code < 0 ? Accumulation::sequential : static_cast<Accumulation>(table_.accumulation[code]);
    }
    bool deterministic() const override { return table_.nondeterministic == 0; }
    bool flushes_subnormals() const override { return table_.flushes_subnormals != 0; }
    bool updates_state() const override { return table_.updates_state != 0; }
    Saves saves() const override { return saves_of(table_); }
    std::string origin() const override { return origin_; }
    std::unique_ptr<Plan> plan(const Problem& problem) const override {
        return std::make_unique<PluginPlan>(table_, problem);
    }

private:
    // A later field of a problem that the plug-in does not know; empty: none.
    std::string not_read(const Problem& problem) const {
        const Spec& spec = problem.spec;
        const struct {
            bool asked;
            std::int32_t bit;
            std::uint32_t since;  // minor version
            std::string_view fields;
        } later[] = {{!spec.plain(), NORMLAB_READS_DENOMINATOR, 3, "denominator and divisor"},
                     {spec.gamma_offset != 0, NORMLAB_READS_GAMMA_OFFSET, 3, "gamma_offset"},
                     {spec.activates(), NORMLAB_READS_EPILOGUE, 4, "epilogue"},
                     {is_narrow(problem.params()), NORMLAB_READS_PARAM_DTYPE, 4, "param_dtype"},
                     {spec.adds(), NORMLAB_READS_RESIDUAL, 5, "residual"},
                     {!problem.dense(), NORMLAB_READS_STRIDES, 5, "strides"},
                     {spec.affine_set != AffineSet::channel, NORMLAB_READS_AFFINE, 5, "affine_set"},
                     {spec.casts(), NORMLAB_READS_CAST, 6, "cast"},
                     {spec.masked, NORMLAB_READS_MASK, 7, "masked"},
                     {problem.outputs() != problem.dtype, NORMLAB_READS_OUTPUT, 8, "output"},
                     {spec.is_partial(), NORMLAB_READS_PART, 9, "part"},
                     {spec.thresholds(), NORMLAB_READS_THRESHOLD, 10, "tau and dtau"}};
        for (const auto& [asked, bit, since, fields] : later) {
            if (!asked || (table_.reads & bit)) continue;
            if (const std::uint32_t least = 1u << 16 | since; table_.version < least)
                return fmt::format(
                    "it was built for version {} of norms/plugin.h, which has no {}; {} or later is asked",
                    version_text(table_.version), fields, version_text(least));
            return fmt::format("its table does not say that it reads {} (normlab_plugin.reads)", fields);
        }
        return {};
    }
    static Support answer(const char* reason) { return {!reason ? "" : *reason ? reason : "no reason given"}; }

    normlab_plugin table_;
    std::string origin_;
};

// What the plug-in gave, with null for what it does not know; or an Error that says what is wrong with it.
normlab_plugin checked_table(const normlab_plugin* given, const std::string& file) {
    const auto refuse = [&](const std::string& what) { throw Error(fmt::format("{}: {}", file, what)); };
    if (given->version >> 16 != NORMLAB_PLUGIN_MAJOR)
        refuse(fmt::format("built for version {} of norms/plugin.h; versions {}.x are accepted",
                           version_text(given->version), NORMLAB_PLUGIN_MAJOR));
    constexpr std::size_t least = offsetof(normlab_plugin, backward) + sizeof(given->backward);
    if (given->size < least)
        refuse(
            fmt::format("its table has {} bytes; at least {}, up to and with backward, are accepted (size = "
                        "sizeof(normlab_plugin))",
                        given->size, least));
    normlab_plugin table{};
    std::memcpy(&table, given, std::min(given->size, sizeof table));
    const std::pair<const char*, bool> needed[] = {{"name", table.name},         {"description", table.description},
                                                   {"supports", table.supports}, {"create", table.create},
                                                   {"destroy", table.destroy},   {"forward", table.forward},
                                                   {"backward", table.backward}};
    for (const auto& [field, there] : needed)
        if (!there)
            refuse(
                fmt::format("{} is null in its table; only available, workspace_bytes, saved_bytes, set_threads, "
                            "last_error and backward_backward may be",
                            field));
    const std::string name = table.name;
    if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") != std::string::npos)
        refuse(fmt::format("its name is '{}'; lower case letters, digits and _ are accepted", name));
    if (table.device != NORMLAB_HOST && table.device != NORMLAB_CUDA)
        refuse(fmt::format("device {}; NORMLAB_HOST or NORMLAB_CUDA is accepted", table.device));
    for (const std::int32_t a : table.accumulation)
        if (a < NORMLAB_SEQUENTIAL || a > NORMLAB_PIVOT)
            refuse(fmt::format("accumulation {}; 0 to {} is accepted", a, int{NORMLAB_PIVOT}));
    return table;
}

}  // namespace

void look_after_plugin_calls(void (*function)(const char*)) { look = function; }

PluginName parse_plugin(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string::npos || text.find('/', colon) != std::string::npos) return {text, ""};
    return {text.substr(0, colon), text.substr(colon + 1)};
}

std::unique_ptr<Implementation> plugin_implementation(const normlab_plugin& table, const PluginName& plugin) {
    return std::make_unique<PluginImplementation>(checked_table(&table, plugin.file), plugin);
}

const Implementation& load_plugin(const PluginName& plugin) {
    static std::map<std::string, const Implementation*> loaded;
    std::error_code error;
    const std::filesystem::path file = std::filesystem::canonical(plugin.file, error);
    if (error) throw Error(fmt::format("plug-in {}: {}", plugin.file, error.message()));
    const std::string key = PluginName{file.string(), plugin.options}.text();
    if (const auto known = loaded.find(key); known != loaded.end()) return *known->second;
    void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        std::string why = dlerror();
        if (why.starts_with(file.string() + ": ")) why.erase(0, file.string().size() + 2);
        throw Error(
            fmt::format("{}: cannot be loaded ({}); a shared library for this machine, with all that it needs, "
                        "is accepted",
                        plugin.file, why));
    }
    const auto entry = reinterpret_cast<decltype(&normlab_plugin_entry)>(dlsym(library, "normlab_plugin_entry"));
    if (!entry)
        throw Error(fmt::format("{}: not a plug-in: it exports no normlab_plugin_entry (norms/plugin.h)", plugin.file));
    const normlab_plugin* given = entry(NORMLAB_PLUGIN_VERSION, plugin.options.c_str());
    if (!given)
        throw Error(fmt::format("{}: no plug-in for options '{}' and version {} of norms/plugin.h", plugin.file,
                                plugin.options, version_text(NORMLAB_PLUGIN_VERSION)));
    if (look) look("loading it");
    const Implementation& implementation = register_implementation(plugin_implementation(*given, plugin));
    loaded.emplace(key, &implementation);
    return implementation;
}

}  // namespace normlab
