"""Threads and processes that a program leaves running where it is ended early."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time

GRACE_S = 3.0
"""How long they may take to end by themselves."""


def end_what_is_left(status: int) -> None:
    """Let this process end, although a thread or process of the program waits for more to do.

    Nothing happens before the main thread has ended, nor where all end by themselves.

    Args:
        status: The exit status.
    """
    main = threading.main_thread()
    threads = [each for each in threading.enumerate() if each is not main and not each.daemon]
    if not threads and not multiprocessing.active_children():
        return

    def end() -> None:
        main.join()
        time.sleep(GRACE_S)
        for child in multiprocessing.active_children():
            child.terminate()
        os._exit(status)

    threading.Thread(target=end, name="gradbench end", daemon=True).start()
