"""The resident memory of this process, from Linux: what there is now, and the most that there has been.

`getrusage` has a peak as well, but one that cannot be set back and that a process inherits from whoever started it. The
kernel's `VmHWM` can be set back, by writing 5 to `clear_refs` (proc(5)), and belongs to this process alone.
"""

import gc
import re
from collections.abc import Callable
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def watch_growth() -> Callable[[], float | None]:
    """Begin to watch; the function given back tells by how many MB (10^6 bytes) memory has been above now, at its peak.

    It tells `None` where there is no such file: on systems other than Linux.
    """
    gc.collect()
    try:
        _CLEAR.write_text("5")
        before = _read("VmRSS")
    except OSError:
        return lambda: None
    return lambda: (_read("VmHWM") - before) / 1e6


def _read(name: str) -> int:
    """One of the sizes, in bytes."""
    match = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    if match is None:
        raise OSError(f"{_STATUS} has no {name}")
    return int(match[1]) * 1024
