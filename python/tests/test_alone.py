"""What is of use without check(): truth, bounds, layers, fold, recalibrate, noise. Needs nothing but the package and NumPy."""
import fractions
import math
import unittest

import numpy as np

import normlab

try:
    import torch
except ImportError:
    torch = None

BY_ELEMENT = ("layer_norm", "rms_norm", "l2_norm", "partial_rms_norm")


def drawn(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed + 7 * len(shape) + sum(shape)).normal(size=shape).astype(dtype)


def takes_beta(variant):
    return variant not in ("rms_norm", "l2_norm", "weight_norm", "partial_rms_norm", "weight_standardization")


class Truth(unittest.TestCase):
    def test_equals_fractions(self):
        # with eps = 0 and numbers whose variance is a square, y is a fraction
        x = np.array([[1.0, 3.0, 5.0, 7.0]])   # mean 4, var 5
        got = normlab.truth("layer_norm", x, eps=4.0)   # sqrt(5 + 4) = 3
        right = [float(fractions.Fraction(int(v) - 4, 3)) for v in x[0]]
        self.assertEqual(got.y[0].tolist(), right)
        self.assertEqual((got.mean[0], got.var[0], got.rstd[0]), (4.0, 5.0, 1 / 3))
        self.assertIsNone(got.dx)
        self.assertIsNone(got.running_mean)
        self.assertEqual(got.outside, "")
        self.assertAlmostEqual(got.kappa[0], math.sqrt(1 + 16 / 9), 15)

    def test_gradients_are_those_of_differences(self):
        x, g, b, dy = drawn(3, 5, dtype=float), drawn(5, dtype=float), drawn(5, seed=1, dtype=float), drawn(3, 5, seed=2, dtype=float)
        got = normlab.truth("layer_norm", x, g, b, dy=dy)

        def loss(x, g, b):
            return float((normlab.truth("layer_norm", x, g, b).y * dy).sum())
        for name, at, values in (("dx", 0, x), ("dgamma", 1, g), ("dbeta", 2, b)):
            for index in np.ndindex(values.shape):
                up, down = [x.copy(), g.copy(), b.copy()], [x.copy(), g.copy(), b.copy()]
                up[at][index] += 1e-5
                down[at][index] -= 1e-5
                self.assertAlmostEqual(getattr(got, name)[index], (loss(*up) - loss(*down)) / 2e-5, delta=1e-7)

    def test_bounds_tell_right_from_wrong(self):
        x, g, b = drawn(4, 8), drawn(8), drawn(8, seed=1)
        got = normlab.truth("layer_norm", x, g, b, eps=1e-3)
        mean, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        right = (g * (x - mean) / np.sqrt(var + np.float32(1e-3)) + b).astype(np.float32)
        wrong = (g * (x - mean) / (np.sqrt(var) + np.float32(1e-3)) + b).astype(np.float32)
        self.assertTrue((np.abs(right - got.y) <= got.bound["y"]).all())
        self.assertEqual([c["verdict"] for c in got.compare(y=right)], ["PASS"])
        comparison, = got.compare(y=wrong)
        self.assertEqual((comparison["verdict"], comparison["quantity"]), ("FAIL", "y"))
        self.assertGreater(comparison["error"], comparison["bound"])
        self.assertIn("truth", comparison["where"])
        self.assertEqual(got.error("y", right).shape, x.shape)
        self.assertLess(np.abs(got.error("y", right) - np.abs(right.astype(float) - got.y)).max(), 1e-15)

    def test_bounds_follow_from_the_promise_and_the_dtype(self):
        x = drawn(4, 300)
        bound = {a: normlab.bounds("layer_norm", x, accumulation=a)["y"].max() for a in ("sequential", "tree", "f64")}
        self.assertGreater(bound["sequential"], 5 * bound["tree"])
        self.assertGreater(bound["tree"], bound["f64"])
        narrow = np.round(x * 8) / 8
        of = {d: normlab.bounds("layer_norm", narrow, dtype=d, accumulation="f64")["y"].max() for d in ("bf16", "f32")}
        self.assertGreater(of["bf16"], 1000 * of["f32"])
        self.assertLess(normlab.bounds("layer_norm", x, limit="warning")["y"].max(), bound["sequential"])

    def test_state_and_layouts(self):
        x = drawn(6, 3, 4)
        got = normlab.truth("batch_norm", x, running_mean=np.ones(3), running_var=np.full(3, 2.0), count=5, momentum=0.25)
        self.assertTrue(np.allclose(got.running_mean, 0.75 + 0.25 * x.mean((0, 2)), atol=1e-6))
        self.assertTrue(np.allclose(got.running_var, 1.5 + 0.25 * x.var((0, 2), ddof=1), atol=1e-6))
        self.assertEqual(got.count, 6)
        self.assertIn("running_var", got.bound)
        last = normlab.truth("batch_norm", np.ascontiguousarray(x.transpose(0, 2, 1)), layout="nhwc")
        self.assertTrue(np.array_equal(last.y.transpose(0, 2, 1), normlab.truth("batch_norm", x).y))
        evaluated = normlab.truth("batch_norm", x, running_mean=np.zeros(3), running_var=np.ones(3), mode="eval", eps=0.0)
        self.assertTrue(np.array_equal(evaluated.y, x.astype(float)))

    def test_trailing_dimensions_and_any_strides(self):
        x = drawn(2, 3, 4)
        whole = normlab.truth("layer_norm", x, drawn(3, 4), normalized_dims=2)
        self.assertEqual((whole.y.shape, whole.mean.shape), ((2, 3, 4), (2,)))
        rows = normlab.truth("layer_norm", x.transpose(2, 1, 0), normalized_dims=2)
        self.assertTrue(np.allclose(rows.mean, x.transpose(2, 1, 0).mean((1, 2)), atol=1e-6))

    def test_refuses(self):
        x = drawn(4, 6)
        for call, message in (
                (lambda: normlab.truth("layer_norm", x, drawn(3)), r"gamma has the shape \(3,\), 3 elements; 6 are accepted, one for each normalized"),
                (lambda: normlab.truth("layer_nrm", x), "did you mean layer_norm"),
                (lambda: normlab.truth("layer_norm", x, epz=1), "unknown option 'epz' .did you mean eps"),
                (lambda: normlab.truth("layer_norm", x, eps="a"), "eps = 'a'; a number is accepted"),
                (lambda: normlab.truth("layer_norm", x, eps=-1.0), "eps = -1"),
                (lambda: normlab.truth("layer_norm", x.astype(float) / 3, dtype="f32"), r"x\[0, 0\] = .* is no number of f32"),
                (lambda: normlab.truth("batch_norm", x, mode="eval"), "reads running_mean and running_var; both are needed"),
                (lambda: normlab.truth("layer_norm", x, running_mean=drawn(6)), "layer_norm keeps no running statistics"),
                (lambda: normlab.truth("layer_norm", x, dy=drawn(6, 4)), r"dy has the shape \(6, 4\); \(4, 6\) is accepted"),
                (lambda: normlab.truth("layer_norm", x, activation="threshold"), "tau is None"),
                (lambda: normlab.truth("layer_norm", x, output="e4m3"), "output = 'e4m3' has no truth here"),
                (lambda: normlab.truth("group_norm", x, groups=4), "cannot be split into G = 4"),
                (lambda: normlab.truth("layer_norm", x, accumulation="tre"), "did you mean tree"),
                (lambda: normlab.truth("layer_norm", x, normalized_dims=3), "3 trailing dimensions"),
                (lambda: normlab.truth("layer_norm", x, layout="nhwc"), "layer_norm has no layout"),
                (lambda: normlab.truth("layer_norm", x).compare(dx=x), "unknown result 'dx'"),
                (lambda: normlab.bounds("layer_norm", x, limit="soft"), "limit = 'soft'")):
            with self.assertRaisesRegex(normlab.Error, message):
                call()
        with self.assertRaisesRegex(TypeError, "x is of int64; float64"):
            normlab.truth("layer_norm", np.ones((2, 2), int))


