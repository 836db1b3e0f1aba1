"""13.6.7 The guard: a small process that runs decoders, holds them to their limits, and ends all that they start.

It is run as a program of its own, one for every vector that is decoded at the same time, so that it can be
the parent of whatever a decoder leaves behind (PR_SET_CHILD_SUBREAPER): a process that has left its group,
its session and its parent is still a descendant here. It uses the standard library alone and imports nothing
of refsw, since it starts often. Where the system has no /proc, it ends the decoder's process group alone.

One JSON object a line in and out; see `serve`. The end of its input ends the decoder and the guard.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
KEPT_TEXT = 4096
LONGEST_REPLY = 1 << 20
SLOWEST_POLL = 0.05
PAGE = resource.getpagesize()
PATIENCE = 10.0


def processes() -> dict[int, tuple[int, str, int]]:
    """Process id -> (parent, state, resident bytes) of every process, as /proc tells."""
    found = {}
    try:
        names = os.listdir("/proc")
    except OSError:
        return {}
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        found[int(name)] = (int(fields[1]), fields[0].decode(), int(fields[21]) * PAGE)
    return found


def descendants(table: dict[int, tuple[int, str, int]], root: int) -> list[int]:
    """Every process below `root` that is not yet over."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _, _) in table.items():
        children.setdefault(parent, []).append(pid)
    found, waiting = [], list(children.get(root, []))
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        if table[pid][1] not in "ZX":
            found.append(pid)
    return found


def folder_bytes(path: str) -> int:
    """What the files of a folder amount to, by their length."""
    total = 0
    waiting = [path]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total


class Text:
    """The first and the last bytes of what a decoder says; the rest is read and forgotten."""

    def __init__(self) -> None:
        self.head, self.tail, self.dropped = b"", b"", 0

    def add(self, data: bytes) -> None:
        """Take more of it."""
        room = KEPT_TEXT - len(self.head)
        self.head += data[:room]
        rest = self.tail + data[room:] if room < len(data) else self.tail
        self.dropped += max(0, len(rest) - KEPT_TEXT)
        self.tail = rest[-KEPT_TEXT:]

    def __str__(self) -> str:
        gap = f"\n[... {self.dropped} bytes left out ...]\n".encode() if self.dropped else b""
        return (self.head + gap + self.tail).decode("utf-8", "replace")


