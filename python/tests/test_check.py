"""normlab.check on functions of NumPy. Needs nothing but the package and NumPy: python3 -m unittest discover python/tests"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import numpy as np

import normlab

sys.path.insert(0, os.path.dirname(__file__))
import layers  # noqa: E402


def check(function, variant="layer_norm", **options):
    return normlab.check(function, variant, **{"tier": "smoke", "progress": False} | options)


class Right(unittest.TestCase):
    def holds(self, report):
        self.assertTrue(report, str(report))
        self.assertEqual(report.failed, 0)

    def test_a_forward_alone_says_what_is_not_judged(self):
        report = check(layers.layer_norm)
        self.holds(report)
        self.assertIn("not judged: dx, dgamma, dbeta: layer_norm has no backward", str(report))
        self.assertFalse([f for f in report.findings if f.get("quantity") in ("dx", "dgamma", "dbeta")])

    def test_a_pair(self):
        report = check(layers.layer_norm, backward=layers.layer_norm_backward)
        self.holds(report)
        self.assertNotIn("not judged:", str(report))
        self.assertTrue({"y", "dx", "dgamma", "dbeta"} <= {f.get("quantity") for f in report.findings})

    def test_in_tier_ci(self):
        self.holds(check(layers.layer_norm, backward=layers.layer_norm_backward, tier="ci", dtypes="f32"))

    def test_a_backward_of_what_forward_saved(self):
        self.holds(check(layers.with_cache, backward=layers.of_cache))

    def test_other_variants(self):
        self.holds(check(layers.rms_norm, "rms_norm"))
        self.holds(check(layers.group_norm, "group_norm"))
        self.holds(check(layers.batch_norm, "batch_norm"))
        self.holds(check(layers.channels_last_instance_norm, "instance_norm", layouts="nhwc"))

    def test_what_a_function_has_built_in(self):
        self.holds(check(layers.gemma_rms_norm, "rms_norm", gamma_offset=1))
        self.assertFalse(check(layers.gemma_rms_norm, "rms_norm"))
        self.holds(check(layers.silu_layer_norm, activation="silu"))
        self.holds(check(layers.add_rms_norm, "rms_norm", residual="stored"))
        self.holds(check(lambda x, gamma, beta: layers.layer_norm(x, gamma, beta, 1e-3), eps=1e-3))

    def test_without_gamma_and_beta(self):
        def plain(x, gamma, beta, eps):
            assert gamma is None and beta is None
            return layers.layer_norm(x, 1, 0, eps)
        self.holds(check(plain, affine=None))
        self.holds(check(lambda x, eps: layers.layer_norm(x, 1, 0, eps)))

    def test_f16_in_float32(self):
        def halves(x, gamma, beta, eps):
            return layers.layer_norm(x.astype(np.float32), gamma, beta, eps).astype(x.dtype)
        self.holds(check(halves, dtypes="f16"))

    def test_the_seed_changes_the_numbers(self):
        of = {s: {f["case"] for f in check(layers.layer_norm, seed=s, checks="accuracy").findings} for s in (1, 2)}
        self.assertFalse(of[1] & of[2])


class Wrong(unittest.TestCase):
    def test_a_fault_is_named(self):
        report = check(layers.eps_outside)
        self.assertFalse(report)
        self.assertIn("eps_outside (eps outside the root", str(report))
        self.assertIn("eps_outside", report.diagnosis[0]["cause"])
        with self.assertRaisesRegex(AssertionError, "eps_outside"):
            assert report, report

    def test_a_wrong_dx(self):
        report = check(layers.layer_norm, backward=layers.no_mean_in_dx)
        self.assertFalse(report)
        self.assertIn("dx", {f["quantity"] for f in report.findings if f["verdict"] == "FAIL"})

    def test_the_rerun_line_reruns(self):
        report = check(layers.eps_outside)
        line = next(f["rerun"] for f in report.findings if f["verdict"] == "FAIL")
        self.assertRegex(line, r'^normlab\.check\(eps_outside, "layer_norm", cases=\["layer_norm eps_outside ')
        again = eval(line, {"normlab": normlab, "eps_outside": layers.eps_outside})
        self.assertFalse(again)
        small = eval(report.diagnosis[0]["smaller"], {"normlab": normlab, "eps_outside": layers.eps_outside})
        self.assertFalse(small)

    def test_one_pass_is_less_accurate(self):
        self.assertFalse(check(layers.one_pass, tier="ci", dtypes="f32", checks=["accuracy", "kappa_slope"]))
        right, wrong = (check(f, tier="ci", dtypes="f32", checks="accuracy").accuracy_class[0] for f in (layers.layer_norm, layers.one_pass))
        self.assertEqual(right["class"], "slope 1")
        errors = [dict(map(tuple, c["errors_by_kappa"])) for c in (right, wrong)]
        self.assertGreater(errors[1][1000], 10 * errors[0][1000])

    def test_what_is_nothing_but_a_sentence(self):
        def fails(function, text, **options):
            report = check(function, checks="accuracy", dtypes="f32", **options)
            self.assertFalse(report)
            self.assertRegex(str(report), text)
        fails(lambda x, gamma, beta, eps: layers.layer_norm(x, gamma, beta, eps)[0], r"y of <lambda> has shape \(18,\); \(5, 18\) is needed")
        fails(lambda x, gamma, beta, eps: layers.layer_norm(x, gamma, beta, np.float64(eps)).astype(float), r"is of float64; float32 is needed")
        fails(lambda x, gamma, beta, eps: None, r"y of <lambda> is None; a NumPy array is needed")
        fails(lambda x, gamma, beta, eps: (x, x), r"gave back a tuple of 2; y alone is needed")
        fails(layers.layer_norm, r"gave back 1 of 3 gradients; \(dx, dgamma, dbeta\) is needed", backward=lambda dy, x: dy)

        def in_place(x, gamma, beta, eps):
            x -= x.mean(-1, keepdims=True)
            return layers.layer_norm(x, gamma, beta, eps)
        fails(in_place, r"in_place wrote into its argument x; a new array is accepted")

    def test_an_exception_is_a_finding_with_its_traceback(self):
        def broken(x, gamma, beta, eps):
            raise RuntimeError("out of luck")
        report = check(broken, checks="accuracy")
        self.assertFalse(report)
        self.assertRegex(str(report), r"RuntimeError: out of luck \(test_check\.py:\d+, in broken: raise RuntimeError")
        self.assertIn("Traceback (most recent call last)", report.tracebacks[0])
        self.assertIn("Traceback (most recent call last)", str(report))

    def test_a_call_is_declined(self):
        def none_without_eps(x, gamma, beta, eps):
            if eps == 0:
                raise ValueError("eps must be positive")
            if x.shape[0] == 1:
                raise NotImplementedError("one sample")
            return layers.layer_norm(x, gamma, beta, eps)
        report = check(none_without_eps)
        self.assertTrue(report, str(report))
        self.assertIn("declines: eps = 0: eps must be positive", report.tables())
        self.assertIn("declines: one sample", report.tables())

    def test_an_interrupt_ends_the_check(self):
        def interrupted(x, gamma, beta, eps):
            raise KeyboardInterrupt
        with self.assertRaises(KeyboardInterrupt):
            check(interrupted)
        self.assertTrue(check(layers.layer_norm))   # and the next one runs

    def test_a_signal_ends_the_check(self):
        program = ("import os, signal, sys, threading; sys.path.insert(0, sys.argv[1]); import layers, normlab\n"
                   "timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))\n"   # one: another could end what ends the check
                   "def slow(x, gamma, beta, eps):\n"
                   "    if not timer.ident: timer.start()\n"
                   "    return layers.layer_norm(x, gamma, beta, eps)\n"
                   "try: normlab.check(slow, 'layer_norm', tier='full')\n"
                   "except KeyboardInterrupt: print('ended')")
        run = subprocess.run([sys.executable, "-c", program, os.path.dirname(os.path.abspath(__file__))],
                             capture_output=True, text=True, timeout=120)
        self.assertEqual(run.stdout.strip(), "ended", run.stderr)

    def test_a_check_within_a_check_is_refused(self):
        def nested(x, gamma, beta, eps):
            check(layers.layer_norm)
        self.assertIn("is being checked; one check at a time", str(check(nested, checks="accuracy")))


class Refused(unittest.TestCase):
    def refuses(self, error, text, function, variant="layer_norm", **options):
        with self.assertRaisesRegex(error, text):
            check(function, variant, **options)

    def test_signatures(self):
        self.refuses(TypeError, "has the argument sigma, which normlab has nothing for", lambda x, sigma, eps: x)
        self.refuses(TypeError, "takes no eps; the one that it has built in is needed: eps=1e-05", lambda x, gamma, beta: x)
        self.refuses(TypeError, "takes no groups", lambda x, gamma, beta, eps: x, "group_norm")
        self.refuses(TypeError, "takes no residual", layers.rms_norm, "rms_norm", residual="stored")
        self.refuses(TypeError, "takes a residual", layers.add_rms_norm, "rms_norm")
        self.refuses(TypeError, "takes no dy", layers.layer_norm, backward=layers.layer_norm)
        self.refuses(TypeError, "is no function", 3)

    def test_words(self):
        self.refuses(normlab.Error, "layer_norm", layers.layer_norm, "layernorm")
        self.refuses(normlab.Error, "f32", layers.layer_norm, dtypes="float32")
        self.refuses(normlab.Error, "ci", layers.layer_norm, tier="huge")
        self.refuses(normlab.Error, "accuracy", layers.layer_norm, checks="acuracy")
        self.refuses(ValueError, "'given' and None", layers.layer_norm, affine="no")
        self.refuses(ValueError, "'numpy', 'torch' and 'jax'", layers.layer_norm, framework="mxnet")
        self.assertIn("rms_norm", normlab.variants())


class Reports(unittest.TestCase):
    def test_forms(self):
        report = check(layers.eps_outside)
        self.assertRegex(repr(report), r"<normlab.Report: \d+ held, \d+ failed")
        self.assertIn("worst case", report.tables())
        self.assertIn("<!DOCTYPE html>", report.html())
        self.assertIn("<iframe srcdoc=", report._repr_html_())
        self.assertNotIn("--python", report.html() + report.json() + str(report))
        with tempfile.TemporaryDirectory() as folder:
            report.save(pathlib.Path(folder, "x.json"))
            report.save(pathlib.Path(folder, "x.html"))
            self.assertEqual(json.loads(pathlib.Path(folder, "x.json").read_text())["summary"], report.summary)
            self.assertIn("eps_outside", pathlib.Path(folder, "x.html").read_text())

    def test_progress(self):
        calls = []
        check(layers.layer_norm, progress=lambda done, total: calls.append((done, total)))
        self.assertEqual(calls[-1][0], calls[-1][1])


class Program(unittest.TestCase):
    def test_the_wheel_carries_the_program(self):
        if not pathlib.Path(normlab.__file__).with_name("bin").exists():
            self.skipTest("this copy of the package was not installed")
        run = subprocess.run([sys.executable, "-m", "normlab", "list"], capture_output=True, text=True, timeout=60)
        self.assertEqual(run.returncode, 0, run.stderr)
        self.assertIn("layer_norm", run.stdout)


if __name__ == "__main__":
    unittest.main()
