"""normlab.check on objects whose attributes are their parameters and running statistics. Needs nothing but the package and NumPy."""
import unittest

import numpy as np

import normlab


class BatchNorm:
    """As such a class is written by hand."""

    def __init__(self, channels, momentum=0.1, eps=1e-5):
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.momentum, self.eps = momentum, eps

    def forward(self, x, training=True):
        mean, var, m = self.running_mean, self.running_var, x.shape[0] * x.shape[2]
        if training:
            mean, var = x.mean((0, 2)), x.var((0, 2))
            self.move(mean, var, m)
        self.own, self.rstd = training, (1 / np.sqrt(var + self.eps)).astype(x.dtype)[:, None]
        self.x_hat = (x - mean[:, None]) * self.rstd
        return self.gamma[:, None] * self.x_hat + self.beta[:, None]

    def move(self, mean, var, m):
        self.running_mean = (1 - self.momentum) * self.running_mean + self.momentum * mean
        self.running_var = (1 - self.momentum) * self.running_var + self.momentum * var * (m / (m - 1))

    def backward(self, dy):
        self.dgamma, self.dbeta = (dy * self.x_hat).sum((0, 2)), dy.sum((0, 2))
        g = dy * self.gamma[:, None]
        if not self.own:
            return g * self.rstd
        mean = g.mean((0, 2), keepdims=True)
        return self.rstd * (g - mean - self.x_hat * (g * self.x_hat).mean((0, 2), keepdims=True))


class InPlace(BatchNorm):
    """Moves its arrays where they lie, is switched by methods, and has no backward."""
    backward = None

    def __init__(self, channels):
        super().__init__(channels)
        self.mode = "train"

    def train(self):
        self.mode = "train"

    def eval(self):
        self.mode = "eval"

    def forward(self, x):
        return super().forward(x, self.mode == "train")

    def move(self, mean, var, m):
        self.running_mean += self.momentum * (mean - self.running_mean)
        self.running_var += self.momentum * (var * (m / (m - 1)) - self.running_var)


class RmsNorm:
    """Without running statistics, called itself."""

    def __init__(self, channels, eps=1e-6):
        self.weight, self.eps = np.ones(channels), eps

    def __call__(self, x):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.weight


def check(layer, variant="batch_norm", **options):
    return normlab.check(layer, variant, **{"tier": "smoke", "progress": False} | options)


class Objects(unittest.TestCase):
    def holds(self, report):
        self.assertTrue(report, str(report))

    def fails(self, report, quantity):
        self.assertFalse(report)
        self.assertIn(quantity, {f["quantity"] for f in report.findings if f["verdict"] == "FAIL"})

    def test_in_train_and_eval_with_its_backward(self):
        layer = BatchNorm(6)
        report = check(layer)
        self.holds(report)
        self.assertEqual({"train", "eval"}, {f["case"].split()[4] for f in report.findings})
        self.assertIn("dgamma", {f.get("quantity") for f in report.findings})
        self.assertNotIn("not judged: dx", str(report))
        np.testing.assert_array_equal(layer.running_mean, np.zeros(6))   # the caller's layer is as it was
        np.testing.assert_array_equal(layer.gamma, np.ones(6))
        self.assertFalse(hasattr(layer, "x_hat"))

    def test_arrays_that_move_where_they_lie(self):
        layer = InPlace(6)
        report = check(layer)
        self.holds(report)
        self.assertIn("not judged: dx, dgamma, dbeta: InPlace has no backward", str(report))
        np.testing.assert_array_equal(layer.running_mean, np.zeros(6))
        self.assertEqual(layer.mode, "train")

    def test_without_statistics(self):
        self.holds(check(RmsNorm(8), "rms_norm"))
        self.fails(check(RmsNorm(8), "rms_norm", eps=1e-3), "y")   # another eps than it has

    def test_wrong_ones(self):
        class Biased(BatchNorm):
            def move(self, mean, var, m):
                super().move(mean, var * (m - 1) / m, m)

        class NeverEvaluates(BatchNorm):
            def forward(self, x, training=True):
                return super().forward(x, True)

        class WrongGradient(BatchNorm):
            def backward(self, dy):
                dx = super().backward(dy)
                self.dgamma = self.dbeta
                return dx
        self.fails(check(Biased(6)), "running var")
        self.holds(check(Biased(6), running="biased"))
        self.fails(check(NeverEvaluates(6)), "y")
        self.fails(check(WrongGradient(6)), "dgamma")

    def test_sentences(self):
        class Half(RmsNorm):
            def __init__(self):
                super().__init__(6)
                self.running_mean = np.zeros(6)

        class NoMode(BatchNorm):
            def forward(self, x):
                return super().forward(x)

        class Asks(BatchNorm):
            def forward(self, x, mask, training=True):
                return super().forward(x, training)
        for layer, text in ((Half(), "has one of running_mean and running_var"),
                            (NoMode(6), "nothing that says whether they move or are used"),
                            (Asks(6), "has the argument mask; x and training are accepted")):
            with self.assertRaisesRegex(TypeError, text):
                check(layer)


if __name__ == "__main__":
    unittest.main()
