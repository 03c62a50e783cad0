"""normlab.cases() and the plug-in for pytest, where pytest is installed: it is run on files of tests."""
import importlib.util
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

import normlab

sys.path.insert(0, os.path.dirname(__file__))
import layers  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(normlab.__file__)))
TESTS = '''
import sys
sys.path.insert(0, {here!r})
import pytest
import layers
import normlab

@normlab.cases("layer_norm", dtypes=["f64"])
def test_right(x, gamma, beta, eps):
    return layers.layer_norm(x, gamma, beta, eps)

test_wrong = normlab.cases("layer_norm", dtypes=["f64"], checks=["accuracy", "adjoint", "threads"])(layers.eps_outside)

@pytest.fixture
def offset():
    return 0.0

@pytest.mark.parametrize("factor", [1, 2])
@normlab.cases("layer_norm", dtypes=["f64"], checks="accuracy")
def test_factors(x, gamma, beta, eps, factor, offset):
    return layers.layer_norm(x, gamma, beta, eps) * factor + offset

class TestMethods:
    @normlab.cases("rms_norm", dtypes=["f64"], checks="accuracy")
    def test_rms(self, x, weight, eps):
        assert isinstance(self, TestMethods)
        return layers.rms_norm(x, weight, eps)

test_signature = normlab.cases("layer_norm", checks="accuracy")(lambda x, gamma, beta: x)
'''


