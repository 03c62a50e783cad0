"""What an installed wheel carries: every library that its files need is in it, or is the C and C++ runtime."""
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

import normlab

PACKAGE = pathlib.Path(normlab.__file__).parent
RUNTIME = re.compile(r"^(linux-vdso|ld-linux.*|lib(c|m|dl|rt|pthread|stdc\+\+|gcc_s))\.so")


@unittest.skipUnless((PACKAGE / "shared").is_dir(), "the package was not installed from a wheel")
class Wheel(unittest.TestCase):
    def files(self):
        return [*PACKAGE.glob("_core*.so"), PACKAGE / "bin" / "normlab", *PACKAGE.glob("lib/normlab/*.so"), *PACKAGE.glob("shared/*.so*")]

    @unittest.skipUnless(shutil.which("ldd"), "ldd is not there")
    def test_needs_the_runtime_alone(self):
        self.assertGreater(len(self.files()), 3)
        for file in self.files():
            listed = subprocess.run(["ldd", str(file)], text=True, capture_output=True, check=True).stdout
            for line in listed.splitlines():
                name = line.split()[0].split("/")[-1]
                with self.subTest(file=file.name, line=line.strip()):
                    inside = "=>" in line and pathlib.Path(line.split("=>")[1].split()[0]).resolve().is_relative_to(PACKAGE.resolve())
                    self.assertTrue(RUNTIME.match(name) or inside)

    def test_the_program_runs(self):
        for command in ([sys.executable, "-m", "normlab"], [str(PACKAGE / "bin" / "normlab")]):
            self.assertIn("layer_norm", subprocess.run([*command, "list"], text=True, capture_output=True, check=True).stdout)
        faulty = subprocess.run([str(PACKAGE / "bin" / "normlab"), "verify", "--plugin", str(PACKAGE / "lib/normlab/faulty.so"), "--tier", "smoke",
                                 "--variant", "layer_norm", "--check", "accuracy"], text=True, capture_output=True)
        self.assertNotIn("cannot open shared object", faulty.stderr + faulty.stdout)


if __name__ == "__main__":
    unittest.main()
