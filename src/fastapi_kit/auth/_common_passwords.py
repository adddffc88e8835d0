"""The passwords that are tried first: a file beside this module, read when it is first asked."""

from functools import cache
from importlib.resources import files


class _CommonPasswords:
    """Answers `in`, for text in lower case."""

    def __contains__(self, password: object) -> bool:
        return password in _read()


COMMON_PASSWORDS = _CommonPasswords()


@cache
def _read() -> frozenset[str]:
    text = files("fastapi_kit.auth").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))
