#pragma once
// Layers one after the other, with everything between them open to studies; and a branch added to its input.

#include <algorithm>
#include <iterator>
#include <memory>

#include "studies/nn/layer.hpp"

namespace normlab::nn {

/// A net, or a part of one. After the first pass of a size a pass allocates nothing.
///   Sequential net({.backend = &cpu(), .seed = 1});
///   net.add<Dense>(784, 100);
///   Norm& norm = net.add<Norm>(100, batch_norm());
///   net.add<Relu>();
class Sequential {
public:
    explicit Sequential(const Setup& setup) : setup_(setup) {}

    /// Makes a layer at the end: the arguments are those of L's constructor after its Setup. The reference stays good.
    /// At most 255 layers.
    template <class L, class... Args>
    L& add(Args&&... args) {
        auto layer = std::make_unique<L>(next(L::draws), std::forward<Args>(args)...);
        L& added = *layer;
        append(std::move(layer));
        return added;
    }

    std::string name() const;  ///< its layers' names, joined by ", "
    std::vector<Parameter*> parameters() const;

    /// The last layer's output, which stays good until the next pass; x itself where there are no layers.
    const Array& forward(const Array& x, const Pass& pass);
    /// From dy, the gradient of the loss by the output, and the x of the forward before it. dx is written where it is
    /// not null.
    void backward(const Array& x, const Array& dy, Array* dx);
    /// The same with dy in `output_gradient()`, for a loss to write to, and no dx.
    void backward(const Array& x) { backward(x, output_gradient(), nullptr); }
    Array& output_gradient() { return gradients_.back(); }

    std::size_t size() const { return layers_.size(); }
    Layer& layer(std::size_t i) const { return *layers_[i]; }
    /// What layer i gave in the last pass, and the gradient of the loss by it in the last backward.
    const Array& output(std::size_t i) const { return outputs_[i]; }
    const Array& gradient(std::size_t i) const { return gradients_[i]; }

    /// All layers of one kind, those inside others too, in order.
    template <class L>
    std::vector<L*> all() const {
        std::vector<L*> found;
        for (const auto& layer : layers_) {
            if (auto* l = dynamic_cast<L*>(layer.get())) found.push_back(l);
            for (const Sequential* part : layer->parts()) std::ranges::copy(part->all<L>(), std::back_inserter(found));
        }
        return found;
    }

    Setup setup() const { return setup_; }

private:
    Setup next(bool draws);
    void append(std::unique_ptr<Layer> layer);

    Setup setup_;
    std::vector<std::unique_ptr<Layer>> layers_;
    std::vector<Array> outputs_, gradients_;
    std::uint32_t drawing_ = 0;
};

/// y = branch(x) + shortcut(x); the shortcut is empty (x itself), or a 1x1 convolution and kin where the number of
/// channels changes (He et al. 2016).
///   Residual& block = net.add<Residual>();
///   block.branch().add<Conv>(8, 8);
class Residual : public Layer {
public:
    static constexpr bool draws = true;
    explicit Residual(const Setup& setup);
    Sequential& branch() { return branch_; }
    Sequential& shortcut() { return shortcut_; }

    std::string name() const override;
    void forward(const Array& x, Array& y, const Pass& pass) override;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override;
    std::vector<Parameter*> parameters() override;
    std::vector<const Sequential*> parts() const override { return {&branch_, &shortcut_}; }

private:
    Sequential branch_, shortcut_;
    Array shortcut_dx_;
};

}  // namespace normlab::nn
