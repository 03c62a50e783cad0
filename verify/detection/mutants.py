#!/usr/bin/env python3
"""Mutation score of verify: how many small changes of a right kernel it notices.

    ./dev mutants                     the kernels of norms/examples
    ./dev mutants my.c my.cpp         kernels of yours: plug-ins of norms/plugin.h, one file each
    ./dev mutants norms/cpu/run.hpp   a header of our CPU kernels; as_plugin.cpp beside it makes a plug-in of them

Each mutant is the kernel with one change: an operator, a comparison, a bound, a constant, a condition, or a statement
that is left out. It is built as its file's first lines say and goes through `verify --fail-fast`. A mutant is killed if
a check fails. One that builds to the same machine code as the kernel is no mutant, and is not run. Survivors are
printed with their line; those that compute the same although their code differs stand, with the reason, in
equivalent_mutants.txt. What takes part: all functions but `supports`, `destroy` and the table at the end.
"""
import argparse
import collections
import concurrent.futures
import json
import os
import pathlib
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
EXAMPLES = [ROOT / "norms/examples/layer_norm.c", ROOT / "norms/examples/layer_norm.cpp"]
CPU = ROOT / "norms/cpu"
# What the kernels of norms/cpu need of the library and is not changed; compiled once.
UNCHANGED = ["geometry", "names", "quad", "running_stats", "spec"]
# The kernels serve everything, and a survivor would take minutes. These reach the row, slab and column kernel, and State;
# both variants remove the mean, so what shows only where it stays needs others (after --).
CPU_ARGUMENTS = ["--variant", "layer_norm,batch_renorm", "--dtype", "f64,f32"]

TOKEN = re.compile(
    r"(?P<skip>//[^\n]*|/\*.*?\*/|^[ \t]*#[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|\s+)"
    r"|(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fFuUlL]*)"
    r"|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<operator><<=|>>=|->|\+\+|--|&&|\|\||[-+*/%<>=!&|^]=|<<|>>|::|[-+*/%<>=!&|^~?:;,.(){}\[\]])",
    re.DOTALL | re.MULTILINE)

SWAPS = {"+": ["-"], "-": ["+"], "*": ["/"], "/": ["*"], "%": ["/"], "+=": ["-=", "="], "-=": ["+=", "="],
         "*=": ["/=", "="], "/=": ["*=", "="], "<": ["<=", ">"], ">": [">=", "<"], "<=": ["<", ">"], ">=": [">", "<"],
         "==": ["!="], "!=": ["=="], "&&": ["||"], "||": ["&&"], "!": [""], "?": ["&& 0 ?", "|| 1 ?"]}
KINDS = {**dict.fromkeys(["+", "-", "*", "/", "%", "+=", "-=", "*=", "/="], "arithmetic"),
         **dict.fromkeys(["<", ">", "<=", ">=", "==", "!="], "comparison"),
         **dict.fromkeys(["&&", "||", "!", "?"], "condition")}
NOT_DELETED = set("return const double float int int64_t static struct for if while do break continue using template "
                  "typename auto case default goto T bool char void size_t std".split())

Token = collections.namedtuple("Token", "kind text begin end")
Mutant = collections.namedtuple("Mutant", "kind begin end text")


def tokens_of(source):
    """Tokens without comments, preprocessor lines and strings; a string counts as one word."""
    tokens, at = [], 0
    while at < len(source):
        match = TOKEN.match(source, at)
        if not match:
            at += 1
            continue
        if match.lastgroup != "skip" or match.group()[0] in "\"'":
            kind = "word" if match.lastgroup == "skip" else match.lastgroup
            tokens.append(Token(kind, match.group(), match.start(), match.end()))
        at = match.end()
    return tokens


def end_of_group(tokens, i, opening, closing):
    """The index behind what `opening` at or after i opens."""
    depth = 0
    while i < len(tokens):
        depth += (tokens[i].text == opening) - (tokens[i].text == closing)
        i += 1
        if depth == 0 and tokens[i - 1].text == closing:
            return i
    return i


