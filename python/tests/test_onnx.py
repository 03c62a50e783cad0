"""normlab.check_onnx, where the packages onnx and onnxruntime are installed."""
import unittest

import numpy as np

import normlab

try:
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper
except ImportError:
    onnx = None


def model_of(nodes, parameters, x=("x",), opset=23, y="y", of=None):
    of = of or TensorProto.FLOAT
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info(n, of, None) for n in x], [helper.make_tensor_value_info(y, of, None)],
                              [numpy_helper.from_array(a, n) for n, a in parameters.items()])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def row(n=12, seed=1, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal(n).astype(dtype)


def check(model, **options):
    return normlab.check_onnx(model, **{"tier": "smoke", "progress": False} | options)


@unittest.skipIf(onnx is None, "onnx and onnxruntime are not installed")
class Onnx(unittest.TestCase):
    def holds(self, report, nodes=1):
        self.assertTrue(report, str(report))
        self.assertEqual(len(report.nodes), nodes)

    def test_each_kind_of_node(self):
        g, b = row(), row(seed=2)
        v = np.abs(row(seed=3)) + 1
        make = helper.make_node
        self.holds(check(model_of([make("LayerNormalization", ["x", "g", "b"], ["y"], epsilon=1e-3)], {"g": g, "b": b})))
        self.holds(check(model_of([make("LayerNormalization", ["x", "g"], ["y"], axis=-2)], {"g": g.reshape(3, 4)})))
        self.holds(check(model_of([make("RMSNormalization", ["x", "g"], ["y"])], {"g": g})))
        self.holds(check(model_of([make("SimplifiedLayerNormalization", ["x", "g"], ["y"])], {"g": g})))
        self.holds(check(model_of([make("InstanceNormalization", ["x", "g", "b"], ["y"])], {"g": g, "b": b})))
        self.holds(check(model_of([make("BatchNormalization", ["x", "g", "b", "m", "v"], ["y"])], {"g": g, "b": b, "m": row(seed=4), "v": v}),
                         checks="accuracy"))
        self.holds(check(model_of([make("SkipLayerNormalization", ["x", "r", "g", "b"], ["y"], domain="com.microsoft")], {"g": g, "b": b}, ("x", "r"))))

    def test_the_rerun_line_of_a_node_reruns(self):
        # ONNX Runtime 1.32 forms the variance as E[x^2] - mean^2 here. Where it no longer does, the next lines have nothing to look at.
        model = model_of([helper.make_node("GroupNormalization", ["x", "g", "b"], ["y"], num_groups=3)], {"g": row(), "b": row(seed=2)})
        report = check(model, checks="kappa_slope")
        if not report:
            line = next(line.split("rerun: ")[1] for line in str(report).splitlines() if "rerun: " in line)
            self.assertTrue(line.startswith('normlab.check_onnx(model, nodes=["y"], cases=["group_norm'), line)
            again = eval(line, {"normlab": normlab, "model": model})
            self.assertIn("FAIL kappa_slope slope", str(again))

    def test_the_case_has_the_channels_and_eps_of_the_node(self):
        report = check(model_of([helper.make_node("LayerNormalization", ["x", "g"], ["y"], epsilon=0.25)], {"g": row(7)}), checks="accuracy")
        for f in report.nodes[0].report.findings:
            self.assertRegex(f["case"], r"\d+x7x1 eps=0.25")

    @unittest.skipUnless(hasattr(normlab, "truth"), "normlab.truth is not there")
    def test_on_the_data_of_the_model(self):
        nodes = [helper.make_node("Mul", ["x", "x"], ["xx"]), helper.make_node("LayerNormalization", ["xx", "g", "b"], ["n"], name="first"),
                 helper.make_node("RMSNormalization", ["n", "scaled"], ["y"], name="second"), helper.make_node("Add", ["g", "b"], ["scaled"])]
        model = model_of(nodes[:2] + [nodes[3], nodes[2]], {"g": row(), "b": row(seed=2)})
        x = np.random.default_rng(5).standard_normal((2, 3, 12)).astype(np.float32)
        self.assertIn("feeds={name: array} is needed", str(check(model, nodes=["second"], checks="accuracy")))
        report = check(model, feeds={"x": x}, tier="none")
        self.holds(report, 2)
        self.assertEqual([r["quantity"] for n in report.nodes for r in n.recorded], ["y", "y"])
        # kappa 1e5: a sum of squares cancels, and the verdict is about the numbers of these feeds
        self.assertIn("on the model's own data y: error", str(report))
        with self.assertRaisesRegex(ValueError, "does not run on these feeds"):
            check(model, feeds={"z": x}, tier="none")

    def test_what_is_not_judged_says_why(self):
        def refuses(text, *args, **options):
            report = check(model_of(*args, **options))
            self.assertFalse(report)
            self.assertIn(text, str(report))
        make = helper.make_node
        refuses("has a scale for each group", [make("GroupNormalization", ["x", "g", "b"], ["y"], num_groups=3)], {"g": row(3), "b": row(3)}, opset=18)
        refuses("it normalizes 2 dimensions, and its scale has 1", [make("LayerNormalization", ["x", "g"], ["y"], axis=-2)], {"g": row()})
        refuses("the model has no normalization node", [make("Relu", ["x"], ["y"])], {})
        with self.assertRaisesRegex(ValueError, "no normalization node 'z'; it has y"):
            check(model_of([make("LayerNormalization", ["x", "g"], ["y"])], {"g": row()}), nodes=["z"])
        with self.assertRaisesRegex(TypeError, "model is int; a path, bytes or an onnx.ModelProto"):
            check(3)


if __name__ == "__main__":
    unittest.main()