class Layers(unittest.TestCase):
    def held(self, variant, x, gamma, beta, dy, state=None, **options):
        before = state._given() if state else {}
        before = {name: None if a is None else a.copy() for name, a in before.items()}
        mask, residual, tau = (options.pop(name, None) for name in ("mask", "residual", "tau"))
        y, saved = normlab.layers.forward(variant, x, gamma, beta, state=state, mask=mask, residual=residual, tau=tau, **options)
        data = x if residual is None else saved.s
        ds = None if residual is None else dy
        gradients = normlab.layers.backward(saved, dy, data, gamma, beta, mask=mask, tau=tau, ds=ds)
        right = normlab.truth(variant, x, gamma, beta, dy=dy, accumulation=saved.accumulation, mask=mask, residual=residual, tau=tau, ds=ds,
                              **before, **options)
        results = dict(gradients.items(), y=y)
        for name in ("mean", "var", "rstd", "r", "d", "s"):
            if getattr(saved, name) is not None:
                results[name] = getattr(saved, name)
        if state is not None:
            results["running_mean"] = state.mean
            results["running_var" if state.sigma is None else "running_sigma"] = state.var if state.sigma is None else state.sigma
        comparisons = right.compare(**results)
        self.assertEqual({c["quantity"] for c in comparisons}, set(right.values))
        self.assertEqual([c for c in comparisons if c["verdict"] != "PASS"], [])
        return y, saved, gradients

    def test_every_variant_is_within_the_bounds_of_truth(self):
        for variant in normlab.variants():
            weights = variant.startswith("weight")
            for shape in ((5, 6, 3, 4), (5, 6)):
                if len(shape) == 2 and variant in ("instance_norm", "filter_response_norm"):
                    continue
                for layout in ("nchw",) if weights or variant in BY_ELEMENT else ("nchw", "nhwc"):
                    C = shape[0] if weights else shape[-1] if variant in BY_ELEMENT or layout == "nhwc" else shape[1]
                    gamma = drawn(C).reshape(C, *[1] * (len(shape) - 1)) if weights else drawn(C)
                    state = normlab.layers.State.initial(variant, C) if variant.startswith("batch") else None
                    with self.subTest(variant=variant, shape=shape, layout=layout):
                        _, _, gradients = self.held(variant, drawn(*shape), gamma, drawn(C, seed=1) if takes_beta(variant) else None,
                                                    drawn(*shape, seed=2), state, layout=layout)
                        self.assertEqual(gradients.dgamma.shape, gamma.shape)

    def test_options(self):
        x, g, b, dy = drawn(4, 6, 5), drawn(6), drawn(6, seed=1), drawn(4, 6, 5, seed=2)
        self.held("group_norm", x, g, b, dy, groups=3, activation="silu", gamma_offset=1, eps=0.5)
        y, saved, gradients = self.held("group_norm", x, g, b, dy, residual=drawn(4, 6, 5, seed=3))
        self.assertEqual(gradients.names, ("dx", "dgamma", "dbeta", "d_residual"))
        self.assertTrue(np.array_equal(saved.s, x + drawn(4, 6, 5, seed=3)))
        tau = drawn(6, seed=4)
        _, saved, gradients = self.held("filter_response_norm", x, g, b, dy, tau=tau, activation="threshold")
        self.assertEqual((gradients.dtau.shape, saved.implementation), ((6,), "reference"))
        mask = drawn(4, 5, seed=5) > 0
        y, _, gradients = self.held("batch_norm", x, g, b, dy, normlab.layers.State.initial("batch_norm", 6), mask=mask)
        self.assertTrue((np.moveaxis(y, 1, 2)[~mask] == 0).all() and (np.moveaxis(gradients.dx, 1, 2)[~mask] == 0).all())
        self.held("layer_norm", drawn(4, 30), drawn(30), drawn(30, seed=1), drawn(4, 30, seed=2), denominator="added")
        self.held("instance_norm", x, g, b, dy, affine_set="channel")
        self.held("layer_norm", x, drawn(6, 5), None, dy, affine_set="element")

    def test_float16_and_the_reference_are_within_bounds(self):
        x, dy = drawn(4, 6, dtype=np.float16), drawn(4, 6, seed=2, dtype=np.float16)
        y, saved, gradients = self.held("layer_norm", x, drawn(6), drawn(6, seed=1), dy)
        self.assertEqual((y.dtype, gradients.dx.dtype, gradients.dgamma.dtype), (np.float16, np.float16, np.float32))
        y, saved = normlab.layers.forward("layer_norm", x.astype(float), impl="reference")
        self.assertEqual((saved.implementation, y.dtype), ("reference", np.float64))

    def test_the_second_backward(self):
        x, g, dy, v, u = (drawn(*s, seed=k, dtype=float) for k, s in enumerate(((3, 5), (5,), (3, 5), (3, 5), (5,))))
        _, saved = normlab.layers.forward("layer_norm", x, g, impl="reference")
        second = normlab.layers.backward_backward(saved, dy, x, g, v=v, u=u)
        right = normlab.truth("layer_norm", x, g, dy=dy, v=v, u=u)
        self.assertEqual([c["verdict"] for c in right.compare(**dict(second.items()))], ["PASS"] * 3)

    def test_eight_bits(self):
        x = drawn(4, 128)
        y, saved = normlab.layers.forward("rms_norm", x, output="e4m3", scale="block")
        self.assertEqual((y.itemsize, saved.scale.shape), (1, (4,)))
        exact = normlab.truth("rms_norm", x).y
        self.assertTrue(np.allclose(saved.scale, np.abs(exact).max(1) / 448, rtol=1e-6))
        _, saved = normlab.layers.forward("rms_norm", x, output="e4m3", scale_value=0.01)
        self.assertIsNone(saved.scale)

    def test_what_is_given_stays(self):
        x, g, dy = drawn(4, 6), drawn(6), drawn(4, 6, seed=2)
        kept = [a.copy() for a in (x, g, dy)]
        y, saved = normlab.layers.forward("batch_norm", x, g)
        dx, dgamma, dbeta = normlab.layers.backward(saved, dy, x, g)
        self.assertTrue(all(np.array_equal(a, k) for a, k in zip((x, g, dy), kept)))
        self.assertFalse(np.shares_memory(x, y))
        y[:] = 0   # results are the caller's own
        state = normlab.layers.State(np.zeros(6), np.ones(6))
        normlab.layers.forward("batch_norm", x, state=state, mode="eval")
        self.assertEqual((state.mean.tolist(), state.count), ([0.0] * 6, 0))

    def test_refuses(self):
        x, g = drawn(4, 6), drawn(6)
        y, saved = normlab.layers.forward("layer_norm", x, g)
        for call, message in (
                (lambda: normlab.layers.forward("layer_norm", x, g.astype(float)), "gamma is of f64; f32 is accepted"),
                (lambda: normlab.layers.forward("batch_norm", x[:1]), "one value a channel"),
                (lambda: normlab.layers.forward("layer_norm", x, impl="cup"), "did you mean cpu"),
                (lambda: normlab.layers.forward("layer_norm", x, output="e4m3"), "has no scale"),
                (lambda: normlab.layers.backward(saved, x[:2], x[:2], g), r"x has the shape \(2, 6\); \(4, 6\) is accepted"),
                (lambda: normlab.layers.backward(saved, x.astype(float), x, g), "dy is of f64; f32 is accepted"),
                (lambda: normlab.layers.backward(saved, None, x, g), "dy is None"),
                (lambda: normlab.layers.backward(saved, x, x, g, mask=np.ones(4, bool)), "mask is given, and forward's was None"),
                (lambda: normlab.layers.State.initial("layer_norm", 3), "keeps no running statistics")):
            with self.assertRaisesRegex(normlab.Error, message):
                call()

    @unittest.skipUnless(torch, "torch is not installed")
    def test_tensors(self):
        x, g = torch.randn(4, 6), torch.randn(6)
        y, saved = normlab.layers.forward("layer_norm", x.T.contiguous().T, g)
        self.assertIsInstance(y, torch.Tensor)
        self.assertTrue(torch.allclose(y, torch.nn.functional.layer_norm(x, (6,), g), atol=1e-5))
        dx, dgamma, dbeta = normlab.layers.backward(saved, torch.ones(4, 6), x, g)
        self.assertEqual(dx.dtype, torch.float32)
        x = x.bfloat16()
        y, saved = normlab.layers.forward("rms_norm", x)
        self.assertEqual(y.dtype, torch.bfloat16)
        right = normlab.truth("rms_norm", x, accumulation=saved.accumulation)
        self.assertEqual(right.compare(y=y)[0]["verdict"], "PASS")
        self.assertEqual(right.compare(y=(y.float() * 1.1).bfloat16())[0]["verdict"], "FAIL")