@unittest.skipIf(importlib.util.find_spec("pytest") is None, "pytest is not installed")
class Plugin(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.write(TESTS.format(here=HERE))

    def write(self, text):
        (self.folder / "test_mine.py").write_text(text)

    def pytest(self, *arguments):
        run = subprocess.run([sys.executable, "-m", "pytest", "-p", "normlab_pytest", "-p", "no:cacheprovider", "-rsxXfE", *arguments],
                             cwd=self.folder, capture_output=True, text=True, timeout=300, env=os.environ | {"COLUMNS": "300", "PYTHONPATH": PACKAGE})
        return run.returncode, run.stdout + run.stderr

    def test_a_test_for_each_check(self):
        status, out = self.pytest("--collect-only", "-q")
        self.assertEqual(status, 0, out)
        names = re.findall(r"test_right\[(.*?)\]", out)
        self.assertEqual(names, [name for name, _ in normlab._core.checks()])
        for name in ("test_wrong[adjoint]", "test_factors[accuracy-1]", "test_factors[accuracy-2]", "TestMethods::test_rms[accuracy]"):
            self.assertIn(name, out)

    def test_verdicts(self):
        status, out = self.pytest("-v")
        self.assertEqual(status, 1, out)
        for name, verdict in (("test_right[accuracy]", "PASSED"), ("test_right[threads]", "SKIPPED"), ("test_right[adjoint]", "SKIPPED"),
                              ("test_wrong[accuracy]", "FAILED"), ("test_factors[accuracy-1]", "PASSED"),
                              ("test_factors[accuracy-2]", "FAILED"), ("test_rms[accuracy]", "PASSED"), ("test_signature[accuracy]", "FAILED")):
            self.assertRegex(out, re.escape(name) + rf"[^\n]* {verdict}")
        self.assertRegex(out, r"SKIPPED.*nothing to check: it is about memory")
        self.assertIn("accuracy: y, dx, dgamma and dbeta are within their derived bounds of truth", out)   # the statement
        self.assertRegex(out, r"\d+\. eps_outside: eps_outside \(eps outside the root")
        line = re.search(r'rerun: (normlab\.check\(eps_outside, "layer_norm", cases=\[".*"\]\))', out)
        self.assertFalse(eval(line[1], {"normlab": normlab, "eps_outside": layers.eps_outside}))
        self.assertIn("normlab.check(functools.partial(test_factors.normlab_function, factor=2, offset=0.0)", out)
        self.assertIn("TypeError: <lambda> takes no eps; the one that it has built in is needed", out)
        for noise in ("Traceback", "During handling", "entries are hidden", "_cases.py:", "def test(", "INTERNALERROR"):
            self.assertNotIn(noise, out)

    def test_the_tier(self):
        self.write(TESTS.format(here=HERE) + "\n@pytest.fixture(autouse=True)\ndef tier(monkeypatch):\n"
                   "    right = normlab.check\n"
                   "    monkeypatch.setattr(normlab, 'check', lambda *a, **o: print('tier', o['tier']) or right(*a, **o))\n")
        for given, wanted in (((), "tier smoke"), (("--normlab-tier", "ci"), "tier ci")):
            self.assertIn(wanted, self.pytest("-k", "test_right and accuracy", "-s", *given)[1])
        status, out = self.pytest("--normlab-tier", "huge")
        self.assertEqual(status, 4)
        self.assertRegex(out, "invalid choice: '?huge")

    def test_known_findings(self):
        status, _ = self.pytest("-k", "test_wrong or test_right", "--normlab-accept-write", "known.txt")
        self.assertEqual(status, 1)
        self.assertRegex((self.folder / "known.txt").read_text(), r"\nlayer_norm eps_outside f64 .* \| y \| FAIL ")
        status, out = self.pytest("-k", "test_wrong or test_right", "--normlab-accept", "known.txt")
        self.assertEqual(status, 0, out)
        self.assertRegex(out, r"XFAIL.*test_wrong\[accuracy\].* known findings? accepted by known\.txt")
        self.write(TESTS.format(here=HERE).replace("(layers.eps_outside)", "(repaired)")
                   .replace("@pytest.fixture\n", "", 1).replace("def offset", "@pytest.fixture\ndef offset")
                   .replace("test_wrong =", "def repaired(x, gamma, beta, eps):\n    return layers.layer_norm(x, gamma, beta, eps)\n"
                            "repaired.__name__ = 'eps_outside'\ntest_wrong ="))
        status, out = self.pytest("-k", "test_wrong", "--normlab-accept", "known.txt")
        self.assertEqual(status, 0, out)
        self.assertIn("normlab: stale: known.txt line 2: layer_norm eps_outside f64", out)
        (self.folder / "known.txt").write_text("layer_norm\n")
        status, out = self.pytest("-k", "test_wrong", "--normlab-accept", "known.txt")
        self.assertEqual(status, 1)
        self.assertIn("known.txt line 1: 'layer_norm' is no known finding", out)

    def test_xdist(self):
        if importlib.util.find_spec("xdist") is None:
            self.skipTest("pytest-xdist is not installed")
        verdicts = []
        for workers in ((), ("-n", "2")):
            status, out = self.pytest("-k", "not test_right", "--normlab-accept-write", "known.txt", *workers)
            self.assertEqual(status, 1, out)
            verdicts.append((re.search(r"\d+ failed.*passed[^i]*", out)[0].split(" in ")[0],
                             sorted((self.folder / "known.txt").read_text().splitlines())))
            (self.folder / "known.txt").unlink()
        self.assertEqual(*verdicts)

    def test_nothing_is_imported_where_nothing_is_ours(self):
        self.write("import sys\ndef test_other():\n    assert not {'normlab', 'numpy'} & set(sys.modules)\n")
        status, out = self.pytest()
        self.assertEqual(status, 0, out)


class Cases(unittest.TestCase):
    """Without pytest."""

    def test_called_it_runs_all_checks(self):
        normlab.cases("layer_norm", dtypes="f64", progress=False)(layers.layer_norm)()
        test = normlab.cases("layer_norm", dtypes="f64", progress=False)(layers.eps_outside)
        with self.assertRaisesRegex(AssertionError, "eps_outside"):
            test()
        self.assertTrue(normlab.check(normlab.cases("layer_norm")(layers.layer_norm), "layer_norm", tier="smoke", progress=False))

    def test_refused(self):
        with self.assertRaisesRegex(normlab.Error, "layer_norm"):
            normlab.cases("layernorm")
        with self.assertRaisesRegex(TypeError, "no option 'dtype'"):
            normlab.cases("layer_norm", dtype="f32")
        with self.assertRaisesRegex(TypeError, "cases= says what runs"):
            normlab.cases("layer_norm", cases=["x"])


if __name__ == "__main__":
    unittest.main()
