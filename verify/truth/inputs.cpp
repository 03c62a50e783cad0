#include "verify/truth/inputs.hpp"

#include <limits>

#include "norms/quad.hpp"
#include "verify/truth/elements.hpp"

namespace normlab::verify {
namespace {

// Memory of one tensor or parameter vector in its dtype and layout.
class Memory {
public:
    // Filled with NaN: what an implementation does not write, or adds to, is seen.
    Memory(DType dtype, std::size_t count) : dtype_(dtype), bytes_(count * size_of(dtype)) {
        with_writer<double>(data(), dtype_, [&](auto write) {
            for (std::size_t i = 0; i < count; ++i)
                write(static_cast<std::int64_t>(i), std::numeric_limits<double>::quiet_NaN());
        });
    }
    void* data() { return bytes_.data(); }
    const void* data() const { return bytes_.data(); }
    DType dtype() const { return dtype_; }

private:
    DType dtype_;
    std::vector<std::byte> bytes_;
};

// A tensor of a problem, and its memory.
class Laid {
public:
    Laid(const Problem& p, const Gaps& gaps, DType dtype, bool there = true)
        : tensor_(p.tensor(nullptr, dtype, gaps)),
          memory_(dtype, there ? static_cast<std::size_t>(tensor_.span()) : 0) {
        tensor_.data = memory_.data();
    }
    template <class T>
    Laid(const Problem& p, const Gaps& gaps, DType dtype, const std::vector<T>& values)
        : Laid(p, gaps, dtype, !values.empty()) {
        if (values.empty()) return;
        with_writer<T>(memory_.data(), dtype, [&](auto write) {
            for_elements(tensor_, [&](std::size_t i, std::int64_t at) { write(at, values[i]); });
        });
    }
    operator Tensor() const { return tensor_; }
    operator ConstTensor() const { return tensor_; }