class Fold(unittest.TestCase):
    def test_behind_a_dense_layer_and_a_convolution(self):
        state = normlab.layers.State(drawn(5), np.abs(drawn(5, seed=1)) + 0.5)
        gamma, beta, a = drawn(5, seed=2), drawn(5, seed=3), drawn(7, 3, seed=4)
        W, b = drawn(5, 3, seed=5), drawn(5, seed=6)
        folded = normlab.fold(W, b, state, gamma, beta, eps=1e-3)
        scale, shift = normlab.layers.channel_map(state, gamma, beta, eps=1e-3)
        self.assertTrue(np.allclose(scale, gamma / np.sqrt(state.var + 1e-3)))
        exact = scale * (a.astype(float) @ W.T.astype(float) + b) + shift
        got = a.astype(float) @ folded.W.T.astype(float) + folded.b
        allowed = folded.relative * (np.abs(a) @ np.abs(folded.W.T)) + folded.smallest * np.abs(a).sum(1, keepdims=True) + folded.bias
        self.assertTrue((np.abs(got - exact) <= allowed).all())
        self.assertEqual(folded.W.dtype, np.float32)
        kernel = drawn(5, 3, 2, 2, seed=7)
        conv_W, conv_b = normlab.fold(kernel, None, state, gamma, beta, eps=1e-3)
        self.assertTrue(np.allclose(conv_W, kernel * scale[:, None, None, None], rtol=1e-6))
        self.assertTrue(np.allclose(conv_b, shift, rtol=1e-5, atol=1e-6))
        transposed, _ = normlab.fold(drawn(3, 5, seed=8), None, state, transposed=True)
        self.assertTrue(np.allclose(transposed, drawn(3, 5, seed=8) / np.sqrt(state.var + 1e-5), rtol=1e-6))

    def test_gamma_and_beta_into_the_layer_behind(self):
        W, b, gamma, beta = drawn(5, 3), drawn(5), drawn(3, seed=1), drawn(3, seed=2)
        folded = normlab.fold(W, b, gamma=gamma, beta=beta)
        self.assertTrue(np.allclose(folded.W, W * gamma, rtol=1e-6))
        self.assertTrue(np.allclose(folded.b, b + W @ beta, atol=1e-5))
        with self.assertRaisesRegex(normlab.Error, "beta.0. = .* so that no bias is right"):
            normlab.fold(drawn(5, 3, 3), b, gamma=gamma, beta=beta, zero_padded=True)

    def test_refuses(self):
        state = normlab.layers.State(np.zeros(4), np.ones(4))
        for call, message in (
                (lambda: normlab.fold(drawn(5, 3), None, state), "the norm has 4 channels, but the layer before it has 5 outputs"),
                (lambda: normlab.fold(drawn(4, 3), None, state, variant="layer_norm"), "keeps no running statistics"),
                (lambda: normlab.fold(drawn(4, 3), None, state, activation="relu"), "relu behind it is no affine map"),
                (lambda: normlab.fold(drawn(4, 3), drawn(3), state), "b has the shape"),
                (lambda: normlab.fold(drawn(4), None, state), "W has the shape"),
                (lambda: normlab.fold(drawn(4, 3), gamma=drawn(3), eps=1e-3), "eps is an option of a norm with a state")):
            with self.assertRaisesRegex(normlab.Error, message):
                call()

    def test_recalibrate(self):
        batches = [drawn(n, 3, 2, seed=n) for n in (4, 6, 9)]
        paper = normlab.recalibrate(iter(batches))
        self.assertTrue(np.allclose(paper.mean, np.mean([x.mean((0, 2), dtype=float) for x in batches], axis=0)))
        self.assertTrue(np.allclose(paper.var, np.mean([x.var((0, 2), dtype=float, ddof=1) for x in batches], axis=0)))
        self.assertEqual(paper.count, 3)
        pooled, everything = normlab.recalibrate(batches, average="pooled"), np.concatenate(batches)
        self.assertTrue(np.allclose(pooled.mean, everything.mean((0, 2), dtype=float)))
        self.assertTrue(np.allclose(pooled.var, everything.var((0, 2), dtype=float, ddof=1)))
        y, _ = normlab.layers.forward("batch_norm", batches[0], state=pooled, mode="eval")
        self.assertTrue(np.allclose(y, (batches[0] - pooled.mean[:, None]) / np.sqrt(pooled.var[:, None] + 1e-5), atol=1e-5))
        for call, message in ((lambda: normlab.recalibrate([]), "no batches"),
                              (lambda: normlab.recalibrate([drawn(4, 3), drawn(4, 2)]), "C = 2 channels; 3 are accepted"),
                              (lambda: normlab.recalibrate(batches, average="median"), "average 'median'"),
                              (lambda: normlab.recalibrate(batches, "layer_norm"), "keeps no running statistics")):
            with self.assertRaisesRegex(normlab.Error, message):
                call()


