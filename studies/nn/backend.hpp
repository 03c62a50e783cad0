#pragma once
// The arithmetic of the substrate on one device. Layers call these and touch no memory themselves; the norms come
// through norms/operation.hpp.
//
// Views are dense, f32 or f64, all of one dtype, on `device()`. A matrix is a view with S = 1: N rows of C, row-major.
// Where the words say so a result may be an argument's own memory; other overlaps are not allowed. Shapes are checked
// by the layers. The same call gives the same bits on every run.

#include <string>

#include "norms/tensor.hpp"
#include "system/random.hpp"

namespace normlab::nn {

/// x[N, H, W, C] of a convolution or a pooling.
struct Image {
    std::int64_t H = 1, W = 1, C = 1;
};

class Backend {
public:
    virtual ~Backend() = default;
    virtual Device device() const = 0;
    virtual void* stream() const { return nullptr; }  ///< a cudaStream_t, for norms/operation.hpp

    /// c (+)= op(a) op(b), op the identity or the transpose.
    struct Gemm {
        bool transpose_a = false, transpose_b = false, accumulate = false;
    };
    virtual void gemm(Gemm how, ConstTensor a, ConstTensor b, Tensor c) = 0;

    virtual void add_bias(ConstTensor bias, Tensor y) = 0;  ///< y[i, c] += bias[c]
    /// sums[c] = sum_i x[i, c], accumulated in f64
    virtual void sum_rows(ConstTensor x, Tensor sums) = 0;

    /// x[N, H, W, C] -> columns[N H W, 9 C]: the 3x3 neighbourhood of each position, row by row, zero outside; and its
    /// adjoint, which overwrites dx.
    virtual void im2col(Image image, ConstTensor x, Tensor columns) = 0;
    virtual void col2im(Image image, ConstTensor dcolumns, Tensor dx) = 0;
    /// How many elements of `columns` to make at once: as many as stay in a cache (host), or all.
    virtual std::int64_t column_elements() const = 0;

    /// 2x2, stride 2; a last odd row or column is left out. The gradient goes to the first of the largest.
    virtual void max_pool(Image image, ConstTensor x, Tensor y) = 0;
    virtual void max_pool_gradient(Image image, ConstTensor x, ConstTensor y, ConstTensor dy, Tensor dx) = 0;
    /// y[n, c] = mean over positions.
    virtual void average_pool(Image image, ConstTensor x, Tensor y) = 0;
    virtual void average_pool_gradient(Image image, ConstTensor dy, Tensor dx) = 0;

    virtual void relu(ConstTensor x, Tensor y) = 0;
    /// dy where y > 0, else 0; dx may be dy
    virtual void relu_gradient(ConstTensor y, ConstTensor dy, Tensor dx) = 0;
    virtual void sigmoid(ConstTensor x, Tensor y) = 0;                            ///< 1 / (1 + exp(-x))
    virtual void sigmoid_gradient(ConstTensor y, ConstTensor dy, Tensor dx) = 0;  ///< y (1 - y) dy; dx may be dy
    virtual void add(ConstTensor a, ConstTensor b, Tensor c) = 0;                 ///< c = a + b; c may be a
    /// y[i] = x[i] / (1 - rate) where the i-th number of `mask` is at least `rate`, else 0; y may be x.
    virtual void dropout(double rate, random::Stream mask, ConstTensor x, Tensor y) = 0;

    /// Losses of x[N, K] against targets t[N, K]; each sample's loss goes to losses[N] (f64), and the gradient of their
    /// mean to dx. Cross-entropy of softmax(x): log(sum_k exp x_k) sum_k t_k - sum_k t_k x_k. Squared error: sum_k (x_k
    /// - t_k)^2 / K.
    virtual void cross_entropy(ConstTensor x, ConstTensor targets, Tensor dx, Tensor losses) = 0;
    virtual void squared_error(ConstTensor x, ConstTensor targets, Tensor dx, Tensor losses) = 0;

    /// One step of a parameter w with gradient g; g + decay w is what both use.
    /// v = momentum v + g, w -= rate v
    virtual void sgd(double rate, double momentum, double decay, ConstTensor g, Tensor velocity, Tensor w) = 0;
    /// s += g^2, w -= rate g / (sqrt(s) + eps)
    virtual void adagrad(double rate, double eps, double decay, ConstTensor g, Tensor squares, Tensor w) = 0;
};

/// OpenBLAS on one thread (set for the whole process), plain loops.
Backend& cpu();

/// That of the device on which an implementation of the norms (a name of `normlab list`) works. Throws Error where
/// there is none, or no such implementation.
Backend& backend_for(const std::string& implementation);

}  // namespace normlab::nn
