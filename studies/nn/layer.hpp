#pragma once
// What a layer is. A net is a Sequential of them (sequential.hpp).

#include <string>
#include <vector>

#include "studies/nn/array.hpp"
#include "studies/nn/backend.hpp"

namespace normlab::nn {

/// What a pass is for. `evaluate` is the only one in which Norm looks at its population statistics, `train` the only
/// one that moves moving averages, drops out, and is followed by `backward`s of training (a backward may follow any).
enum class Task {
    train,
    evaluate,
    /// Norm normalises by the batch and adds it to its population statistics (score.hpp: `measure_population`)
    population,
    /// weight-normalised layers set g and b from this batch (Salimans & Kingma 2016); Norm normalises by the batch
    initialise
};
struct Pass {
    Task task = Task::train;
    std::int64_t step = 0;  ///< of the optimiser, from 0: batch renorm's schedule and dropout's masks depend on it
};

/// A learned array and its gradient, of the same Dims. `decays`: weight decay applies (weights; not biases, gamma,
/// beta, g).
struct Parameter {
    std::string name;
    Array value, gradient;
    bool decays = false;
};

/// What every layer is made with; Sequential::add fills it in.
struct Setup {
    Backend* backend = nullptr;
    DType dtype = DType::f32;
    std::uint64_t seed = 1;
    /// the layer's place among those that draw: keeps its random numbers apart from others', whatever norms stand
    /// between
    std::uint32_t stream = 0;
    int threads = 1;  ///< of the normalizations; results do not depend on it

    /// `use`: a step, or what is no step
    random::Stream random(std::uint32_t use) const { return {seed, std::uint64_t{stream} << 32 | use}; }
};

class Sequential;

class Layer {
public:
    static constexpr bool draws = false;  ///< L::draws: whether an L uses random numbers

    explicit Layer(const Setup& setup) : setup_(setup) {}
    virtual ~Layer() = default;
    Layer(const Layer&) = delete;
    Layer& operator=(const Layer&) = delete;

    virtual std::string name() const = 0;  ///< with its settings: "dense 784-100"
    /// y is resized and written. Throws Error where x does not fit, before y is written.
    virtual void forward(const Array& x, Array& y, const Pass& pass) = 0;
    /// From the x and y of the forward before it: writes (does not add to) the parameters' gradients, and dx where it
    /// is not null.
    virtual void backward(const Array& x, const Array& y, const Array& dy, Array* dx) = 0;
    virtual std::vector<Parameter*> parameters() { return {}; }
    virtual std::vector<const Sequential*> parts() const { return {}; }  ///< nets that it is made of

protected:
    Backend& backend() const { return *setup_.backend; }
    Array array() const { return {backend().device(), setup_.dtype}; }
    const Setup& setup() const { return setup_; }

private:
    Setup setup_;
};

}  // namespace normlab::nn
