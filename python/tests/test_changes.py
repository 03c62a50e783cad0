"""A report as a table, and against an earlier one."""
import json
import os
import sys
import tempfile
import unittest

import normlab

sys.path.insert(0, os.path.dirname(__file__))
import layers  # noqa: E402

try:
    import pandas
except ImportError:
    pandas = None


def layer_norm(wrong=False, coarse=False):
    def my_layer_norm(x, gamma, beta, eps):
        y = layers.layer_norm(x, gamma, beta, 2 * eps if wrong else eps)
        return y * x.dtype.type(1 + 3e-8 * coarse) if x.dtype == "float64" else y
    return my_layer_norm


def check(function):
    return normlab.check(function, "layer_norm", checks="accuracy", tier="smoke", progress=False)


class Changes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.old = os.path.join(cls.folder.name, "old.json")
        cls.right, cls.wrong = check(layer_norm()), check(layer_norm(wrong=True))
        cls.right.save(cls.old)
        cls.failed = os.path.join(cls.folder.name, "failed.json")
        cls.wrong.save(cls.failed)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_nothing_changes(self):
        changes = self.right.compare(self.old)
        self.assertTrue(changes, str(changes))
        self.assertEqual((changes.failing, changes.holding, changes.worse, changes.better), ([], [], [], 0))
        self.assertEqual(changes.compared, self.right.held)

    def test_what_fails_now(self):
        changes = self.wrong.compare(self.old)
        self.assertFalse(changes)
        self.assertEqual(len(changes.failing), self.wrong.failed)
        first = changes.failing[0]
        self.assertEqual((first["verdict"], first["check"], first["quantity"]), ("FAIL", "accuracy", "y"))
        self.assertGreater(first["error"], first["bound"])
        self.assertLess(first["error_then"], first["bound"])
        self.assertTrue(first["rerun"].startswith("normlab.check(my_layer_norm"))
        self.assertIn(f"fails since {self.old}: ", str(changes))
        self.assertIn(f"{len(changes.failing)} fail and did not, 0 hold and did not", str(changes))

    def test_what_holds_now(self):
        changes = self.right.compare(self.failed)
        self.assertTrue(changes)
        self.assertEqual(len(changes.holding), self.wrong.failed)
        self.assertEqual(changes.holding[0]["verdict"], "PASS")
        self.assertIn(f"holds since {self.failed}: ", str(changes))

    def test_what_is_worse_and_still_holds(self):
        with open(self.old) as file:
            document = json.load(file)
        for finding in document["findings"]:
            if finding.get("quantity") == "y":
                finding["error"] = finding["error"] / 1e6
        path = os.path.join(self.folder.name, "better.json")
        with open(path, "w") as file:
            json.dump(document, file)
        changes = self.right.compare(path)
        self.assertFalse(changes.failing)
        self.assertGreater(changes.compared, 0)   # a rounding of y is allowed for: y is worse only where it is off by more
        for worse in changes.worse:
            self.assertGreater(worse["error"], 2 * worse["error_then"])

    def test_refuses(self):
        with self.assertRaisesRegex(normlab.Error, "no_such.json"):
            self.right.compare("no_such.json")
        other = os.path.join(self.folder.name, "other.json")
        normlab.check(layers.rms_norm, "rms_norm", checks="accuracy", tier="smoke", progress=False).save(other)
        with self.assertRaisesRegex(normlab.Error, "has no finding of any case of this run"):
            self.right.compare(other)

    @unittest.skipUnless(pandas, "pandas is not installed")
    def test_a_table(self):
        table = self.wrong.to_dataframe()
        self.assertEqual(len(table), len(self.wrong.findings))
        self.assertEqual((table["verdict"] == "FAIL").sum(), self.wrong.failed)
        self.assertEqual(table["error"].dtype, "float64")

    @unittest.skipIf(pandas, "pandas is installed")
    def test_no_table_without_pandas(self):
        with self.assertRaisesRegex(TypeError, "needs the package pandas"):
            self.wrong.to_dataframe()


if __name__ == "__main__":
    unittest.main()
