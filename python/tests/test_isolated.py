"""check(isolate=True): functions that end their process."""
import ctypes
import os
import signal
import subprocess
import sys
import time
import unittest

import numpy as np

import normlab

sys.path.insert(0, os.path.dirname(__file__))
import layers  # noqa: E402


def check(function, variant="layer_norm", **options):
    return normlab.check(function, variant, **{"tier": "smoke", "progress": False, "isolate": True, "checks": "accuracy"} | options)


def with_17(dies):
    """A function that dies where there are so many channels, and is right elsewhere."""
    def kernel(x, gamma, beta, eps):
        if x.shape[-1] == 18:
            dies()
        return layers.layer_norm(x, gamma, beta, eps)
    return kernel


class Isolated(unittest.TestCase):
    def dies(self, how, text):
        report = check(with_17(how))
        self.assertFalse(report)
        failed = [f for f in report.findings if f["verdict"] == "FAIL"]
        self.assertTrue(failed)
        self.assertEqual({f["quantity"] for f in failed}, {"process"})
        self.assertRegex(failed[0]["where"], text)
        self.assertGreater(report.held, 0)   # the other cases went on in a new child
        self.assertEqual(report.skipped, 0)
        return report

    def test_what_a_process_dies_of(self):
        report = self.dies(lambda: ctypes.string_at(0), r"the process of kernel was killed by SIGSEGV \(\w+\.py:\d+, in ")
        self.assertIn("Fatal Python error: Segmentation fault", report.tracebacks[0])
        self.dies(os.abort, r"was killed by SIGABRT \(test_isolated\.py:\d+, in kernel\)")
        self.dies(lambda: os._exit(7), "ended with exit status 7")
        self.dies(lambda: os.kill(os.getpid(), signal.SIGKILL), "was killed by SIGKILL")
        self.dies(lambda: sys.exit("enough"), r"kernel called sys\.exit\('enough'\)")

    def test_right_functions_hold_as_without(self):
        for function, variant, options in ((layers.layer_norm, "layer_norm", {"backward": layers.layer_norm_backward}),
                                           (layers.batch_norm, "batch_norm", {})):
            report = check(function, variant, checks=(), **options)
            self.assertTrue(report, str(report))
            self.assertEqual(report.held, normlab.check(function, variant, tier="smoke", progress=False, **options).held)
        self.assertTrue(check(layers.layer_norm, isolate="spawn"))

    def test_what_a_process_says_arrives(self):
        def raises(x, gamma, beta, eps):
            raise RuntimeError("out of luck")
        report = check(raises)
        self.assertRegex(str(report), r"RuntimeError: out of luck \(test_isolated\.py")
        self.assertEqual(len(report.tracebacks), 1)

        def declines(x, gamma, beta, eps):
            if x.shape[0] == 1:
                raise NotImplementedError("one sample")
            return layers.layer_norm(x, gamma, beta, eps)
        self.assertIn("declines: one sample", check(declines, checks=()).tables())

        def in_place(x, gamma, beta, eps):
            y = layers.layer_norm(x, gamma, beta, eps)
            x += 1
            return y
        self.assertIn("in_place wrote into its argument x", str(check(in_place)))
        self.assertIn("isolate=True", next(f["rerun"] for f in check(raises).findings))

    def test_a_loop_ends_and_the_function_is_given_up(self):
        def loops(x, gamma, beta, eps):
            while True:
                pass

        def sleeps(x, gamma, beta, eps):
            time.sleep(1000)
        for function in (loops, sleeps):
            start = time.monotonic()
            report = check(function, timeout=0.2, checks=())
            self.assertFalse(report)
            failed = [f for f in report.findings if f["verdict"] == "FAIL"]
            self.assertEqual([f["quantity"] for f in failed], 5 * ["time"])
            self.assertRegex(failed[0]["where"], rf"{function.__name__} took more than 0\.2 s \(test_isolated\.py:\d+, in {function.__name__}\)")
            self.assertIn("given up: its process ended 25 times in a row", report.tables())
            self.assertLess(time.monotonic() - start, 60)

    def test_no_child_is_left(self):
        pids = set()

        def tells(x, gamma, beta, eps):
            with open(f"/proc/{os.getppid()}/comm"):
                pass
            raise RuntimeError(f"pid {os.getpid()}")
        report = check(tells)
        for f in report.findings:
            pids.add(int(f["where"].split("pid ")[1].split()[0]))
        self.assertEqual(len(pids), 1)
        self.assertNotIn(os.getpid(), pids)
        with self.assertRaises(ProcessLookupError):
            os.kill(pids.pop(), 0)

    def test_an_interrupt_ends_the_check_and_the_child(self):
        def interrupted(x, gamma, beta, eps):
            raise KeyboardInterrupt
        with self.assertRaises(KeyboardInterrupt):
            check(interrupted)
        program = ("import os, signal, sys, time; sys.path.insert(0, sys.argv[1]); import layers, normlab\n"
                   "def slow(x, gamma, beta, eps):\n"
                   "    print(os.getpid(), flush=True)\n"
                   "    os.killpg(0, signal.SIGINT)\n"   # as a terminal does
                   "    time.sleep(1000)\n"
                   "try: normlab.check(slow, 'layer_norm', isolate=True, timeout=100)\n"
                   "except KeyboardInterrupt: print('ended')")
        run = subprocess.run([sys.executable, "-c", program, os.path.dirname(os.path.abspath(__file__))],
                             capture_output=True, text=True, timeout=60, start_new_session=True)
        pid, *rest = run.stdout.split()
        self.assertEqual(rest, ["ended"], run.stderr)
        with self.assertRaises(ProcessLookupError):
            os.kill(int(pid), 0)

    def test_refused(self):
        for options, error, text in (({"isolate": "thread"}, ValueError, "'fork' and 'spawn' are accepted"),
                                     ({"timeout": 0}, ValueError, "seconds above 0"),
                                     ({"isolate": "spawn"}, TypeError, "cannot be sent to a new process.*isolate='fork'")):
            with self.assertRaisesRegex(error, text):
                check(lambda x, gamma, beta, eps: np.asarray(x), **options)

    def test_torch(self):
        try:
            import torch
        except ImportError:
            self.skipTest("torch is not installed")
        torch.randn(300, 300) @ torch.randn(300, 300)   # its threads have run before the fork

        def right(x, gamma, beta, eps):
            torch.randn(300, 300) @ torch.randn(300, 300)
            return torch.nn.functional.layer_norm(x, x.shape[-1:], gamma, beta, eps)
        for how in ("fork", "spawn"):
            report = check(torch.nn.functional.layer_norm if how == "spawn" else right, checks=(), isolate=how)
            self.assertTrue(report, str(report))


if __name__ == "__main__":
    unittest.main()
