"""Planted faults are found through normlab.check: some of each kind. fault_matrix.py runs all."""
import os
import pathlib
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
import fault_matrix  # noqa: E402

PLACES = (os.environ.get("NORMLAB_FAULTY", ""), fault_matrix.ROOT / "build/release/lib/normlab/faulty.so")
LIBRARY = next((p for p in map(pathlib.Path, PLACES) if p.is_file()), None)


@unittest.skipIf(LIBRARY is None, "faulty.so is not there: ninja -C build/release faulty, or NORMLAB_FAULTY=FILE")
class Faults(unittest.TestCase):
    def test_some_of_each_kind(self):
        for name, check in (("eps_outside", "accuracy y named"), ("mean_g_missing", "accuracy dx named"),
                            ("dgamma_last_sample", "accuracy dgamma"),
                            ("momentum_scaled", "running"), ("r_forgotten_in_dx", "accuracy dx"), ("mask_in_m", "accuracy"),
                            ("dtau_scaled", "accuracy dtau"), ("scale_inverted", "accuracy"), ("ddy_scaled", "double_"),
                            ("x_modified", "accuracy exception"), ("sample_stride_ignored", "strided|gaps")):
            with self.subTest(name):
                row = next(f for f in fault_matrix.faults() if f[0] == name)
                self.assertRegex(fault_matrix.finding(str(LIBRARY), *row) or "missed", check)

    def test_the_right_layer_holds(self):
        for setting in ({"variant": "batch_norm"}, {"variant": "batch_renorm"}, {"variant": "layer_norm", "activation": "threshold"},
                        {"variant": "instance_norm", "mask": True}, {"variant": "rms_norm", "residual": "wide", "dtypes": "f16"},
                        {"variant": "rms_norm", "output": "e4m3", "scale": "block", "dtypes": "f32"}):
            with self.subTest(setting):
                report = fault_matrix.check(str(LIBRARY), "", setting, tier="smoke")
                self.assertTrue(report, str(report))

    def test_each_fault_is_carried_or_left_out_for_a_reason(self):
        names = {name for name, _, _ in fault_matrix.faults()}
        self.assertGreater(len(names), 300)
        self.assertLessEqual(set(fault_matrix._WHY), names)
        self.assertLessEqual({where for name, _, where in fault_matrix.faults() if name not in fault_matrix._WHY}, set(fault_matrix.WHERE))


if __name__ == "__main__":
    unittest.main()