def taking_part(tokens):
    """Without the functions that only say what the kernel is."""
    kept, i = [], 0
    while i < len(tokens):
        if tokens[i].text == "normlab_plugin_entry":
            break
        if tokens[i].text in ("supports", "destroy") and i + 1 < len(tokens) and tokens[i + 1].text == "(":
            i = end_of_group(tokens, i, "{", "}")
            continue
        kept.append(tokens[i])
        i += 1
    return kept


def bounds(tokens):
    """The condition of a loop one short: `k < m` becomes `k + 1 < m`."""
    for i, token in enumerate(tokens):
        if token.text != "for":
            continue
        end, clause = end_of_group(tokens, i, "(", ")"), 0
        for t in tokens[i:end]:
            clause += t.text == ";"
            if clause == 1 and t.text == "<":
                yield Mutant("bound", t.begin, t.end, "+ 1 <")


def constants(tokens):
    for t in tokens:
        if t.kind == "number" and re.fullmatch(r"\d+", t.text):
            for value in {int(t.text) + 1, max(int(t.text) - 1, 0)} - {int(t.text)}:
                yield Mutant("constant", t.begin, t.end, str(value))
        elif t.kind == "number":
            yield Mutant("constant", t.begin, t.end, f"(2 * {t.text})")


def statements(tokens):
    """Each part, between commas, of a statement that is an expression, left out."""
    start, depth = 0, 0
    for i, t in enumerate(tokens):
        if t.text in "([":
            depth += 1
        elif t.text in ")]":
            depth -= 1
        if depth == 0 and t.text in (";", "{", "}"):
            part = tokens[start:i]
            while part and part[0].text in ("for", "if", "while", "else"):
                part = part[1:] if part[0].text == "else" else part[end_of_group(part, 0, "(", ")"):]
            if t.text == ";" and part and part[0].text not in NOT_DELETED:
                yield from parts_left_out(part)
            start = i + 1


def parts_left_out(tokens):
    first, depth = 0, 0
    for i, t in enumerate(tokens + [Token("operator", ",", tokens[-1].end, tokens[-1].end)]):
        depth += (t.text in "([{") - (t.text in ")]}")
        if depth == 0 and t.text == ",":
            part = tokens[first:i]
            if len(part) > 1:
                yield Mutant("statement", part[0].begin, part[-1].end, "(void)0")
            first = i + 1


def without_types(source, tokens):
    """No bracket of a template, no pointer, no reference: what has two operands has a space on either side."""
    spaced = lambda t: source[t.begin - 1].isspace() and source[t.end].isspace()
    return [t for t in tokens if t.text not in ("<", ">", "*", "&&") or spaced(t)]


def mutants_of(source, cxx):
    tokens = taking_part(tokens_of(source))
    if cxx:
        tokens = without_types(source, tokens)
    found = [Mutant(KINDS[t.text], t.begin, t.end, text) for t in tokens for text in SWAPS.get(t.text, [])]
    found += [*bounds(tokens), *constants(tokens), *statements(tokens)]
    return sorted(set(found), key=lambda m: (m.begin, m.end, m.text))


def compiler_of(source, folder):
    """The command that makes a plug-in of `source`, changed in folder, but for its output."""
    shared = ["-w", "-shared", "-fPIC"]
    if source.suffix == ".c":
        return [os.environ.get("CC", "cc"), "-O2", *shared, f"-I{ROOT / 'norms'}", folder / source.name, "-lm"]
    cxx = os.environ.get("CXX", "c++")
    if source.parent != CPU:
        return [cxx, "-std=c++17", "-O2", *shared, f"-I{ROOT / 'norms'}", folder / source.name, "-lm"]
    flags = ["-std=c++20", "-O1", "-w", "-fPIC", "-fopenmp", "-ffp-contract=off", "-fno-math-errno",
             "-fno-trapping-math", "-Wno-psabi", f"-I{folder}", f"-I{ROOT}"]
    objects = [folder / f"{name}.o" for name in UNCHANGED]
    for name, compiled in zip(UNCHANGED, objects):
        if not compiled.exists():
            subprocess.run([cxx, *flags, "-c", ROOT / f"norms/{name}.cpp", "-o", compiled], check=True)
    return [cxx, *flags, "-DNORMLAB_CPU_LEVEL=changed", "-shared", CPU / "as_plugin.cpp", *objects, "-lfmt"]


