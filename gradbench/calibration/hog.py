"""A busy process: run by path, it imports nothing heavy and ends with the process that began it.

python hog.py PARENT
"""

import os
import sys

_BYTES = 1 << 23


def _hog(parent: int) -> None:
    """Count and copy memory until the parent is gone: a core's time, and its share of the caches.

    Args:
        parent: Process id of who began it.
    """
    source, target = bytearray(_BYTES), bytearray(_BYTES)
    while os.getppid() == parent:
        for _ in range(10):
            target[:] = source
            sum(range(20_000))


if __name__ == "__main__":
    _hog(int(sys.argv[1]))