class Guard:
    """One decoder at a time, and everything that it starts."""

    def __init__(self) -> None:
        self.me = os.getpid()
        self.child: subprocess.Popen[bytes] | None = None
        self.status: int | None = None
        self.peak = 0
        self.text = Text()
        self.reply = b""
        self.ready: dict[str, Any] = {}
        self.wake, write = os.pipe()
        os.set_blocking(self.wake, False)
        os.set_blocking(write, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    # --- one request ---

    def run(self, request: dict[str, Any]) -> dict[str, Any]:
        """Decode one vector, within its limits."""
        line = request.get("ask")
        stopped = None
        if line is not None and self.child is not None:
            self.reply = b""
            self.drain()
            self.reap()
            if self.reply or self.status is not None:  # what it says after its last answer makes the next one unsure
                self.clean(keep=False)
        self.text, self.reply, self.peak = Text(), b"", 0
        started = time.monotonic()
        if self.child is None or self.status is not None:
            try:
                self.start(request, talks=line is not None)
            except OSError as error:
                return {"error": f"{request['argv'][0]}: {error.strerror or error}"}
            if line is not None:
                if self.watch(request, request["start_seconds"]) or self.status is not None or not ready(self.reply):
                    stopped = "start"
                self.ready = told(self.reply)
                self.reply, started = b"", time.monotonic()
        if line and stopped is None and self.status is None:
            self.ask(line, request["output"])
        if line != "" and stopped is None and self.status is None:
            stopped = self.watch(request, request["seconds"])
        seconds = time.monotonic() - started
        self.drain()
        if stopped is None and self.status is None and line and not answered(self.reply):
            stopped = "protocol"  # what else it may say would be taken for its next answer
        if stopped is None and folder_bytes(request["folder"]) > request["output"]:
            stopped = "output"
        if stopped is None and self.peak > request["memory"]:
            stopped = "memory"
        left = self.clean(keep=line is not None and stopped is None and self.status is None)
        if stopped is not None or self.status is not None:
            self.drain()
        status = self.status
        code = None if status is None else os.waitstatus_to_exitcode(status)
        if code == -signal.SIGXFSZ:
            stopped = stopped or "output"
        return {
            "exit": code if code is not None and code >= 0 else None,
            "signal": -code if code is not None and code < 0 else None,
            "stopped": stopped,
            "seconds": seconds,
            "peak": self.peak,
            "text": str(self.text),
            "left": left,
            "ready": self.ready,
            "reply": self.reply.split(b"\n")[0].decode("utf-8", "replace") if b"\n" in self.reply else None,
        }

    def start(self, request: dict[str, Any], *, talks: bool) -> None:
        """Start the program of a request; with `talks`, one that answers on its standard output."""
        self.close()

        def prepare() -> None:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["output"], resource.RLIM_INFINITY))
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)

        self.status = None
        self.child = subprocess.Popen(
            request["argv"],
            cwd=request["cwd"],
            env=request["env"],
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if talks else subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=prepare,  # there are no threads here
        )
        for pipe in (self.child.stdout, self.child.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)

    def ask(self, line: str, output: int) -> None:
        """Give a line to a process that talks."""
        assert self.child is not None
        assert self.child.stdin is not None
        try:
            if hasattr(resource, "prlimit"):
                resource.prlimit(self.child.pid, resource.RLIMIT_FSIZE, (output, resource.RLIM_INFINITY))
            os.write(self.child.stdin.fileno(), line.encode() + b"\n")
        except OSError:
            return  # it has ended, as will be seen

    def watch(self, request: dict[str, Any], seconds: float) -> str | None:
        """Wait for the end of the decoder or for a line of its standard output; why it has to be stopped, or None."""
        talks = request.get("ask") is not None
        deadline = time.monotonic() + seconds
        pause = SLOWEST_POLL / 8
        check = time.monotonic() + pause
        while True:
            self.listen(max(0.0, min(check, deadline) - time.monotonic()))
            self.reap()
            if self.status is not None or (talks and b"\n" in self.reply):
                return None
            if talks and len(self.reply) > LONGEST_REPLY:
                return "protocol"
            now = time.monotonic()
            if now >= check:
                pause = min(2 * pause, SLOWEST_POLL)
                if self.memory() > request["memory"]:
                    return "memory"
                if folder_bytes(request["folder"]) > request["output"]:
                    return "output"
                check = time.monotonic() + pause
            if now >= deadline:
                return "time"

    def listen(self, seconds: float) -> None:
        """Take what has come, or wait for something to come."""
        poll = select.poll()
        poll.register(0, select.POLLIN)
        poll.register(self.wake, select.POLLIN)
        for pipe in self.pipes():
            poll.register(pipe, select.POLLIN)
        for place, _ in poll.poll(1000 * seconds):
            if place == 0:
                if not os.read(0, 1):
                    self.leave()
            elif place == self.wake:
                os.read(self.wake, 4096)
            else:
                self.take(place)

    def pipes(self) -> list[int]:
        """The open pipes from the decoder."""
        child = self.child
        return [p.fileno() for p in (child.stdout, child.stderr) if p is not None and not p.closed] if child else []

    def take(self, place: int) -> bool:
        """Read from a pipe of the decoder; whether there may be more."""
        assert self.child is not None
        try:
            data = os.read(place, 1 << 16)
        except BlockingIOError:
            return False
        out = self.child.stdout
        if self.child.stdin is not None and out is not None and not out.closed and place == out.fileno():
            self.reply += data
        else:
            self.text.add(data)
        if not data:
            for pipe in (self.child.stdout, self.child.stderr):
                if pipe is not None and not pipe.closed and pipe.fileno() == place:
                    pipe.close()
        return bool(data)

    def drain(self) -> None:
        """What the pipes still hold, no more than a pipe can hold."""
        for place in self.pipes():
            for _ in range(64):
                if not self.take(place):
                    break

    # --- processes ---

    def reap(self) -> bool:
        """Take the status of every child that has ended; whether there are children left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if self.child is not None and pid == self.child.pid:
                self.status = status
                self.child.returncode = os.waitstatus_to_exitcode(status)
            self.peak = max(self.peak, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))

    def memory(self) -> int:
        """Resident bytes of the whole tree now."""
        table = processes()
        now = sum(table[pid][2] for pid in descendants(table, self.me))
        self.peak = max(self.peak, now)
        return now

    def clean(self, *, keep: bool) -> int:
        """End every descendant (with `keep`, those alone that the worker has abandoned); how many were left over."""
        self.reap()
        kept = self.child.pid if keep and self.child is not None else 0
        left: set[int] = set()
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            table = processes()
            own = {kept, *descendants(table, kept)} if kept else set()
            self.peak = max(self.peak, sum(table[pid][2] for pid in own if pid in table))
            pids = [pid for pid in descendants(table, self.me) if pid not in own]
            if self.child is not None and self.status is None and not kept and not table:
                pids = [-self.child.pid]  # no /proc: its process group
            left |= {pid for pid in pids if self.child is None or pid != self.child.pid}
            # First all are stopped, so that none can start another while they are ended.
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in pids:
                    try:
                        os.kill(pid, number)
                    except OSError:
                        continue
            if not self.reap() or (not pids and kept):
                break
            time.sleep(0.001)
        return len(left)

    def close(self) -> None:
        """Forget a decoder that has ended."""
        if self.child is not None:
            for pipe in (self.child.stdin, self.child.stdout, self.child.stderr):
                if pipe is not None and not pipe.closed:
                    pipe.close()
        self.child = None

    def leave(self) -> None:
        """The runner is gone, or has no more work."""
        self.clean(keep=False)
        os._exit(0)

    def serve(self) -> None:
        """Answer requests from standard input until it ends.

        A request has argv, env, cwd, folder (whose files count as output), seconds, memory and output in bytes;
        for a process that talks, also ask, the line to give it, or "" only to start it, and start_seconds.
        """
        data = b""
        while True:
            while b"\n" not in data:
                part = os.read(0, 1 << 16)
                if not part:
                    self.leave()
                data += part
            line, _, data = data.partition(b"\n")
            answer = self.run(json.loads(line))
            os.write(1, json.dumps(answer).encode() + b"\n")


def told(data: bytes) -> dict[str, Any]:
    """The one line of JSON that a process has said; nothing if it is anything else."""
    line, _, rest = data.partition(b"\n")
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) and not rest else {}


def ready(data: bytes) -> bool:
    """Whether a process has told that it is ready."""
    return told(data).get("ready") is True


def answered(data: bytes) -> bool:
    """Whether a process has answered."""
    code = told(data).get("exit")
    return type(code) is int and 0 <= code <= 255


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the runner decides
    Guard().serve()
