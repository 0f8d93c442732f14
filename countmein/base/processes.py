"""How a child process is tied to the life of the process that started it."""

import ctypes
import os
import signal
import sys
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(*, by: signal.Signals) -> Callable[[], None]:
    """Answer a `preexec_fn` that has the kernel send `by` to the child when its parent is gone.

    The kernel watches the *thread* that started the child, so call Popen from a thread that
    lives as long as the process. Elsewhere than on Linux the function does nothing.
    """
    if sys.platform != "linux":
        return lambda: None
    # Looked up before the fork: between fork and exec nothing may be imported.
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def tie() -> None:
        prctl(_PR_SET_PDEATHSIG, int(by), 0, 0, 0)
        # The parent may have died before the call above; then no signal would ever come.
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return tie
