"""Values that are computed once make no thread and no forked process wait."""

from __future__ import annotations

import threading

from refsw.lazy import lazy


class Slow:
    def __init__(self, begun: threading.Event | None = None, go: threading.Event | None = None) -> None:
        self.begun, self.go, self.count = begun, go, 0

    @lazy
    def value(self) -> int:
        self.count += 1
        if self.begun and self.go:
            self.begun.set()
            self.go.wait()
        return 5


def test_an_object_does_not_wait_for_another() -> None:
    begun, go = threading.Event(), threading.Event()
    slow, quick = Slow(begun, go), Slow()
    thread = threading.Thread(target=lambda: slow.value, daemon=True)
    thread.start()
    begun.wait()
    assert (quick.value, quick.value, quick.count) == (5, 5, 1)
    go.set()
    thread.join()
    assert (slow.value, slow.count) == (5, 1)
