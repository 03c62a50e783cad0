"""normlab.check on functions of JAX and on modules of flax, where they are installed."""
import unittest

import normlab

try:
    import jax
    import jax.numpy as jnp
except ImportError:
    jax = None
try:
    from flax import linen, nnx
except ImportError:
    linen = None

# XLA compiles for each shape: a few checks are asked for.
CHECKS = ["accuracy", "adjoint", "derivatives", "zero_sum", "power_of_two"]


def check(function, variant, **options):
    return normlab.check(function, variant, **{"tier": "smoke", "progress": False, "dtypes": "f32", "checks": CHECKS} | options)


def plain(x, gamma, beta, eps):
    mean = x.mean(-1, keepdims=True)
    var = jnp.square(x - mean).mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(var + eps) * gamma + beta


@unittest.skipIf(jax is None, "jax is not installed")
class Jax(unittest.TestCase):
    def holds(self, report):
        self.assertTrue(report, str(report))
        self.assertNotIn("not judged: dx", str(report))
        self.assertIn("dgamma", {f.get("quantity") for f in report.findings})

    def test_functions(self):
        self.holds(check(plain, "layer_norm", checks="accuracy"))
        self.holds(check(jax.jit(plain), "layer_norm", dtypes=["f64", "f32"]))
        self.assertFalse(jax.config.jax_enable_x64)

    def test_subnormals(self):
        f = jax.jit(plain)
        self.assertTrue(check(f, "layer_norm", checks=["subnormals", "zero_sum"], flushes_subnormals=True))   # the first is skipped
        if jax.default_backend() == "cpu":
            self.assertFalse(check(f, "layer_norm", checks="subnormals"))

    def test_bf16(self):
        @jax.jit
        def wide(x, gamma, beta, eps):
            return plain(x.astype(jnp.float32), gamma, beta, eps).astype(x.dtype)
        self.holds(check(wide, "layer_norm", dtypes="bf16"))

    def test_running_statistics_are_given_back(self):
        def batch_norm(x, gamma, beta, running_mean, running_var, training, momentum, eps):
            m = x.shape[0] * x.shape[2]
            if training:
                mean, var = x.mean((0, 2)), x.var((0, 2))
                running_mean += momentum * (mean - running_mean)
                running_var += momentum * (var * (m / (m - 1)) - running_var)
            else:
                mean, var = running_mean, running_var
            return gamma[:, None] * ((x - mean[:, None]) * jax.lax.rsqrt(var[:, None] + eps)) + beta[:, None], running_mean, running_var
        self.holds(check(jax.jit(batch_norm, static_argnames="training"), "batch_norm", checks=["accuracy", "running_stats"]))

    def test_wrong_ones(self):
        @jax.jit
        def outside(x, gamma, beta, eps):
            mean = x.mean(-1, keepdims=True)
            return (x - mean) / (jnp.sqrt(jnp.square(x - mean).mean(-1, keepdims=True)) + eps) * gamma + beta

        @jax.custom_vjp
        def of_x(x):
            return plain(x, 1, 0, 1e-5)
        of_x.defvjp(lambda x: (of_x(x), x), lambda x, dy: (dy * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5),))
        report = check(outside, "layer_norm", dtypes="f64", checks="accuracy")
        self.assertIn("eps_outside", str(report))
        report = check(lambda x: of_x(x), "layer_norm", eps=1e-5)
        failing = {f["quantity"] for f in report.findings if f["verdict"] == "FAIL"}
        self.assertIn("dx", failing)
        self.assertNotIn("y", failing)

    def test_sentences(self):
        def fails(function, text, **options):
            report = check(function, "layer_norm", checks="accuracy", framework="jax", **options)
            self.assertFalse(report)
            self.assertRegex(str(report), text)
        fails(lambda x, gamma, beta, eps: plain(x, gamma, beta, eps).astype(jnp.bfloat16), "is of bfloat16; float32 is needed")
        fails(lambda x, gamma, beta, eps: plain(x, gamma, beta, eps)[0], r"has shape \(18,\); \(5, 18\) is needed")
        fails(lambda x, gamma, beta, eps: [1], "is a list; a jax.Array is needed")
        fails(jax.jit(lambda x, gamma, beta, eps: plain(x, gamma, beta, eps) if eps else x), "TracerBoolConversionError")
        with self.assertRaisesRegex(ValueError, "device 'cuda:7' is none that JAX has here"):
            check(plain, "layer_norm", device="cuda:7")


@unittest.skipIf(linen is None, "flax is not installed")
class Flax(unittest.TestCase):
    def holds(self, module, text, checks=CHECKS, **options):
        report = normlab.check_module(module, tier="smoke", progress=False, checks=checks, **options)
        self.assertTrue(report, str(report))
        self.assertTrue(all(text in f["case"] for f in report.findings))

    def test_linen(self):
        self.holds(linen.LayerNorm(use_fast_variance=False), "layer_norm ")
        self.holds(linen.RMSNorm(epsilon=1e-5), "rms_norm ")
        self.holds(linen.GroupNorm(4, use_fast_variance=False), "G=4")
        self.holds(linen.BatchNorm(use_running_average=True, use_fast_variance=False), " nhwc ", ["accuracy", "running_stats"])

    def test_nnx(self):
        rngs = nnx.Rngs(0)
        self.holds(nnx.LayerNorm(12, use_fast_variance=False, rngs=rngs), "layer_norm ")
        self.holds(nnx.GroupNorm(12, num_groups=3, use_fast_variance=False, rngs=rngs), "group_norm ")
        module = nnx.BatchNorm(6, momentum=0.9, use_fast_variance=False, rngs=rngs)
        self.holds(module, "batch_norm ", ["accuracy", "running_stats"])
        self.assertEqual(0, float(abs(module.mean[...]).sum()))

    def test_sentences(self):
        with self.assertRaisesRegex(TypeError, r"LayerNorm has reduction_axes=\(1, 2\); the default is accepted"):
            normlab.check_module(linen.LayerNorm(reduction_axes=(1, 2)))
        with self.assertRaisesRegex(TypeError, "computes in bf16, whatever it is given; dtypes='bf16' is accepted"):
            normlab.check_module(linen.LayerNorm(dtype=jnp.bfloat16), dtypes="f32")
        with self.assertRaisesRegex(TypeError, "Dense is not known"):
            normlab.check_module(linen.Dense(4))


if __name__ == "__main__":
    unittest.main()
