"""A process that can open nothing more."""

from __future__ import annotations

import gc
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_descriptors() -> Iterator[None]:
    """No file or socket can be opened by this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # What nobody uses any more would be closed at any moment, and leave a gap.
    gc.collect()
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
