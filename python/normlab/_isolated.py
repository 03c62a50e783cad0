"""check(isolate=True): the function in a child process, whose end is a finding and not that of the caller."""
from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import os
import pickle
import resource
import signal
import sys
import tempfile
import threading
import time
import warnings
from typing import Any

from normlab._arrays import framework_of
from normlab._function import _HERE, Judged

MOST_DEATHS = 25
"""In a row; then the function is given up. One that took too long counts as five."""
_TOO_LONG = 5


class Isolated:
    """Is called as Judged is, and has a child process call that one. A child is started where there is none.

    fork needs no pickling, so a lambda or a closure is judged, too. What has threads or a device's context of its own does
    not survive a fork: JAX, and a framework on CUDA. They get a new interpreter (spawn).
    """

    def __init__(self, judged: Judged, how: bool | str, seconds: float) -> None:
        if how not in (True, "fork", "spawn"):
            raise ValueError(f"isolate={how!r}; True, False, 'fork' and 'spawn' are accepted")
        if not seconds > 0:
            raise ValueError(f"timeout={seconds!r}; seconds above 0 are accepted")
        framework = judged.framework
        device = str(getattr(framework, "device", "cpu"))
        of_its_own = framework.name not in ("numpy", "torch") or not device.startswith("cpu")
        self._method = how if isinstance(how, str) else "spawn" if of_its_own else "fork"
        self._judged, self._seconds = judged, seconds
        self._payload: Any = judged
        if self._method == "spawn":
            state = judged.__dict__ | {"framework": (framework.name, None if framework.name == "numpy" else device)}
            try:
                self._payload = pickle.dumps(state)
            except Exception as error:
                raise TypeError(f"{judged.signature.name} cannot be sent to a new process ({error}); a function at the top of a "
                                "module is accepted, or with isolate='fork' any") from None
        self._dump = tempfile.NamedTemporaryFile(prefix="normlab-", mode="r")   # where the child says where it died
        self._lock = threading.Lock()   # one check calls from several threads
        self._process: Any = None
        self._connection: Any = None
        self._deaths = 0

    def __call__(self, what: str, given: dict[str, Any]) -> dict[str, Any] | str:
        with self._lock:
            if self._deaths >= MOST_DEATHS:
                return {"declined": f"given up: its process ended {MOST_DEATHS} times in a row (as five counts one that took too long)"}
            if self._process is None:
                self._start()
            try:
                self._connection.send((what, given))
                if not self._answers():
                    self._deaths += _TOO_LONG
                    return {"time": f"{self._judged.signature.name} took more than {self._seconds:g} s{self._where()}"}
                result, changed, tracebacks = self._connection.recv()
            except (EOFError, ConnectionError):
                self._deaths += 1
                return {"process": f"the process of {self._judged.signature.name} {self._end()}{self._where()}"}
        self._deaths = 0
        known = {text.rstrip().rsplit("\n", 1)[-1].split(":")[0] for text in self._judged.tracebacks}
        self._judged.tracebacks += [t for t in tracebacks if t.rstrip().rsplit("\n", 1)[-1].split(":")[0] not in known]
        for name, value in changed.items():   # so that it is noticed
            given[name][0][:] = value
        if isinstance(result, BaseException):
            raise result
        return result

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None
        self._dump.close()

    def _start(self) -> None:
        context = multiprocessing.get_context(self._method)
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, self._connection if self._method == "fork" else None,
                                                             self._payload, self._dump.name), daemon=True)
        with warnings.catch_warnings():   # that this process has threads: they are not those of the function
            warnings.simplefilter("ignore", DeprecationWarning)
            self._process.start()
        theirs.close()
        if self._method == "spawn":   # importing a framework is none of a call's time
            self._connection.recv()

    def _answers(self) -> bool:
        """Waits for the answer, or for the end of the process; False: neither came in time. That is time in which the
        process ran or slept: what it waited for a processor is not its own."""
        spent, last, ran = 0.0, time.monotonic(), None
        while spent < self._seconds:
            if self._connection.poll(min(0.1, self._seconds - spent)):
                return True
            now = time.monotonic()
            state, processor = _looked_at(self._process.pid)
            waited = ran is not None and state == "R" and processor - ran < 0.5 * (now - last)
            spent += processor - ran if waited and ran is not None else now - last
            last, ran = now, processor
        os.kill(self._process.pid, signal.SIGABRT)   # faulthandler says where it is
        self._process.join(1)
        self._end()
        return False

    def _end(self) -> str:
        self._process.join(1)
        if self._process.exitcode is None:   # it closed the connection and goes on
            self._process.kill()
            self._process.join()
        code = self._process.exitcode
        self._connection.close()
        self._process = None
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"

    def _where(self) -> str:
        """The last place in Python, as faulthandler left it."""
        self._dump.seek(0)
        text = self._dump.read()
        os.truncate(self._dump.name, 0)
        places = [line.strip() for line in text.splitlines() if line.startswith('  File "') and _HERE not in line]
        if not places:
            return ""
        if not any("Fatal Python error" in t for t in self._judged.tracebacks):
            self._judged.tracebacks.append(text)
        file, line, function = places[0][len('File "'):].replace('", line ', "\n").replace(" in ", "\n").split("\n")[:3]
        return f" ({file.rsplit('/', 1)[-1]}:{line}, in {function})"


def _looked_at(pid: int) -> tuple[str, float]:
    """The state of a process ("R": it runs, or would if a processor were free), and the seconds that it ran."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:   # it has just ended, or there is no /proc
        return "S", 0.0
    return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _serve(connection: Any, theirs: Any, payload: Any, dump: str) -> None:
    if theirs is not None:
        theirs.close()   # or the end of the caller's process would not be seen
    signal.signal(signal.SIGINT, signal.SIG_IGN)   # Ctrl-C is the caller's
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open(dump, "a") as file:
        faulthandler.enable(file, all_threads=False)
        if isinstance(payload, bytes):
            state = pickle.loads(payload)
            judged = Judged.__new__(Judged)
            name, device = state["framework"]
            judged.__dict__.update(state | {"framework": framework_of(state["function"], name, device)})
            connection.send("ready")
        else:
            judged = payload
        judged.tracebacks = []
        if judged.framework.name == "torch":   # the threads of the caller's pool are not here
            sys.modules["torch"].set_num_threads(1)
        while True:
            try:
                what, given = connection.recv()
            except EOFError:
                return
            before = {name: bytes(value[0]) for name, value in given.items() if _is_array(value)}
            result: Any
            try:
                result = judged(what, given)
            except KeyboardInterrupt:
                result = KeyboardInterrupt()
            except SystemExit as error:
                result = {"process": f"{judged.signature.name} called sys.exit({error.code!r})"}
            changed = {name: bytes(given[name][0]) for name, value in before.items() if given[name][0] != value}
            for stream in (sys.stdout, sys.stderr):   # what it printed is not lost with it
                with contextlib.suppress(Exception):
                    stream.flush()
            connection.send((result, changed, judged.tracebacks))
            judged.tracebacks = []


def _is_array(value: Any) -> bool:
    return type(value) is tuple and type(value[0]) is bytearray
