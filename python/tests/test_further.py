"""normlab.check of batch renorm, masks, thresholds, other types of y, residuals, strides and a double backward, in NumPy."""
import os
import sys
import unittest

import numpy as np

import normlab

sys.path.insert(0, os.path.dirname(__file__))
import layers  # noqa: E402
import layers_further as further  # noqa: E402


def check(function, variant="layer_norm", **options):
    return normlab.check(function, variant, **{"tier": "smoke", "progress": False} | options)


class Further(unittest.TestCase):
    def holds(self, report, *quantities):
        self.assertTrue(report, str(report))
        self.assertLessEqual(set(quantities), {f.get("quantity") for f in report.findings})

    def fails(self, report, quantity):
        self.assertFalse(report)
        self.assertIn(quantity, {f.get("quantity") for f in report.findings if f["verdict"] == "FAIL"})

    def test_batch_renorm(self):
        pair = {"backward": further.batch_renorm_backward}
        self.holds(check(further.batch_renorm, "batch_renorm", **pair), "y", "dx", "running mean", "running sigma")
        # Where squares overflow normlab cannot tell from what is given back what became of r and d.
        report = check(further.batch_renorm, "batch_renorm", dtypes="f32", tier="ci", checks=["accuracy", "running_stats"],
                       allow_unresolved=True, **pair)
        self.holds(report)
        self.assertNotIn("r", {f.get("quantity") for f in report.findings})   # no function gives it back
        self.fails(check(further.unlimited_d, "batch_renorm", tier="ci", dtypes="f64", checks="accuracy"), "y")
        with self.assertRaisesRegex(TypeError, "takes no r_max"):
            check(layers.batch_norm, "batch_renorm", running="unbiased")

    def test_masks(self):
        pair = {"backward": further.masked_instance_norm_backward, "mask": True}
        self.holds(check(further.masked_instance_norm, "instance_norm", **pair), "y", "dx", "dbeta")
        report = check(further.masked_instance_norm, "instance_norm", tier="ci", dtypes="f32", checks="accuracy", **pair)
        self.holds(report)
        self.assertLess(3, len({w for f in report.findings for w in f["case"].split() if w.startswith("mask=")}))
        self.fails(check(further.mask_multiplies, "instance_norm", mask="poisoned", checks="accuracy"), "y")
        with self.assertRaisesRegex(TypeError, "takes no mask"):
            check(layers.layer_norm, mask=True)
        with self.assertRaisesRegex(TypeError, "takes mask, which mask=True gives it"):
            check(further.masked_instance_norm, "instance_norm")

    def test_a_threshold(self):
        options = {"activation": "threshold", "backward": further.thresholded_backward}
        self.holds(check(further.thresholded, **options), "y", "dx", "dtau")
        self.fails(check(further.thresholded, **options | {"backward": further.no_dtau}), "dtau")
        with self.assertRaisesRegex(TypeError, "takes no tau"):
            check(layers.layer_norm, activation="threshold")

    def test_y_of_another_type(self):
        self.holds(check(further.wide_output, "rms_norm", output="f32", dtypes="f16"))
        self.fails(check(lambda x, weight, eps: further.wide_output(x, weight, eps).astype(np.float16).astype(np.float32),
                         "rms_norm", output="f32", dtypes="f16"), "y")
        self.holds(check(further.quantized, "rms_norm", output="e4m3", dtypes="f32"), "y")
        report = check(further.quantized_by_row, "rms_norm", output="e4m3", scale="block", dtypes="f32")
        self.holds(report, "y", "scale")
        self.assertIn("has no backward for a y of 8 bits", str(report))
        self.fails(check(further.scale_of_half, "rms_norm", output="e4m3", scale="block", dtypes="f32"), "scale")
        with self.assertRaisesRegex(ValueError, "scale is that of a y of 8 bits"):
            check(layers.rms_norm, "rms_norm", scale="block")
        with self.assertRaisesRegex(normlab.Error, "f32"):   # beside f64 there is none
            check(further.quantized, "rms_norm", output="e4m3", dtypes="f64")

    def test_a_wide_residual(self):
        options = {"residual": "wide", "backward": further.wide_sum_backward, "dtypes": "f16"}
        self.holds(check(further.wide_sum, "rms_norm", **options), "y", "s", "dx", "d_residual")
        self.holds(check(further.wide_sum, "rms_norm", residual_dtype="f32", **options), "s", "d_residual")
        self.fails(check(further.wide_sum, "rms_norm", backward=further.wide_sum_backward, dtypes="f16", residual="stored"), "y")

    def test_a_double_backward(self):
        pair = {"backward": layers.layer_norm_backward}
        report = check(layers.layer_norm, double_backward=further.double_backward, **pair)
        self.holds(report, "ddx", "ddy", "ddgamma")
        self.assertNotIn("double", "".join(report.not_judged))
        self.fails(check(layers.layer_norm, double_backward=further.u_forgotten, **pair), "ddx")
        self.assertIn("double_backward", "".join(check(layers.layer_norm, **pair).not_judged))
        with self.assertRaisesRegex(TypeError, "takes no v or no dy"):
            check(layers.layer_norm, double_backward=layers.layer_norm_backward, **pair)

    def test_strides(self):
        self.holds(check(layers.layer_norm, backward=layers.layer_norm_backward, tier="ci", dtypes="f32", checks="gaps"), "gaps read")
        self.fails(check(further.strides_ignored, checks="gaps"), "gaps read")
        self.holds(check(further.strides_ignored, strides=False))
        self.assertIn("about strides", "".join(check(layers.layer_norm, strides=False).not_judged))

    def test_what_was_declined_is_said(self):
        def positive(x, gamma, beta, eps):
            if eps == 0:
                raise ValueError("eps must be positive")
            return layers.layer_norm(x, gamma, beta, eps)
        report = check(positive)
        self.assertTrue(report, str(report))
        self.assertIn("not judged: calls with eps = 0: ValueError: eps must be positive", str(report))


if __name__ == "__main__":
    unittest.main()
