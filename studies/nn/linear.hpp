#pragma once
// Layers with weights: dense and convolution, plain or weight-normalised.

#include <optional>

#include "norms/operation.hpp"
#include "studies/nn/layer.hpp"

namespace normlab::nn {

/// How weights begin: normal with mean 0 and standard deviation `scale` (gaussian) or scale * sqrt(2 / fan_in) (he; He
/// et al. 2015).
struct Init {
    enum class Kind { gaussian, he } kind = Kind::he;
    double scale = 1;

    double deviation(std::int64_t fan_in) const;
};
inline Init gaussian(double deviation) { return {Init::Kind::gaussian, deviation}; }
inline Init he_normal(double scale = 1) { return {Init::Kind::he, scale}; }

struct LinearOptions {
    Init init = he_normal();
    bool bias = true;  ///< begins at 0
    /// w = g v / |v| an output (Salimans & Kingma 2016); g begins at |v|, so that w begins as v
    bool weight_norm = false;
    std::string implementation = "cpu";  ///< of the weight normalization
};

/// W[out, fan_in] as parameters: W itself, or v and g.
class Weights {
public:
    Weights(const Setup& setup, std::int64_t out, std::int64_t fan_in, const LinearOptions& options);

    const Array& value() const { return operation_ ? w_ : v_.value; }
    void prepare();  ///< before a forward: w = g v / |v|
    Array& gradient() { return operation_ ? dw_ : v_.gradient; }
    void finish();  ///< after `gradient` was written: dv and dg
    std::vector<Parameter*> parameters();
    bool normalised() const { return operation_.has_value(); }
    void set_norms(std::span<const double> g) { g_.value.set(g); }

private:
    Tensor as_channels(const Array& a) const;

    Parameter v_, g_;
    Array w_, dw_;
    std::optional<Operation> operation_;
    std::optional<SavedMemory> saved_;
};

/// y = x W^T + b: what the layers below share.
class Linear : public Layer {
public:
    static constexpr bool draws = true;
    void forward(const Array& x, Array& y, const Pass& pass) override;
    void backward(const Array& x, const Array& y, const Array& dy, Array* dx) override;
    std::vector<Parameter*> parameters() override;
    Parameter& weight() { return *weights_.parameters().front(); }  ///< W, or v; [out, fan_in]
    std::optional<Parameter>& bias() { return bias_; }

protected:
    Linear(const Setup& setup, std::int64_t out, std::int64_t fan_in, const LinearOptions& options);
    /// throws Error where x does not fit
    virtual Dims output(const Dims& x) const = 0;
    virtual void multiply(const Array& x, Array& y) = 0;                         ///< y = x W^T
    virtual void multiply_back(const Array& x, const Array& dy, Array* dx) = 0;  ///< dW = dy^T x, dx = dy W

    Weights weights_;
    std::optional<Parameter> bias_;
};

/// x[N, H, W, C] with H W C = in (memory order) -> y[N, out].
class Dense : public Linear {
public:
    Dense(const Setup& setup, std::int64_t in, std::int64_t out, const LinearOptions& options = {});
    std::string name() const override;

private:
    Dims output(const Dims& x) const override;
    void multiply(const Array& x, Array& y) override;
    void multiply_back(const Array& x, const Array& dy, Array* dx) override;

    std::int64_t in_, out_;
};

/// 3x3 (padding 1) or 1x1 convolution, stride 1: y has x's H and W. W[out, kernel, kernel, in]. Kernel 1 or 3,
/// otherwise Error.
class Conv : public Linear {
public:
    Conv(const Setup& setup, std::int64_t in, std::int64_t out, std::int64_t kernel = 3,
         const LinearOptions& options = {});
    std::string name() const override;

private:
    Dims output(const Dims& x) const override;
    void multiply(const Array& x, Array& y) override;
    void multiply_back(const Array& x, const Array& dy, Array* dx) override;
    Image image(const Array& x) const;
    /// samples at once, so that their columns stay in a cache
    std::int64_t chunk(const Dims& x) const;
    /// x as the matrix that W^T is multiplied with
    Tensor columns(const Array& x, std::int64_t first, std::int64_t samples);

    std::int64_t in_, out_, kernel_;
    Array columns_, dcolumns_;
};

}  // namespace normlab::nn
