"""normlab.check_module on modules of PyTorch and timm, where they are installed."""
import unittest

import normlab

try:
    import torch
    from torch import nn
except ImportError:
    torch = None
try:
    from timm.layers import norm, norm_act
except Exception:   # timm, or what it imports, is absent
    norm = None

if torch is not None:
    torch.set_num_threads(1)


def check(module, **options):
    return normlab.check_module(module, **{"tier": "smoke", "progress": False} | options)


class Unknown(unittest.TestCase):
    def test_says_what_is_known(self):
        with self.assertRaisesRegex(TypeError, r'dict is not known. torch\'s LayerNorm, RMSNorm, GroupNorm; .*Keras 3\'s .*flax\'s .*'
                                               r'the variant has to be said: check\(module, "layer_norm"\)'):
            check({})


@unittest.skipIf(torch is None, "torch is not installed")
class Torch(unittest.TestCase):
    def holds(self, module, variant, **options):
        report = check(module, **options)
        self.assertTrue(report, str(report))
        cases = {f["case"] for f in report.findings}
        self.assertEqual({variant}, {c.split()[0] for c in cases})
        return cases

    def test_layers(self):
        self.holds(nn.LayerNorm(12), "layer_norm")
        self.holds(nn.LayerNorm(12, eps=1e-3, elementwise_affine=False), "layer_norm")
        self.holds(nn.GroupNorm(3, 12), "group_norm")
        if hasattr(nn, "RMSNorm"):
            self.holds(nn.RMSNorm(12), "rms_norm")   # eps=None: that of the type
            self.holds(nn.RMSNorm((4, 5), eps=1e-6), "rms_norm")

    def test_several_normalized_dimensions(self):
        cases = self.holds(nn.LayerNorm((4, 5)), "layer_norm")
        self.assertTrue(all("x20x1 " in c for c in cases), cases)

    def test_running_statistics(self):
        module = nn.BatchNorm2d(6, eps=1e-3, momentum=0.3).eval()
        cases = self.holds(module, "batch_norm")
        self.assertEqual({"train", "eval"}, {c.split()[4] for c in cases})
        self.assertFalse(module.training)
        self.assertEqual(0, float(module.running_mean.abs().sum()) + int(module.num_batches_tracked))
        self.holds(nn.BatchNorm3d(6, affine=False), "batch_norm")
        self.assertTrue(any("momentum=none" in c for c in self.holds(nn.BatchNorm1d(6, momentum=None), "batch_norm")))
        self.assertTrue(all("running=none" in c for c in self.holds(nn.BatchNorm1d(6, track_running_stats=False), "batch_norm")))
        self.holds(nn.InstanceNorm1d(6), "instance_norm")
        module = nn.InstanceNorm3d(6, affine=True, track_running_stats=True)
        self.assertTrue(any("running=unbiased" in c for c in self.holds(module, "instance_norm")))
        self.assertEqual(0, float(module.running_mean.abs().sum()))

    def test_wrong_ones(self):
        # with momentum=None instance norm never moves its statistics, where batch norm averages them
        report = check(nn.InstanceNorm1d(6, momentum=None, track_running_stats=True))
        self.assertIn("running mean", {f["quantity"] for f in report.findings if f["verdict"] == "FAIL"})
        report = check(nn.LayerNorm(12), eps=1e-3)
        self.assertFalse(report)
        line = next(f["rerun"] for f in report.findings if f["verdict"] == "FAIL")
        self.assertRegex(line, r'^normlab\.check\(module, "layer_norm", eps=0.001, cases=')
        self.assertFalse(eval(line, {"normlab": normlab, "module": nn.LayerNorm(12)}))

    def test_weight_norm(self):
        if not hasattr(nn.utils.parametrizations, "weight_norm"):
            self.skipTest("this torch has no parametrizations.weight_norm")
        # the double backward of torch._weight_norm is wrong in v, which gradgradcheck says, too
        self.holds(nn.utils.parametrizations.weight_norm(nn.Linear(8, 16)), "weight_norm", double_backward=False)
        with self.assertRaisesRegex(TypeError, "dim=None|dim=-1|dim=1"):
            check(nn.utils.parametrizations.weight_norm(nn.Linear(8, 16), dim=None))

    def test_types_are_those_of_the_parameters(self):
        self.assertTrue(all(" f64 " in c for c in self.holds(nn.LayerNorm(6).double(), "layer_norm")))
        with self.assertRaisesRegex(TypeError, r"running statistics of torch.bfloat16; those of torch.float32 are accepted"):
            check(nn.BatchNorm1d(6).bfloat16())
        cases = {f["case"] for f in check(nn.LayerNorm(6).bfloat16(), checks="accuracy", backward=False).findings}
        self.assertTrue(all(" bf16 " in c and "param_dtype=bf16" in c for c in cases), cases)

    def test_sentences(self):
        class Own(nn.LayerNorm):
            def forward(self, x):
                return super().forward(x.transpose(1, 2)).transpose(1, 2)

        class Extra(nn.LayerNorm):
            def __init__(self):
                super().__init__(6)
                self.gate = nn.Parameter(torch.ones(1))
        for module, text in ((Own(6), 'is a LayerNorm with a forward of its own, .*check\\(module, "layer_norm"\\) is accepted'),
                             (Extra(), "has the parameter gate; a module with weight and bias"), (nn.Linear(3, 4), "Linear is not known")):
            with self.assertRaisesRegex(TypeError, text):
                check(module)
        self.assertTrue(normlab.check(Own(6), "channel_norm", tier="smoke", progress=False))


@unittest.skipIf(norm is None, "timm is not installed")
class Timm(unittest.TestCase):
    def holds(self, module, text):
        report = check(module)
        self.assertTrue(report, str(report))
        self.assertTrue(all(text in f["case"] for f in report.findings))

    def test_layers(self):
        self.holds(norm.LayerNorm(12), "layer_norm ")
        self.holds(norm.LayerNorm2d(12), "channel_norm ")
        self.holds(norm.RmsNorm(12), "rms_norm ")
        self.holds(norm.RmsNorm2d(12), "rms_norm ")
        self.holds(norm.GroupNorm(12, 3), "group_norm ")
        self.holds(norm.LayerNormFp32(12), " f32 ")

    def test_activations(self):
        self.holds(norm_act.BatchNormAct2d(12), "activation=relu")
        self.holds(norm_act.GroupNormAct(12, 3, act_layer=nn.GELU), "activation=gelu")
        self.holds(norm_act.LayerNormAct2d(12, apply_act=False), "channel_norm ")
        with self.assertRaisesRegex(TypeError, "has the activation Mish; GELU, .* are accepted"):
            check(norm_act.BatchNormAct2d(12, act_layer=nn.Mish))
        with self.assertRaisesRegex(TypeError, "drops elements"):
            check(norm_act.BatchNormAct2d(12, drop_layer=nn.Dropout))


if __name__ == "__main__":
    unittest.main()
