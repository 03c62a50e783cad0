"""normlab.check on functions and modules of PyTorch, where it is installed."""
import os
import sys
import unittest

import normlab

try:
    import torch
    from torch.nn import functional
except ImportError:
    torch = None

TYPES = ("f64", "f32")
if torch is not None:
    torch.set_num_threads(1)   # the tensors are small


def rms_forward(ctx, x, weight, eps):
    """Of an autograd.Function."""
    rstd = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)
    ctx.save_for_backward(x, weight, rstd)
    return x * rstd * weight


def check(function, variant, **options):
    return normlab.check(function, variant, **{"tier": "smoke", "progress": False, "dtypes": TYPES} | options)


@unittest.skipIf(torch is None, "torch is not installed")
class Torch(unittest.TestCase):
    def holds(self, report):
        self.assertTrue(report, str(report))
        self.assertNotIn("not judged: dx", str(report))

    def test_functions(self):
        self.holds(check(functional.layer_norm, "layer_norm"))
        self.holds(check(functional.group_norm, "group_norm"))
        self.holds(check(functional.batch_norm, "batch_norm"))
        self.holds(check(functional.instance_norm, "instance_norm"))
        if hasattr(functional, "rms_norm"):
            self.holds(check(functional.rms_norm, "rms_norm"))

    def test_modules(self):
        self.holds(check(torch.nn.LayerNorm(12), "layer_norm"))
        self.holds(check(torch.nn.LayerNorm(12, elementwise_affine=False), "layer_norm"))
        self.holds(check(torch.nn.GroupNorm(3, 12), "group_norm"))
        self.holds(check(torch.nn.BatchNorm1d(12), "batch_norm"))
        self.holds(check(torch.nn.BatchNorm2d(12, eps=1e-3, momentum=0.3), "batch_norm"))
        self.holds(check(torch.nn.InstanceNorm1d(12, affine=True), "instance_norm"))
        if hasattr(torch.nn, "RMSNorm"):
            self.holds(check(torch.nn.RMSNorm(12, eps=1e-6), "rms_norm"))

    def test_bf16(self):
        def upcast(x, gamma, beta, eps):
            return functional.layer_norm(x.float(), x.shape[-1:], gamma, beta, eps).to(x.dtype)
        self.holds(check(upcast, "layer_norm", dtypes="bf16"))
        # Its backward does not hold where the parameters are bf16 too (mean and rstd kept in bf16 would explain it).
        self.assertTrue(check(torch.nn.LayerNorm(12), "layer_norm", dtypes="bf16", param_dtype="bf16", backward=False))

    def test_relu_built_in(self):
        # a NaN of z lets dy through there, and some entries have no gradient at all
        def rectified(x, weight, bias, eps):
            return functional.layer_norm(x, x.shape[-1:], weight, bias, eps).relu()
        self.holds(check(rectified, "layer_norm", activation="relu"))
        self.assertFalse(check(rectified, "layer_norm", activation="silu"))
        # squares underflow, and x_hat is 0 / 0 in all of a block
        if hasattr(functional, "rms_norm"):
            self.holds(check(functional.rms_norm, "rms_norm", cases="rms_norm rms_norm f32 nchw train 3x8x1 eps=0 affine=gamma sigma=1e-30 "
                                                                    "seed=1 check=xhat_dx"))

    def test_positions_of_other_bits(self):
        case = "batch_norm batch_norm f32 nchw train 4x37x1 seed=1 check=permutation"
        self.assertTrue(check(functional.batch_norm, "batch_norm", cases=case, deterministic=False))

    def test_a_function_of_our_own_and_a_wrong_one(self):
        def rms_norm(x, weight, eps):
            return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps) * weight

        def outside(x, weight, eps):
            return x / (x.pow(2).mean(-1, keepdim=True).sqrt() + eps) * weight
        self.holds(check(rms_norm, "rms_norm"))
        report = check(outside, "rms_norm")
        self.assertFalse(report)
        self.assertIn("eps_outside", str(report))

    def test_a_wrong_gradient(self):
        class Wrong(torch.autograd.Function):
            forward = staticmethod(rms_forward)

            @staticmethod
            def backward(ctx, dy):
                x, weight, rstd = ctx.saved_tensors
                return dy * weight * rstd, (dy * x * rstd).sum(0), None   # the statistics are no constants
        report = check(lambda x, weight, eps: Wrong.apply(x, weight, eps), "rms_norm")
        self.assertFalse(report)
        failing = {f["quantity"] for f in report.findings if f["verdict"] == "FAIL"}
        self.assertIn("dx", failing)
        self.assertNotIn("y", failing)

    def test_a_double_backward(self):
        report = check(functional.layer_norm, "layer_norm")
        self.holds(report)
        self.assertLessEqual({"ddx", "ddy", "ddgamma"}, {f.get("quantity") for f in report.findings})
        self.holds(check(functional.batch_norm, "batch_norm", checks=["accuracy", "double_backward", "double_identities"]))

        class Rms(torch.autograd.Function):
            forward = staticmethod(rms_forward)

            @staticmethod
            def backward(ctx, dy):
                x, weight, rstd = ctx.saved_tensors   # rstd is a constant in what autograd makes of this
                x_hat, g = x * rstd, dy * weight
                return rstd * (g - x_hat * (g * x_hat).mean(-1, keepdim=True)), (dy * x_hat).sum(0), None

        class Once(Rms):
            backward = staticmethod(torch.autograd.function.once_differentiable(Rms.backward))
        report = check(lambda x, weight, eps: Rms.apply(x, weight, eps), "rms_norm")
        self.assertFalse(report)
        self.assertEqual({f["quantity"] for f in report.findings if f["verdict"] == "FAIL"} & {"y", "dx", "dgamma", "ddx"}, {"ddx"})
        self.holds(check(lambda x, weight, eps: Rms.apply(x, weight, eps), "rms_norm", double_backward=False))
        report = check(lambda x, weight, eps: Once.apply(x, weight, eps), "rms_norm")
        self.holds(report)
        self.assertIn("not judged: ddx, ddy, ddgamma: dx has no gradient by autograd", str(report))

    def test_y_of_other_types_masks_and_thresholds(self):
        def rms(x, weight, eps):
            wide = x.float()
            return wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps) * weight
        self.holds(check(rms, "rms_norm", output="f32", dtypes="bf16"))
        if hasattr(torch, "float8_e4m3fn"):
            def quantized(x, weight, eps, scale):
                return (rms(x, weight, eps) / scale).clamp(-448, 448).to(torch.float8_e4m3fn)
            report = check(quantized, "rms_norm", output="e4m3", dtypes="bf16")
            self.assertTrue(report, str(report))
            self.assertFalse(check(lambda x, weight, eps, scale: quantized(x, weight, eps, 2 * scale), "rms_norm", output="e4m3",
                                   dtypes="bf16", framework="torch"))

        def masked(x, gamma, beta, eps, mask):
            left_in = mask[:, None, :]
            m = left_in.sum(-1, keepdim=True).clamp(min=1)
            mean = torch.where(left_in, x, 0).sum(-1, keepdim=True) / m
            centred = torch.where(left_in, x - mean, 0)
            y = centred * torch.rsqrt(centred.pow(2).sum(-1, keepdim=True) / m + eps) * gamma[:, None] + beta[:, None]
            return torch.where(left_in, y, 0)
        self.holds(check(masked, "instance_norm", mask=True))

        def thresholded(x, gamma, beta, eps, tau):
            z = functional.layer_norm(x, x.shape[-1:], gamma, beta, eps)
            return torch.where((z < tau) | tau.isnan(), tau, z)   # NaN stays
        self.holds(check(thresholded, "layer_norm", activation="threshold"))

    def test_sentences(self):
        def fails(function, text, **options):
            report = check(function, "layer_norm", checks="accuracy", framework="torch", **options)
            self.assertFalse(report)
            self.assertRegex(str(report), text)

        def right(x, gamma, beta, eps):
            return functional.layer_norm(x, x.shape[-1:], gamma, beta, eps)
        fails(lambda x, gamma, beta, eps: right(x, gamma, beta, eps).detach(), "has no gradient by autograd; backward=")
        fails(lambda x, gamma, beta, eps: right(x, gamma, beta, eps).numpy(force=True), "is a ndarray|is an ndarray")
        fails(lambda x, gamma, beta, eps: right(x, gamma, beta, eps).to("meta"), "is on the device meta; cpu, where its arguments were")
        fails(lambda x, gamma, beta, eps: right(x, gamma, beta, eps).float(), "is of torch.float32; torch.float64 is needed", dtypes="f64")
        report = check(lambda x, gamma, beta, eps: right(x, gamma, beta, eps).detach(), "layer_norm", framework="torch", backward=False)
        self.assertTrue(report, str(report))
        self.assertIn("not judged: dx, dgamma, dbeta: backward=False", str(report))
        with self.assertRaisesRegex(TypeError, "normalizes over 2 dimensions"):
            check(torch.nn.LayerNorm((3, 4)), "channel_norm")


if __name__ == "__main__":
    unittest.main()
