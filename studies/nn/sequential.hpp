#pragma once
// Layers one after the other, with everything between them open to studies; and a branch added to its input.

#include <memory>

#include "studies/nn/layer.hpp"

namespace normlab::nn {

/// A net, or a part of one. After the first pass of a size a pass allocates nothing.
///   Sequential net({.backend = &cpu(), .seed = 1});
///   net.add<Dense>(784, 100);
///   Norm& norm = net.add<Norm>(100, batch_norm());
///   net.add<Relu>();
class Sequential : public Layer {
public:
    using Layer::Layer;

    /// Makes a layer at the end: the arguments are those of L's constructor after its Setup. The reference stays good. At most 255 layers.
    template <class L, class... Args>
    L& add(Args&&... args) {
        auto layer = std::make_unique<L>(next(), std::forward<Args>(args)...);
        L& added = *layer;
        append(std::move(layer));
        return added;
    }

    std::string name() const override;   ///< its layers' names, joined by ", "
    void forward(const Array& x, Array& y, const Pass& pass) override;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override;
    std::vector<Parameter*> parameters() override;
    std::vector<Layer*> inner() override;

    /// The whole net: the result is the last layer's output and stays good until the next pass.
    const Array& forward(const Array& x, const Pass& pass);
    /// Takes the loss's gradient by the output from `output_gradient`. The gradient by x is not made.
    void backward(const Array& x);
    Array& output_gradient();

    std::size_t size() const { return layers_.size(); }
    Layer& layer(std::size_t i) { return *layers_[i]; }
    /// What layer i gave in the last pass, and the gradient of the loss by it in the last backward.
    const Array& output(std::size_t i) const { return outputs_[i]; }
    const Array& gradient(std::size_t i) const { return gradients_[i]; }

    /// All layers of one kind, those inside others too, in order.
    template <class L>
    std::vector<L*> all() {
        std::vector<L*> found;
        visit(*this, [&](Layer& layer) {
            if (auto* l = dynamic_cast<L*>(&layer)) found.push_back(l);
        });
        return found;
    }

private:
    Setup next() const;
    void append(std::unique_ptr<Layer> layer);
    static void visit(Layer& layer, const std::function<void(Layer&)>& f);

    std::vector<std::unique_ptr<Layer>> layers_;
    std::vector<Array> outputs_, gradients_;
};

/// y = branch(x) + shortcut(x), the shortcut empty (x itself) or a 1x1 convolution and kin where the number of channels changes (He et al. 2016).
class Residual : public Layer {
public:
    explicit Residual(const Setup& setup);
    Sequential& branch() { return branch_; }
    Sequential& shortcut() { return shortcut_; }

    std::string name() const override;
    void forward(const Array& x, Array& y, const Pass& pass) override;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override;
    std::vector<Parameter*> parameters() override;
    std::vector<Layer*> inner() override { return {&branch_, &shortcut_}; }

private:
    Sequential branch_, shortcut_;
    Array sum_, other_;
};

}  // namespace normlab::nn