class Noise(unittest.TestCase):
    """The laws against drawn batches: each mean within five of its own standard errors."""

    @classmethod
    def setUpClass(cls):
        cls.m = 8
        cls.x = np.random.default_rng(3).normal(size=(200000, cls.m))
        cls.mean, cls.var = cls.x.mean(1), cls.x.var(1)
        cls.x_hat = (cls.x - cls.mean[:, None]) / np.sqrt(cls.var)[:, None]

    def agrees(self, values, law):
        self.assertLess(abs(values.mean() - law), 5 * values.std() / math.sqrt(len(values)))

    def test_of_statistics(self):
        noise, m = normlab.noise, self.m
        self.agrees(self.mean ** 2, noise.variance_of_mean(m))
        self.agrees(self.var, noise.mean_of_variance(m))
        self.agrees((self.var - noise.mean_of_variance(m)) ** 2, noise.variance_of_variance(m))
        self.agrees(np.sqrt(self.var), noise.mean_sigma(m))
        self.agrees(1 / np.sqrt(self.var), noise.mean_inverse_sigma(m))
        self.agrees(1 / self.var, noise.mean_inverse_variance(m))
        self.agrees(np.minimum(1 / self.var, 2), noise.mean_inverse_capped(m, 2, 2))
        self.agrees((m * self.var <= 5).astype(float), noise.chi_squared_law(m - 1, 5))
        self.agrees((np.sqrt(self.var) < 1 / 1.5).astype(float), noise.clipped_r(m, 1.5))
        self.agrees((np.abs(self.mean) > 0.5).astype(float), noise.clipped_d(m, 0.5))
        exponential = np.random.default_rng(4).exponential(size=(200000, m)) - 1
        mu3, kurtosis = noise.moments("exponential")
        self.assertEqual((mu3, kurtosis), (2, 9))
        self.agrees(exponential.mean(1) * exponential.var(1), noise.covariance(m, mu3))
        self.agrees((exponential.var(1) - noise.mean_of_variance(m)) ** 2, noise.variance_of_variance(m, kurtosis))

    def test_of_outputs_and_gradients(self):
        noise, m = normlab.noise, self.m
        self.agrees(((self.x_hat - self.x) ** 2).mean(1), noise.gap(m))
        self.agrees(((self.x_hat - self.x / math.sqrt(noise.mean_of_variance(m))) ** 2).mean(1), noise.gap_biased(m))
        self.agrees((self.x_hat ** 4).mean(1), noise.x_hat_kurtosis(m))
        self.agrees(np.maximum(self.x_hat, 0).mean(1), noise.mean_relu(m))
        self.agrees((self.x_hat[:, 0] ** 2 <= 0.3 * (m - 1)).astype(float), noise.x_hat_law(m, 0.3))
        g = np.random.default_rng(5).normal(size=self.x.shape)
        g -= g.mean(1, keepdims=True)
        g -= self.x_hat * (g * self.x_hat).mean(1, keepdims=True)
        self.agrees((g ** 2).mean(1), noise.gradient_fraction(m))
        running = np.zeros(20000)
        for step in range(5):
            running += 0.3 * (np.random.default_rng(step).normal(size=(20000, m)).mean(1) - running)
        self.agrees(running ** 2, noise.moving_average_variance(m, 0.3, 5))
        shared = np.random.default_rng(9).normal(size=(50000, 3, 1)) * math.sqrt(0.25) + \
            np.random.default_rng(10).normal(size=(50000, 3, 4)) * math.sqrt(0.75)
        self.agrees(shared.mean((1, 2)) ** 2, noise.clusters_variance_of_mean(3, 4, 0.25))

    def test_of_layers_and_weights(self):
        self.assertEqual(normlab.noise.growth_linear(8), (8 / 7, 6 / 5))
        self.assertEqual(normlab.noise.growth_linear(3).rate, math.inf)
        self.assertAlmostEqual(normlab.noise.growth_relu(1e6).rate, math.pi / (math.pi - 1), 5)
        self.assertAlmostEqual(normlab.noise.sphere_gradient(8, 5), 4 * 6 / 5)
        self.assertAlmostEqual(normlab.noise.sphere_gradient_squared(8, 5), 4 * 6 * 8 * 6 / (5 * 3))
        self.assertEqual(normlab.noise.mean_inverse_variance(3), math.inf)

    def test_arrays_and_refusals(self):
        got = normlab.noise.variance_of_mean(np.array([[2, 4], [8, 16]]))
        self.assertEqual(got.tolist(), [[0.5, 0.25], [0.125, 0.0625]])
        self.assertEqual(normlab.noise.clipped_r([8, 16], [[1], [3]]).shape, (2, 2))
        self.assertIsInstance(normlab.noise.gap(8), float)
        for call, message in ((lambda: normlab.noise.gap(1), "m = 1; a number, 2 or more, is accepted"),
                              (lambda: normlab.noise.x_hat_law(2, 0.5), "m = 2"),
                              (lambda: normlab.noise.mean_sigma(math.nan), "m = nan"),
                              (lambda: normlab.noise.clipped_r(8, 0.5), "r_max = 0.5"),
                              (lambda: normlab.noise.sphere_gradient(3, 4), "above 3"),
                              (lambda: normlab.noise.moments("norml"), "did you mean normal")):
            with self.assertRaisesRegex(normlab.Error, message):
                call()


if __name__ == "__main__":
    unittest.main()
