"""Reading ahead: a thread of its own reads while what was read is put away."""

import contextlib
import queue
import threading

_END = object()


@contextlib.contextmanager
def read_ahead(items, depth):
    """Yield an iterator over items that a thread reads before they are asked for.

    What reading raises is raised by the iterator, after the items that came before. When the block
    is left early, the thread stops at its next item.

    :param items: iterator; from here on the thread's alone, with all it reads from
    :param depth: how many items may wait
    """
    waiting = queue.Queue(depth)
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


def _read(items, waiting, left):
    end = (_END, RuntimeError("reading ahead ended in the middle"))
    try:
        for item in items:
            waiting.put((None, item))
            if left.is_set():
                return
        end = (_END, None)
    except Exception as error:
        # Its reader is on the other side of the queue.
        end = (_END, error)
    finally:
        waiting.put(end)


def _take(waiting):
    while True:
        mark, item = waiting.get()
        if mark is not _END:
            yield item
        elif item:
            raise item
        else:
            return
