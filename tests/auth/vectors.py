"""The Wycheproof vectors: read from a folder beside the checkout's own, or where WYCHEPROOF_DIR says."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BESIDE = Path(__file__).parents[3] / "shared" / "vectors"


@dataclass(frozen=True)
class Vector:
    """A token, the keys of its group, and what is to be said of it."""

    number: int
    keys: tuple[Mapping[str, Any], ...]
    group: str
    comment: str
    token: str
    valid: bool


def vectors(name: str) -> Iterator[Vector]:
    """All vectors of a file; skips the test, visibly, where there is none."""
    folder = Path(os.environ.get("WYCHEPROOF_DIR", BESIDE))
    if not (folder / name).is_file():
        pytest.skip("no Wycheproof vectors: set WYCHEPROOF_DIR to the folder that has json_web_signature_test.json")
    for group in json.loads((folder / name).read_text())["testGroups"]:
        jwk = group.get("public") or group["private"]
        keys = tuple(jwk.get("keys", [jwk]))
        for test in group["tests"]:
            yield Vector(test["tcId"], keys, group["comment"], test["comment"], test["jws"], test["result"] == "valid")
