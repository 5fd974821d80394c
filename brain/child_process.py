"""What a process that we start for ourselves does when we are gone."""

import ctypes
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)  # looked up here: between fork and exec nothing may be imported


def end_with_parent(by: signal.Signals) -> Callable[[], object] | None:
    """For ``preexec_fn``: have the kernel send the child a signal when its parent dies; None where no kernel does.

    It is called after the change of user, which would take the wish back (prctl(2), PR_SET_PDEATHSIG).
    """
    return (lambda: _libc.prctl(_PR_SET_PDEATHSIG, by)) if sys.platform == "linux" else None
