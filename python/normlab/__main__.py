"""`python -m normlab verify ...` and the command `normlab`: the program that the package carries."""
import os
import pathlib
import sys


def main() -> None:
    program = pathlib.Path(__file__).parent / "bin" / "normlab"
    if not program.exists():
        sys.exit(f"{program} is not there: this copy of the package was not installed; pip install . makes one that has the program")
    os.environ.setdefault("NORMLAB_COMMAND", "normlab")   # how rerun lines begin
    os.execv(program, [str(program), *sys.argv[1:]])


if __name__ == "__main__":
    main()
