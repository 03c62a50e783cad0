#include "verify/truth/inputs.hpp"

#include <limits>

#include "norms/quad.hpp"

namespace normlab::verify {
namespace {

// Memory of one tensor or parameter vector in its dtype and layout.
class Memory {
public:
    // Filled with NaN: what an implementation does not write, or adds to, is seen.
    Memory(DType dtype, std::size_t count) : dtype_(dtype), bytes_(count * size_of(dtype)) {
        for (std::size_t i = 0; i < count; ++i) write(i, std::numeric_limits<double>::quiet_NaN());
    }
    void* data() { return bytes_.data(); }

    template <class T>
    void write(std::size_t i, const T& v) {
        write_element(data(), dtype_, static_cast<std::int64_t>(i), v);
    }
    template <class T>
    T read(std::size_t i) const {
        return read_element<T>(bytes_.data(), dtype_, static_cast<std::int64_t>(i));
    }

private:
    DType dtype_;
    std::vector<std::byte> bytes_;
};

template <class T>
Memory packed(const Problem& p, const std::vector<T>& values, DType dtype) {
    Memory m(dtype, values.size());
    for (std::size_t i = 0; i < values.size(); ++i) m.write(memory_index(p, i), values[i]);
    return m;
}

template <class T>
Memory packed(const Problem& p, const std::vector<T>& values) {
    return packed(p, values, p.dtype);
}

template <class T>
std::vector<T> unpacked(const Problem& p, const Memory& m) {
    std::vector<T> values(static_cast<std::size_t>(p.shape.size()));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = m.read<T>(memory_index(p, i));
    return values;
}

template <class T>
Memory packed_parameters(const Problem& p, const std::vector<T>& values) {
    Memory m(p.params(), values.size());
    for (std::size_t k = 0; k < values.size(); ++k) m.write(k, values[k]);
    return m;
}

template <class T>
std::vector<T> unpacked_parameters(const Problem& p, const Memory& m) {
    std::vector<T> values(static_cast<std::size_t>(p.affine_count()));
    for (std::size_t k = 0; k < values.size(); ++k) values[k] = m.read<T>(k);
    return values;
}

}  // namespace

template <class T>
Outputs<T> run(const Implementation& implementation, const Inputs<T>& in, Wanted wanted) {
    const Problem& p = in.problem;
    const auto size = static_cast<std::size_t>(p.shape.size()), entries = static_cast<std::size_t>(p.affine_count());
    Memory x = packed(p, in.x), y(p.dtype, size);
    Memory gamma = packed_parameters(p, in.gamma), beta = packed_parameters(p, in.beta);
    const Affine affine{in.gamma.empty() ? nullptr : gamma.data(), in.beta.empty() ? nullptr : beta.data()};
    const auto tensor = [&](Memory& m) { return Tensor{m.data(), p.dtype, p.shape, p.layout}; };
    const bool adds = p.spec.adds();
    const DType sums = p.residuals();
    Memory residual = packed(p, in.residual, sums), s(sums, adds ? size : 0);
    const auto of_sum = [&](Memory& m) { return Tensor{m.data(), sums, p.shape, p.layout}; };

    Outputs<T> out;
    out.state = in.state;
    State* state = p.spec.running == Running::none ? nullptr : &out.state;
    forward(p.spec, p.mode, tensor(x), affine, state, out.saved, tensor(y), implementation,
            adds ? Added{of_sum(residual), of_sum(s)} : Added{});
    out.y = unpacked<T>(p, y);
    if (adds) out.s = unpacked<T>(p, s);
    const bool d_residual = adds && wanted.d_residual;
    if (in.dy.empty() || !(wanted.dx || wanted.dgamma || wanted.dbeta || d_residual)) return out;

    Memory dy = packed(p, in.dy), dx(p.dtype, size), dgamma(p.params(), entries), dbeta(p.params(), entries);
    Gradients gradients{tensor(dx), wanted.dgamma ? dgamma.data() : nullptr, wanted.dbeta ? dbeta.data() : nullptr};
    if (!wanted.dx) gradients.dx.data = nullptr;
    Memory ds = packed(p, in.ds, sums), of_residual(sums, d_residual ? size : 0);
    if (d_residual) gradients.d_residual = of_sum(of_residual);
    backward(p.spec, p.mode, adds ? of_sum(s) : tensor(x), tensor(dy), affine, out.saved, gradients, implementation,
             in.ds.empty() ? Tensor{} : of_sum(ds));
    if (d_residual) out.d_residual = unpacked<T>(p, of_residual);
    if (wanted.dx) out.dx = unpacked<T>(p, dx);
    if (wanted.dgamma) out.dgamma = unpacked_parameters<T>(p, dgamma);
    if (wanted.dbeta) out.dbeta = unpacked_parameters<T>(p, dbeta);
    if (!in.twice()) return out;

    Memory v = packed(p, in.v), u = packed_parameters(p, in.u), w = packed_parameters(p, in.w);
    Memory ddx(p.dtype, size), ddy(p.dtype, size), ddgamma(p.params(), entries);
    Cotangents cotangents{{}, in.u.empty() ? nullptr : u.data(), in.w.empty() ? nullptr : w.data()};
    if (!in.v.empty()) cotangents.v = tensor(v);
    SecondGradients second{tensor(ddx), tensor(ddy), wanted.ddgamma ? ddgamma.data() : nullptr};
    if (!wanted.ddx) second.ddx.data = nullptr;
    if (!wanted.ddy) second.ddy.data = nullptr;
    backward_backward(p.spec, p.mode, tensor(x), tensor(dy), affine, out.saved, cotangents, second, implementation);
    if (wanted.ddx) out.ddx = unpacked<T>(p, ddx);
    if (wanted.ddy) out.ddy = unpacked<T>(p, ddy);
    if (wanted.ddgamma) out.ddgamma = unpacked_parameters<T>(p, ddgamma);
    return out;
}

template Outputs<double> run(const Implementation&, const Inputs<double>&, Wanted);
template Outputs<Quad> run(const Implementation&, const Inputs<Quad>&, Wanted);
template Outputs<Complex> run(const Implementation&, const Inputs<Complex>&, Wanted);

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
