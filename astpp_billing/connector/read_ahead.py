"""Reading ahead: a thread reads what comes next while what came before is put away."""

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")


class _End(NamedTuple):
    """Stands in the queue behind the last item."""

    error: Exception | None
    """what reading raised"""


_Waiting = queue.Queue[Item | _End]


@contextlib.contextmanager
def read_ahead(items: Iterator[Item], depth: int) -> Iterator[Iterator[Item]]:
    """Give an iterator over items that a thread reads before they are asked for.

    What reading raises is raised by the iterator, after the items that came before. When the block
    is left early, the thread stops at its next item.

    :param items: iterator; the thread uses it and all that it reads from, so nobody else may until the block is left
    :param depth: how many items may wait
    """
    waiting: _Waiting[Item] = queue.Queue(depth)
    left = threading.Event()
    thread = threading.Thread(target=_read, args=(items, waiting, left), name="astpp-read-ahead", daemon=True)
    thread.start()
    try:
        yield _take(waiting)
    finally:
        left.set()
        while thread.is_alive():
            # It may be waiting for a place to put its item.
            with contextlib.suppress(queue.Empty):
                waiting.get(timeout=0.05)


def _read(items: Iterator[Item], waiting: _Waiting[Item], left: threading.Event) -> None:
    end = _End(RuntimeError("reading ahead ended in the middle"))
    try:
        for item in items:
            waiting.put(item)
            if left.is_set():
                return
        end = _End(None)
    except Exception as error:
        # Raised again by the iterator, in the other thread.
        end = _End(error)
    finally:
        waiting.put(end)


def _take(waiting: _Waiting[Item]) -> Iterator[Item]:
    while not isinstance(item := waiting.get(), _End):
        yield item
    if item.error:
        raise item.error
