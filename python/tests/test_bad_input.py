"""What may be wrong with a call of normlab.check() or with what the function gives: each is a sentence. Signatures are in test_check.py, devices and autograd
of torch in test_torch.py."""
import contextlib
import io
import os
import sys
import unittest

import numpy as np

import normlab

sys.path.insert(0, os.path.dirname(__file__))
import layers  # noqa: E402

try:
    import torch
except ImportError:
    torch = None


def check(function, variant="layer_norm", **options):
    return normlab.check(function, variant, **{"tier": "smoke", "progress": False, "checks": "accuracy", "dtypes": "f32"} | options)


class Call(unittest.TestCase):
    def refuses(self, text, function, *variant, error=TypeError, **options):
        with self.assertRaisesRegex(error, text):
            check(function, *variant, **options)

    def test_what_is_no_function(self):
        self.refuses("None is no function: something that can be called is accepted", None)
        self.refuses("'f' is no function", "f")
        self.refuses(r"variant is <function layer_norm .*; the name of a layer is accepted, check\(function, 'layer_norm'\)", "layer_norm", layers.layer_norm)
        self.refuses(r"Layer is a class; an instance of it is accepted, check\(Layer\(\.\.\.\), 'layer_norm'\)", type("Layer", (), {}))
        self.refuses("takes no x; a function of x, gamma, beta, eps is accepted", lambda: 1)
        self.refuses("device 'cuda' is none of NumPy's", layers.layer_norm, error=ValueError, device="cuda")


class Results(unittest.TestCase):
    def finds(self, text, function, **options):
        report = check(function, **{"framework": "numpy"} | options)   # torch is in this file, too
        self.assertFalse(report)
        self.assertRegex(str(report), text)
        return report

    def test_what_is_no_array(self):
        self.finds("y of <lambda> is a list; a NumPy array is needed", lambda x, gamma, beta, eps: x.tolist())
        self.finds("y of <lambda> is a generator; a NumPy array is needed", lambda x, gamma, beta, eps: (row for row in x))
        self.finds("y of <lambda> is a float; a NumPy array is needed", lambda x, gamma, beta, eps: 1.0)

    def test_nan(self):
        def of_one(x, gamma, beta, eps):
            y = layers.layer_norm(x, gamma, beta, eps)
            y[0, 0] = np.nan
            return y
        report = self.finds(r"error nan, bound \S+ at n=0 c=0 s=0: nan, truth ", of_one)
        self.assertEqual({f["quantity"] for f in report.findings if f["verdict"] == "FAIL"}, {"y"})

    def test_a_function_that_prints(self):
        def loud(x, gamma, beta, eps):
            print("noise")
            return layers.layer_norm(x, gamma, beta, eps)
        for options in ({}, {"isolate": True}):
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                report = check(loud, framework="numpy", **options)
            self.assertTrue(report, str(report))
            self.assertNotIn("noise", str(report))
            if not options:
                self.assertIn("noise", said.getvalue())


@unittest.skipIf(torch is None, "torch is not installed")
class Torch(unittest.TestCase):
    def right(self, x, gamma, beta, eps):
        return torch.nn.functional.layer_norm(x, x.shape[-1:], gamma, beta, eps)

    def test_devices(self):
        for device in ("gpu", "meta") + (() if torch.cuda.is_available() else ("cuda",)):
            with self.assertRaisesRegex(ValueError, f"device '{device}': torch has none here: "):
                check(self.right, framework="torch", device=device)

        def of_cuda(x, gamma, beta, eps):
            raise RuntimeError("x must be a CUDA tensor")
        self.assertRegex(str(check(of_cuda, framework="torch")), r"x must be a CUDA tensor \(.*\); its tensors were on the CPU, device='cuda' is accepted")

    def test_gradients_that_are_switched_off(self):
        for switched_off in (torch.no_grad(), torch.inference_mode()):
            @switched_off
            def without(x, gamma, beta, eps):
                return self.right(x, gamma, beta, eps)
            self.assertIn("y of without has no gradient by autograd; backward=", str(check(without, framework="torch")))

    def test_a_module_in_either_mode_is_judged_in_both_and_left_in_its_own(self):
        for training in (True, False):
            module = torch.nn.BatchNorm1d(12).train(training)
            report = check(module, "batch_norm")
            self.assertTrue(report, str(report))
            self.assertEqual({f["mode"] for f in report.findings}, {"train", "eval"})
            self.assertEqual(module.training, training)

        class Frozen(torch.nn.BatchNorm1d):   # which is in the wrong mode whatever it is told
            def forward(self, x):
                return torch.nn.functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, self.momentum, self.eps)
        self.assertFalse(check(Frozen(12), "batch_norm"))

    def test_a_module_of_something_else(self):
        with self.assertRaisesRegex(TypeError, "Dropout does not say how many channels it has"):
            check(torch.nn.Dropout(), "layer_norm")
        self.assertRegex(str(check(torch.nn.LayerNorm(12), "batch_norm")), r"Given normalized_shape=\[12\], expected input with shape \[\*, 12\]")


if __name__ == "__main__":
    unittest.main()
