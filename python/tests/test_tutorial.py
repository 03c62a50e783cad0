"""The blocks of docs/triton.md, run one after another: what they print is what the page says. Skipped without torch and triton."""
import contextlib
import importlib.util
import io
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs" / "triton.md"
_NUMBERS = r"-?\d+\.\d+(e[-+]?\d+)?|-?\d+e[-+]?\d+"   # sums in another order, seconds


def blocks(text):
    """(program, what the page says that it prints, or None)"""
    found = re.findall(r"^```(python)?\n(.*?)^```$", text, flags=re.S | re.M)
    return [(body, next((b for k, b in found[i + 1:i + 2] if not k), None)) for i, (kind, body) in enumerate(found) if kind]


def lines(text):
    return [re.sub(_NUMBERS, "#", line) for line in text.splitlines() if line.strip()]


def main():
    """In a process of its own: Triton looks when it is imported whether it is to interpret."""
    space, wrong = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for number, (program, says) in enumerate(blocks(PAGE.read_text())):
            file = pathlib.Path(folder, f"step{number}.py")   # Triton reads the source of a kernel
            file.write_text(program)
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(program, str(file), "exec"), space)
            rest = iter(lines(printed.getvalue()))
            for line in lines(says or ""):
                if line != "..." and line not in rest:   # in this order; ... stands for lines left out
                    wrong.append(f"step {number}: the page says\n  {line}\nprinted was\n" + printed.getvalue())
                    break
    print("\n".join(wrong) or "as the page says")
    return bool(wrong)


@unittest.skipUnless(importlib.util.find_spec("torch") and importlib.util.find_spec("triton"), "torch and triton are not installed")
class Tutorial(unittest.TestCase):
    def test_the_blocks_print_what_the_page_says(self):
        run = subprocess.run([sys.executable, __file__, "--run"], capture_output=True, text=True, timeout=900, env=os.environ | {"TRITON_INTERPRET": "1"})
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
        self.assertGreater(len(blocks(PAGE.read_text())), 8)


if __name__ == "__main__":
    sys.exit(main()) if "--run" in sys.argv else unittest.main()
