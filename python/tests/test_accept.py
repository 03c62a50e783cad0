"""Known findings: written, accepted, stale, changed."""
import os
import pathlib
import sys
import tempfile
import unittest

import normlab

sys.path.insert(0, os.path.dirname(__file__))
import layers  # noqa: E402


def check(function, **options):
    return normlab.check(function, "layer_norm", **{"tier": "smoke", "progress": False, "checks": "accuracy"} | options)


def repaired(x, gamma, beta, eps):
    return layers.layer_norm(x, gamma, beta, eps)


def worse(x, gamma, beta, eps):
    return layers.layer_norm(x, gamma, beta, 2 * eps) + x.dtype.type(1)


repaired.__name__ = worse.__name__ = "eps_outside"   # of whom the lines speak


class Accept(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.known = pathlib.Path(folder.name, "known.txt")

    def test_what_is_known_passes_until_it_changes(self):
        first = check(layers.eps_outside)
        self.assertFalse(first)
        first.accept(self.known)
        lines = self.known.read_text().splitlines()
        self.assertEqual(len(lines), first.failed + 1)
        self.assertRegex(lines[1], r"^layer_norm eps_outside f(32|64) .* check=accuracy \| y \| FAIL \d")
        again = check(layers.eps_outside, accept=self.known)
        self.assertTrue(again, str(again))
        self.assertEqual((again.accepted, again.failed, again.stale), (first.failed, 0, []))
        self.assertIn(f"{first.failed} known, {first.failed} accepted, 0 changed, 0 stale", str(again))
        self.assertEqual({f["verdict"] for f in again.findings}, {"PASS", "ACCEPTED"})
        changed = check(worse, accept=self.known)
        self.assertFalse(changed)
        self.assertIn("known.txt line 2 accepts FAIL", str(changed) + changed.json())
        held = check(repaired, accept=self.known)
        self.assertTrue(held)
        self.assertEqual(len(held.stale), first.failed)
        self.assertIn("| y holds now", held.stale[0])
        self.assertIn("stale: ", str(held))

    def test_a_file_is_brought_up_to_date(self):
        check(layers.eps_outside, dtypes="f64").accept(self.known)
        before = self.known.read_text().splitlines()
        self.known.write_text("\n".join(["# ours", before[1] + "   # eps stays", *before[2:]]) + "\n")
        check(worse, dtypes="f32").accept(self.known)   # others than those that stand there
        text = self.known.read_text().splitlines()
        self.assertEqual(text[:2], ["# ours", before[1] + "   # eps stays"])
        self.assertGreater(len(text), len(before))
        check(repaired, dtypes=("f32", "f64")).accept(self.known)
        self.assertEqual(self.known.read_text(), "# ours\n")
        self.assertEqual([p.name for p in self.known.parent.iterdir()], ["known.txt"])

    def test_a_file_that_cannot_be_understood(self):
        self.known.write_text("# fine\nlayer_norm | y\n")
        with self.assertRaisesRegex(normlab.Error, r"known\.txt line 2: 'layer_norm | y' is no known finding"):
            check(layers.eps_outside, accept=self.known)
        with self.assertRaisesRegex(normlab.Error, "absent.txt: cannot be opened"):
            check(layers.eps_outside, accept="absent.txt")
        with self.assertRaisesRegex(normlab.Error, "line 2"):
            check(layers.eps_outside).accept(self.known)


if __name__ == "__main__":
    unittest.main()
