"""Lua scripts, known to the server by their hash."""

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Script:
    """Lua that the server runs in one round trip, and as one step: nothing else happens in between.

    It touches the keys that it is given and no others; with one key it runs on a cluster as it does on one server.

    Attributes:
        source: The Lua text, with `KEYS` and `ARGV`.
        sha: The SHA-1 of the text, by which the server knows it.
    """

    source: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest())
