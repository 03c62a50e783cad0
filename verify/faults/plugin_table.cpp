// The layer behind the C interface: a table of functions for each fault, of which create alone differs.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "norms/plugin_status.hpp"
#include "verify/faults/layer.hpp"
#include "verify/faults/table.hpp"

namespace normlab::verify::faults {
namespace {

FaultyLayer& layer(normlab_plan* plan) { return *reinterpret_cast<FaultyLayer*>(plan); }

thread_local std::optional<double> strength;

const char* supports(const normlab_problem* p) {
    const bool known = p->epilogue >= NORMLAB_ACTIVATION_NONE && p->epilogue <= NORMLAB_ACTIVATION_THRESHOLD;
    return known ? nullptr : "it does not know what is to stand behind it";
}
void destroy(normlab_plan* plan) { delete &layer(plan); }
int forward(normlab_plan* plan, const normlab_forward_args* a) {
    return status_of([&] { layer(plan).forward(*a); });
}
int backward(normlab_plan* plan, const normlab_backward_args* a) {
    return status_of([&] { layer(plan).backward(*a); });
}
int backward_backward(normlab_plan* plan, const normlab_backward_backward_args* a) {
    return status_of([&] { layer(plan).backward_backward(*a); });
}
int set_threads(normlab_plan* plan, int threads) { return layer(plan).set_threads(threads), 0; }

// With the k-th fault; past the last: right.
template <std::size_t k>
int create(const normlab_problem* problem, normlab_plan** plan) {
    return status_of([&] {
        Formula formula = k < count ? table[k % count].formula() : Formula{};
        if (k < count && strength) formula.*table[k % count].number = *strength;
        *plan = reinterpret_cast<normlab_plan*>(new FaultyLayer(*problem, formula));
    });
}

struct Named {
    std::string name, description;
    normlab_plugin functions;
};

template <std::size_t k>
Named named() {
    Named n{k < count ? "faulty_" + std::string(table[k % count].name) : "faulty",
            k < count ? "a layer with a planted fault: " + std::string(table[k % count].description)
                      : "plain loops in double; its options are the name of a planted fault",
            {}};
    constexpr int sums = NORMLAB_DOUBLE;
    n.functions = {sizeof(normlab_plugin),
                   NORMLAB_PLUGIN_VERSION,
                   nullptr,
                   nullptr,
                   NORMLAB_HOST,
                   NORMLAB_SAVES_MEAN | NORMLAB_SAVES_VAR | NORMLAB_SAVES_RSTD,
                   1,
                   {sums, sums, sums, sums},
                   nullptr,
                   supports,
                   create<k>,
                   destroy,
                   nullptr,
                   nullptr,
                   forward,
                   backward,
                   set_threads,
                   last_plugin_error,
                   0,
                   0,
                   backward_backward};
    n.functions.reads = NORMLAB_READS_DENOMINATOR | NORMLAB_READS_GAMMA_OFFSET | NORMLAB_READS_EPILOGUE |
                        NORMLAB_READS_PARAM_DTYPE | NORMLAB_READS_RESIDUAL | NORMLAB_READS_STRIDES |
                        NORMLAB_READS_AFFINE | NORMLAB_READS_CAST | NORMLAB_READS_MASK | NORMLAB_READS_OUTPUT |
                        NORMLAB_READS_PART | NORMLAB_READS_THRESHOLD;
    return n;
}

template <std::size_t... k>
std::array<Named, sizeof...(k)> all_named(std::index_sequence<k...>) {
    return {named<k>()...};
}

}  // namespace

Strength::Strength(double number) { strength = number; }
Strength::~Strength() { strength.reset(); }

const normlab_plugin& plugin_table(const Fault* fault) {
    static const auto all = [] {
        auto made = std::make_unique<std::array<Named, count + 1>>(all_named(std::make_index_sequence<count + 1>()));
        for (Named& n : *made) n.functions.name = n.name.c_str(), n.functions.description = n.description.c_str();
        return made;
    }();
    return (*all)[fault ? static_cast<std::size_t>(fault - table) : count].functions;
}

}  // namespace normlab::verify::faults