def build(source, text, folder):
    """The plug-in's path and its bytes, or None where the compiler refuses it."""
    file, library = folder / source.name, folder / "mutant.so"
    if source.parent == CPU:  # found before the one of the tree
        file = folder / "norms/cpu" / source.name
        file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    library.unlink(missing_ok=True)
    if subprocess.run([*compiler_of(source, folder), "-o", library], capture_output=True).returncode != 0:
        return None
    return library, library.read_bytes()


def verdict_of(program, library, arguments, folder, jobs):
    """What killed it: a check and its quantity, `crash`, `time`; or "" where it survived."""
    report = folder / "report.json"
    report.unlink(missing_ok=True)
    call = [program, "verify", "--plugin", library, "--fail-fast", "--quiet", "--allow-unresolved", "--json", report,
            "--threads", str(max(1, (os.cpu_count() or 1) // jobs))]
    done = subprocess.run([*call, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode == 0:
        return ""
    if not report.exists():
        return "crash" if done.returncode == 1 else "refused by the program"
    for outcome in json.loads(report.read_text())["findings"]:
        if outcome["verdict"] == "FAIL":
            return {"process": "crash", "time": "time"}.get(outcome["quantity"], outcome["check"])
    sys.exit(f"{library}: exit status {done.returncode} and no failure: {done.stdout}{done.stderr}")


def equivalents():
    """(file, mutated line) -> reason."""
    known = {}
    for line in (HERE / "equivalent_mutants.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            file, mutated, reason = (part.strip() for part in line.split(" | "))
            known[file, mutated] = reason
    return known


def line_of(text, at):
    begin = text.rfind("\n", 0, at) + 1
    return " ".join(text[begin:text.find("\n", at)].split()), text.count("\n", 0, at) + 1


def run(source, options, folder, table):
    text = source.read_text()
    folders = queue.SimpleQueue()  # one for each job: what is built lies in it
    for job in range(options.jobs):
        (folder / str(job)).mkdir(exist_ok=True)
        folders.put(folder / str(job))
    arguments = options.arguments or (CPU_ARGUMENTS if source.parent == CPU else [])
    results, known = {}, equivalents()

    def verdict(changed):
        """Of the kernel with this text, and whether there is anything to judge."""
        own = folders.get()
        try:
            built = build(source, changed, own)
            if not built:
                return "does not build"
            if built[1] not in results:
                results[built[1]] = verdict_of(options.program, built[0], arguments, own, options.jobs)
            return results[built[1]]
        finally:
            (own / "norms/cpu" / source.name).unlink(missing_ok=True)
            folders.put(own)

    if killed := verdict(text):
        sys.exit(f"{source} itself {killed}" if killed == "does not build" else
                 f"{source} itself does not pass verify ({killed}); a right kernel is needed")
    results = dict.fromkeys(results, "same code")
    found = mutants_of(text, source.suffix != ".c")
    made = len(found)
    if options.sample or options.minutes:
        found = random.Random(options.seed).sample(found, min(made, options.sample or made))
    end = time.monotonic() + 60 * (options.minutes or 1e9)

    def judged(m):
        mutated = text[:m.begin] + m.text + text[m.end:]
        line, number = line_of(mutated, m.begin)
        if time.monotonic() > end:
            return None
        result = verdict(mutated)
        if not result and known.get((source.name, line)):
            result = "equivalent"
        return source.name, m.kind, number, line, result or "survived"

    pool, done = concurrent.futures.ThreadPoolExecutor(options.jobs), 0
    try:
        for row in pool.map(judged, found):
            if row:
                table.append(row)
                done += 1
            if sys.stderr.isatty():
                print(f"\r\033[K{source.name}: {done}/{len(found)}", end="", file=sys.stderr)
    finally:
        pool.shutdown(cancel_futures=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if done < made:
        print(f"{source.name}: {done} of {made} mutants, drawn with seed {options.seed}")


def report(table):
    kinds = ["arithmetic", "comparison", "condition", "bound", "constant", "statement"]
    sorts = ["killed", "time", "equivalent", "survived"]
    judged = [row for row in table if row[4] not in ("does not build", "same code")]
    sort = lambda row: row[4] if row[4] in sorts else "killed"
    print("| kernel | change | " + " | ".join(sorts) + " |\n|---|---|" + "--:|" * len(sorts))
    for kernel in dict.fromkeys(row[0] for row in table):
        for kind in kinds:
            rows = [row for row in judged if row[:2] == (kernel, kind)]
            if rows:
                counts = collections.Counter(map(sort, rows))
                print(f"| {kernel} | {kind} | " + " | ".join(str(counts[s]) for s in sorts) + " |")
    by = collections.Counter(row[4] for row in judged if sort(row) == "killed")
    print("\nkilled by: " + ", ".join(f"{check} {n}" for check, n in by.most_common()))
    for name, _, number, line, result in judged:
        if result == "survived":
            print(f"survived: {name}:{number}: {line}")
    counts = collections.Counter(map(sort, judged))
    real = len(judged) - counts["equivalent"]
    print(f"mutants: {len(table)} made, {sum(row[4] == 'does not build' for row in table)} do not build, "
          f"{sum(row[4] == 'same code' for row in table)} give the same code, {counts['equivalent']} equivalent; of "
          f"{real} others {counts['killed'] + counts['time']} killed ({counts['time']} by time), "
          f"{counts['survived']} survived")
    return 1 if counts["survived"] else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", type=pathlib.Path, metavar="FILE",
                        help="default: those of norms/examples")
    parser.add_argument("--program", type=pathlib.Path, default=ROOT / "build/release/normlab", help="normlab")
    parser.add_argument("--json", type=pathlib.Path, help="write every mutant to this file, which is not there yet")
    parser.add_argument("--sample", type=int, metavar="N", help="N mutants of each file, drawn with --seed (1)")
    parser.add_argument("--minutes", type=float, metavar="M", help="no new mutant of a file after M minutes")
    parser.add_argument("--seed", type=int, default=1, metavar="S",
                        help="draws the order with --sample and --minutes (%(default)s)")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), metavar="J",
                        help="build and judge J at a time, each with its share of the processors (%(default)s)")
    parser.epilog = "What follows -- goes to verify, such as -- --check accuracy."
    given = sys.argv[1:]
    own = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:own])
    options.arguments = given[own + 1:]
    for file in options.sources:
        ours = file.suffix == ".hpp" and file.resolve().parent == CPU
        if not file.is_file() or not (ours or file.suffix in (".c", ".cpp", ".cc")):
            parser.error(f"{file}: a C or C++ file, or a header of norms/cpu, is accepted")
    for number in (options.sample, options.minutes, options.jobs):
        if number is not None and number <= 0:
            parser.error(f"{number}: a number above 0 is accepted")
    if options.json and options.json.exists():
        parser.error(f"--json {options.json} is there; a file that is not there is accepted")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # also where SIGINT is ignored, as in the background
    table, folder = [], pathlib.Path(tempfile.mkdtemp())
    try:
        for source in options.sources or EXAMPLES:
            run(source.resolve(), options, folder, table)
    except KeyboardInterrupt:
        print("interrupted; what is done so far:", file=sys.stderr)
        report(table)
        return 130
    finally:
        shutil.rmtree(folder)
    if options.json:
        columns = ("kernel", "change", "line", "text", "result")
        options.json.write_text(json.dumps([dict(zip(columns, row)) for row in table], indent=1) + "\n")
    return report(table)


if __name__ == "__main__":
    sys.exit(main())
