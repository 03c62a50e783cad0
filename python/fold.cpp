// normlab.fold and normlab.recalibrate: norms/fold.hpp and the population of norms/norm.hpp on arrays of Python's.

#include "norms/fold.hpp"

#include <fmt/format.h>

#include "norms/element.hpp"
#include "norms/names.hpp"
#include "norms/registry.hpp"
#include "python/alone.hpp"
#include "python/asked.hpp"

namespace normlab::python {
namespace {

// gamma and beta are of one type.
DType params_of(const GivenArrays& arrays) {
    const GivenArray *gamma = arrays.find("gamma"), *beta = arrays.find("beta");
    if (gamma && beta) beta->require(gamma->dtype());
    return gamma ? gamma->dtype() : beta ? beta->dtype() : DType::f32;
}

State state_of(const GivenArrays& arrays, const Spec& spec) {
    State state;
    const char* spread = spec.running == Running::sigma ? "running_sigma" : "running_var";
    state.mean = arrays.at("running_mean").values();
    const GivenArray& spreads = arrays.at(spread);
    spreads.require(std::ssize(state.mean), "one a channel");
    (spec.running == Running::sigma ? state.sigma : state.var) = spreads.values();
    return state;
}

Affine entries(const GivenArrays& arrays, std::int64_t channels) {
    for (const char* name : {"gamma", "beta"})
        if (const GivenArray* array = arrays.find(name)) array->require(channels, "one a channel");
    return {arrays.data("gamma"), arrays.data("beta")};
}

py::dict folded(const std::string& variant, const py::dict& options, const py::dict& given, const py::dict& about) {
    const GivenArrays arrays(given);
    const GivenArray& W = arrays.at("W");
    const GivenArray* b = arrays.find("b");
    if (W.dims().size() < 2)
        throw Error(fmt::format("W has the shape {}; [out, in, ...], or transposed [in, out, ...], is accepted",
                                shape_text(W.dims())));
    LinearLayer layer;
    layer.dtype = W.dtype(), layer.groups = about["groups"].cast<std::int64_t>();
    layer.transposed = about["transposed"].cast<bool>(), layer.zero_padded = about["zero_padded"].cast<bool>();
    const std::int64_t rows = W.dims()[0], across = W.dims()[1] * layer.groups;
    layer.out = layer.transposed ? across : rows, layer.in = layer.transposed ? rows : across;
    for (std::size_t k = 2; k < W.dims().size(); ++k) layer.kernel *= W.dims()[k];
    if (b) b->require(layer.dtype), b->require(layer.out, "one an output");
    const MadeArray W_to(layer.dtype, W.dims()), b_to(layer.dtype, b ? b->dims() : Dims{layer.out});
    const Weights from{W.data(), b ? b->data() : nullptr};
    const FoldedWeights to{W_to.data, b_to.data};
    FoldBound bound;
    if (about["behind"].cast<bool>()) {  // the layer stands behind the norm
        bound = fold_into_layer_behind(entries(arrays, layer.in), params_of(arrays), layer, from, to);
    } else {
        const Spec spec = spec_of(variant, options);
        if (spec.running == Running::none) fold(spec, {}, {}, DType::f32);  // says why not
        const State state = state_of(arrays, spec);
        const Affine affine = entries(arrays, std::ssize(state.mean));
        bound = fold_into_layer_before(spec, state, affine, params_of(arrays), layer, from, to);
    }
    py::dict all;
    all["W"] = W_to.array, all["b"] = b_to.array, all["relative"] = bound.relative, all["smallest"] = bound.smallest;
    all["bias"] = made_array(bound.bias, {layer.out});
    return all;
}

py::dict channel_map(const std::string& variant, const py::dict& options, const py::dict& given) {
    const GivenArrays arrays(given);
    const Spec spec = spec_of(variant, options);
    if (spec.running == Running::none) fold(spec, {}, {}, DType::f32);  // says why not
    const State state = state_of(arrays, spec);
    const Affine affine = entries(arrays, std::ssize(state.mean));
    const ChannelMap map = fold(spec, state, affine, params_of(arrays));
    const Dims dims{std::ssize(map.scale)};
    py::dict all;
    all["scale"] = made_array(map.scale, dims), all["shift"] = made_array(map.shift, dims);
    return all;
}

class Batches {
public:
    Batches(const std::string& variant, const py::dict& options, const std::string& average, const std::string& layout)
        : spec_(spec_of(variant, options)), layout_(parse_layout(layout)) {
        constexpr std::string_view averages[] = {"paper", "pooled"};
        average_ = static_cast<Average>(place_of("average", average, averages));
    }
    void add(const py::tuple& array) {
        const GivenArray x("x", array);
        const Shape shape = activation_shape(x.dims(), layout_);
        if (!population_) population_.emplace(spec_, shape.C, average_);
        const ConstTensor tensor{x.data(), x.dtype(), shape, layout_};
        const py::gil_scoped_release others_may_run;
        population_->add(tensor, find_implementation("cpu"));
    }
    py::dict state() const {
        if (!population_) throw Error("recalibrate: no batches; 1 or more is accepted");
        const State state = population_->state();
        const bool sigma = spec_.running == Running::sigma;
        const Dims dims{std::ssize(state.mean)};
        py::dict all;
        all["running_mean"] = made_array(state.mean, dims);
        all[sigma ? "running_sigma" : "running_var"] = made_array(sigma ? state.sigma : state.var, dims);
        all["count"] = state.count;
        return all;
    }

private:
    Spec spec_;
    Layout layout_;
    Average average_ = Average::paper;
    std::optional<Population> population_;
};

}  // namespace

void define_fold(py::module_& m) {
    m.def("fold", &folded);
    m.def("channel_map", &channel_map);
    py::class_<Batches>(m, "Batches")
        .def(py::init<const std::string&, const py::dict&, const std::string&, const std::string&>())
        .def("add", &Batches::add)
        .def("state", &Batches::state);
}

}  // namespace normlab::python
