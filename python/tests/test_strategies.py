"""normlab.strategies, where hypothesis is installed."""
import importlib.util
import os
import sys
import unittest

import normlab
from normlab import strategies

sys.path.insert(0, os.path.dirname(__file__))
import layers  # noqa: E402

hypothesis = None
if importlib.util.find_spec("hypothesis") is not None:
    import hypothesis


def settings(examples):
    return hypothesis.settings(max_examples=examples, database=None, derandomize=True, deadline=None)


@unittest.skipIf(hypothesis is None, "hypothesis is not installed")
class Strategies(unittest.TestCase):
    def test_right_functions_hold(self):
        for function, variant, options in ((layers.layer_norm, "layer_norm", {"dtypes": ["f32", "f64"]}),
                                           (layers.rms_norm, "rms_norm", {}),
                                           (layers.group_norm, "group_norm", {})):
            @settings(150)
            @hypothesis.given(strategies.cases(variant, **options))
            def holds(case):
                report = normlab.check(function, variant, cases=[case], progress=False)
                assert report, report
            holds()

    def test_a_function_says_what_it_takes(self):
        for function, variant, options in ((layers.gemma_rms_norm, "rms_norm", {"gamma_offset": 1}),
                                           (layers.silu_layer_norm, "layer_norm", {"activation": "silu"}),
                                           (layers.batch_norm, "batch_norm", {}),
                                           (layers.channels_last_instance_norm, "instance_norm", {"layouts": "nhwc"}),
                                           (layers.layer_norm, "layer_norm", {"backward": layers.layer_norm_backward}),
                                           (lambda x, gamma: layers.layer_norm(x, gamma, 0, 1e-3), "layer_norm", {"eps": 1e-3})):
            options = options | {"dtypes": "f64"}

            @settings(60)
            @hypothesis.given(strategies.cases(variant, function, **options))
            def holds(case):
                report = normlab.check(function, variant, cases=[case], progress=False, **options)
                assert report, report
            holds()

    def test_the_same_seed_draws_the_same(self):
        first, second = ([], [])
        for into in (first, second):
            @settings(40)
            @hypothesis.given(strategies.cases("layer_norm", dtypes=["f32"], checks="accuracy"))
            def draws(case):
                into.append(case)
                self.assertRegex(case, "^layer_norm .* f32 nchw train .* check=accuracy")
            draws()
        self.assertEqual(first, second)
        self.assertGreater(len(set(first)), 15)   # some choices change nothing

    def test_a_failing_case_becomes_small(self):
        def wrong(x, gamma, beta, eps):
            y = layers.layer_norm(x, gamma, beta, eps)
            if x.shape[1] > 4:
                y[0, 4] += 1
            return y
        failing = []

        @settings(100)
        @hypothesis.given(strategies.cases("layer_norm", dtypes=["f64"], checks="accuracy"))
        def holds(case):
            report = normlab.check(wrong, "layer_norm", cases=[case], progress=False)
            if not report:
                failing.append(case)
            assert report, report
        with self.assertRaises(AssertionError):
            holds()
        self.assertRegex(failing[-1], r"^layer_norm \S+ f64 nchw train 1x5x1 (affine=none )?seed=\d+ check=")

    def test_a_case_that_the_function_declines_is_rejected(self):
        def declines(x, gamma, beta, eps):
            if x.shape[0] % 2:
                raise NotImplementedError("an odd number of samples")
            return layers.layer_norm(x, gamma, beta, eps)
        ran = []

        @settings(60)
        @hypothesis.given(strategies.cases("layer_norm", dtypes=["f64"]))
        def holds(case):
            assert normlab.check(declines, "layer_norm", cases=[case], progress=False)
            ran.append(case)
        holds()
        self.assertTrue(ran)
        with self.assertRaisesRegex(normlab.Error, "nothing could run"):   # elsewhere it is an error
            normlab.check(declines, "layer_norm", cases=["layer_norm declines f64 nchw train 3x4x1 seed=1 check=accuracy"], progress=False)


class WithoutHypothesis(unittest.TestCase):
    def test_it_is_asked_for_when_used(self):
        if hypothesis is not None:
            self.skipTest("hypothesis is installed")
        with self.assertRaisesRegex(TypeError, "needs the package hypothesis"):
            strategies.cases("layer_norm")


if __name__ == "__main__":
    unittest.main()
