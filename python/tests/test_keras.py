"""normlab.check_module on layers of Keras 3, where it is installed with PyTorch or JAX."""
import importlib.util
import os
import unittest

import normlab

if importlib.util.find_spec("keras"):
    backend = next((b for b in ("torch", "jax") if importlib.util.find_spec(b)), None)
    if backend:
        os.environ.setdefault("KERAS_BACKEND", backend)
        import keras
        from keras import layers
        if keras.backend.backend() not in ("torch", "jax"):
            keras = None
    else:
        keras = None
else:
    keras = None


def check(layer, **options):
    return normlab.check_module(layer, **{"tier": "smoke", "progress": False} | options)


@unittest.skipIf(keras is None, "Keras 3 with PyTorch or JAX is not installed")
class Keras(unittest.TestCase):
    def holds(self, layer, text, **options):
        report = check(layer, **options)
        self.assertTrue(report, str(report))
        self.assertTrue(all(text in f["case"] for f in report.findings))

    def test_layers(self):
        few = ["accuracy", "adjoint", "derivatives"] if keras.backend.backend() == "jax" else ()
        self.holds(layers.LayerNormalization(), "eps=0.001", checks=few)
        self.holds(layers.RMSNormalization(), "rms_norm ", checks=few)
        self.holds(layers.UnitNormalization(), "l2_norm ", checks=few)
        self.holds(layers.BatchNormalization(dtype="mixed_bfloat16"), " nhwc ", checks=["accuracy", "running_stats"])
        built = layers.LayerNormalization(axis=[1, 2])
        built.build((None, 4, 5))
        self.holds(built, "x20x1 ", checks=few)

    def test_a_finding(self):
        # its variance is E[x^2] - mean^2 with PyTorch as backend
        report = check(layers.BatchNormalization(axis=1), dtypes="f32", checks=["accuracy", "running_stats"])
        self.assertTrue(all(" nchw " in f["case"] for f in report.findings))
        self.assertTrue(any(f["verdict"] == "PASS" and f["quantity"] == "running mean" for f in report.findings))

    def test_sentences(self):
        for layer, text in ((layers.BatchNormalization(trainable=False), "trainable=False, .* trainable=True is accepted"),
                            (layers.BatchNormalization(axis=2), "has axis=2; axis=-1 and axis=1 are accepted"),
                            (layers.Dense(3), "Dense is not known")):
            with self.assertRaisesRegex(TypeError, text):
                check(layer)
        with self.assertRaisesRegex(TypeError, "computes in f32, whatever it is given"):
            check(layers.LayerNormalization(), dtypes="f64")


if __name__ == "__main__":
    unittest.main()