    template <class T>
    std::vector<T> values() const {
        std::vector<T> v(static_cast<std::size_t>(tensor_.shape.size()));
        with_reader<T>(memory_.data(), memory_.dtype(), [&](auto read) {
            for_elements(tensor_, [&](std::size_t i, std::int64_t at) { v[i] = read(at); });
        });
        return v;
    }

private:
    Tensor tensor_;
    Memory memory_;
};

template <class T>
Memory packed_parameters(const Problem& p, const std::vector<T>& values) {
    Memory m(p.params(), values.size());
    with_writer<T>(m.data(), m.dtype(), [&](auto write) {
        for (std::size_t k = 0; k < values.size(); ++k) write(static_cast<std::int64_t>(k), values[k]);
    });
    return m;
}

template <class T>
std::vector<T> unpacked_parameters(const Problem& p, const Memory& m) {
    std::vector<T> values(static_cast<std::size_t>(p.affine_count()));
    with_reader<T>(m.data(), m.dtype(), [&](auto read) {
        for (std::size_t k = 0; k < values.size(); ++k) values[k] = read(static_cast<std::int64_t>(k));
    });
    return values;
}

}  // namespace

template <class T>
Outputs<T> run(const Implementation& implementation, const Inputs<T>& in, Wanted wanted) {
    const Problem& p = in.problem;
    const auto entries = static_cast<std::size_t>(p.affine_count());
    const TensorGaps& gaps = p.gaps;
    const Laid x(p, gaps.x, p.dtype, in.x), y(p, gaps.y, p.outputs());
    Memory gamma = packed_parameters(p, in.gamma), beta = packed_parameters(p, in.beta),
           tau = packed_parameters(p, in.tau);
    const Affine affine{in.gamma.empty() ? nullptr : gamma.data(), in.beta.empty() ? nullptr : beta.data(),
                        in.tau.empty() ? nullptr : tau.data()};
    const bool adds = p.spec.adds();
    const DType sums = p.residuals();
    const Mask mask = in.mask.empty() ? nullptr : in.mask.data();
    const Laid residual(p, gaps.x, sums, in.residual), s(p, gaps.x, sums, adds);

    Outputs<T> out;
    out.state = in.state;
    State* state = p.spec.running == Running::none ? nullptr : &out.state;
    std::vector<float> scale(static_cast<std::size_t>(p.scale_count()), std::numeric_limits<float>::quiet_NaN());
    for (std::size_t k = 0; k < in.scale.size(); ++k) scale[k] = convert<float>(in.scale[k]);
    forward(p.spec, p.mode, x, affine, state, out.saved, y, implementation, adds ? Added{residual, s} : Added{}, mask,
            scale.empty() ? nullptr : scale.data());
    out.y = y.values<T>();
    if constexpr (std::is_same_v<T, double>)
        if (p.spec.quantizes()) {
            out.q = out.y, out.scale.assign(scale.begin(), scale.end());
            dequantize(out, p);
        }
    if (adds) out.s = s.values<T>();
    const bool d_residual = adds && wanted.d_residual, of_tau = p.spec.thresholds() && wanted.dtau;
    if (in.dy.empty() || !(wanted.dx || wanted.dgamma || wanted.dbeta || d_residual || of_tau)) return out;

    const Laid dy(p, gaps.dy, p.dtype, in.dy), dx(p, gaps.dx, p.dtype);
    Memory dgamma(p.params(), entries), dbeta(p.params(), entries), dtau(p.params(), entries);
    Gradients gradients{dx, wanted.dgamma ? dgamma.data() : nullptr, wanted.dbeta ? dbeta.data() : nullptr};
    if (!wanted.dx) gradients.dx.data = nullptr;
    const Laid ds(p, gaps.dx, sums, in.ds), of_residual(p, gaps.dx, sums, d_residual);
    if (d_residual) gradients.d_residual = of_residual;
    if (of_tau) gradients.dtau = dtau.data();
    backward(p.spec, p.mode, adds ? s : x, dy, affine, out.saved, gradients, implementation,
             in.ds.empty() ? ConstTensor{} : ds, mask);
    if (d_residual) out.d_residual = of_residual.values<T>();
    if (wanted.dx) out.dx = dx.values<T>();
    if (wanted.dgamma) out.dgamma = unpacked_parameters<T>(p, dgamma);
    if (wanted.dbeta) out.dbeta = unpacked_parameters<T>(p, dbeta);
    if (of_tau) out.dtau = unpacked_parameters<T>(p, dtau);
    if (!in.twice()) return out;

    const Laid v(p, gaps.dx, p.dtype, in.v), ddx(p, gaps.dx, p.dtype), ddy(p, gaps.dx, p.dtype);
    Memory u = packed_parameters(p, in.u), w = packed_parameters(p, in.w), ddgamma(p.params(), entries);
    Cotangents cotangents{{}, in.u.empty() ? nullptr : u.data(), in.w.empty() ? nullptr : w.data()};
    if (!in.v.empty()) cotangents.v = v;
    SecondGradients second{ddx, ddy, wanted.ddgamma ? ddgamma.data() : nullptr};
    if (!wanted.ddx) second.ddx.data = nullptr;
    if (!wanted.ddy) second.ddy.data = nullptr;
    backward_backward(p.spec, p.mode, x, dy, affine, out.saved, cotangents, second, implementation);
    if (wanted.ddx) out.ddx = ddx.values<T>();
    if (wanted.ddy) out.ddy = ddy.values<T>();
    if (wanted.ddgamma) out.ddgamma = unpacked_parameters<T>(p, ddgamma);
    return out;
}

template Outputs<double> run(const Implementation&, const Inputs<double>&, Wanted);
template Outputs<Quad> run(const Implementation&, const Inputs<Quad>&, Wanted);
template Outputs<Complex> run(const Implementation&, const Inputs<Complex>&, Wanted);

void dequantize(Outputs<double>& out, const Problem& p) {
    for (std::size_t i = 0; i < out.q.size(); ++i) {
        const double scale = out.scale[p.scale_entry(i)];
        out.y[i] = p.spec.scale_inverse ? out.q[i] / scale : out.q[i] * scale;
    }
}

void expand(Inputs<double>& in) {
    const Gaps& gaps = in.problem.gaps.dy;
    if (!gaps.expands() || in.dy.empty()) return;
    const auto first = [](std::int64_t gap, std::int64_t k) { return gap == expanded ? 0 : k; };
    std::size_t i = 0;
    const auto [N, C, S] = in.problem.shape;
    for (std::int64_t n = 0; n < N; ++n)
        for (std::int64_t c = 0; c < C; ++c)
            for (std::int64_t s = 0; s < S; ++s)
                in.dy[i++] = in.dy[static_cast<std::size_t>((first(gaps.sample, n) * C + first(gaps.channel, c)) * S +
                                                            first(gaps.position, s))];
}

std::size_t memory_index(const Problem& p, std::size_t i) {
    if (p.layout == Layout::channels_first) return i;
    const auto C = static_cast<std::size_t>(p.shape.C), S = static_cast<std::size_t>(p.shape.S);
    return (i / (C * S) * S + i % S) * C + i / S % C;
}

std::vector<double> rounded(std::vector<double> v, DType dtype) {
    for (double& e : v) e = rounded(e, dtype);
    return v;
}

}  // namespace normlab::verify
