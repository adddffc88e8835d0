"""Which pages of other origins may read this API: rules that are refused while they are unsafe or can never match."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

_DEFAULT_PORTS: Mapping[str, int] = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f:.]+")
_LABELS = r"(?:[a-z0-9_-]+\.)+"
_WILDCARD = "*."
_EXAMPLE = "write one such as 'https://app.example.com', in ASCII (punycode for other letters)."

_ESCAPES_AND_CLASSES = re.compile(r"\\.|\[\^?\]?[^\]]*\]")
_BARE_DOT = re.compile(r"\.(?![*+?{])")
# The literal text after the last part that repeats, if it begins within a name: `.*example\.com$`.
_ENDING = re.compile(r"[*+}]\)?([a-z0-9](?:[a-z0-9-]|\\\.)*)(?:\$|\\Z)$")

# No pattern that means somebody's own pages matches these.
_STRANGERS = (
    "null",
    "https://stranger.example",
    "http://stranger.example",
    "https://stranger.example:8443",
    "https://xn--strnger-bxa.test",
)


@dataclass(frozen=True, kw_only=True)
class CORS:
    """A CORS policy: `app.add_middleware(CORSMiddleware, policy=CORS(...))`.

    An origin is what a browser calls one: `https://app.example.com`, with a port where it is not the scheme's own.
    `https://*.example.com` stands for every subdomain at any depth, and not for `https://example.com`. `*` stands for
    all pages there are, and then credentials are not possible.

    Attributes:
        origins: Whose pages may read the answers.
        origin_regex: The same by a regular expression, from `^` to `$`, for what a wildcard cannot say.
        credentials: Whether those pages may send cookies and HTTP authentication. `Authorization` headers that their
            scripts set do not need it.
        methods: What they may do; all by default.
        headers: What they may send besides what is always allowed; all by default.
        expose: What their scripts may read of the answers besides what they always may.
        max_age: Seconds for which a browser need not ask again.

    Raises:
        ValueError: An origin or the expression is unsafe, or could never match what a browser sends. The message names
            the cure.
    """

    origins: Collection[str] = ()
    origin_regex: str | None = None
    credentials: bool = False
    methods: Collection[str] = ("*",)
    headers: Collection[str] = ("*",)
    expose: Collection[str] = ("ETag", "Link", "Location", "Retry-After", "X-Request-ID")
    max_age: int = 600

    def __post_init__(self) -> None:
        if isinstance(self.origins, str):
            raise ValueError(f"origins={self.origins!r} is one text: write a list of origins.")  # noqa: TRY004
        for origin in self.origins:
            if origin == "*":
                if self.credentials:
                    raise ValueError("The origin * with credentials lets every page act as the user: name the origins.")
            elif cure := _what_is_wrong_with(origin):
                raise ValueError(f"{origin!r} is no origin for CORS: {cure}")
        if self.origin_regex is not None and (cure := _what_is_wrong_with_regex(self.origin_regex)):
            raise ValueError(f"origin_regex={self.origin_regex!r} {cure}")

    def options(self) -> dict[str, Any]:
        """The arguments of `starlette.middleware.cors.CORSMiddleware`."""
        return {
            "allow_origins": [origin for origin in self.origins if _WILDCARD not in origin],
            "allow_origin_regex": "|".join(self._patterns()) or None,
            "allow_credentials": self.credentials,
            "allow_methods": list(self.methods),
            "allow_headers": list(self.headers),
            "expose_headers": list(self.expose),
            "max_age": self.max_age,
        }

    def _patterns(self) -> Iterator[str]:
        for origin in self.origins:
            scheme, wildcard, domain = origin.partition(_WILDCARD)
            if wildcard:
                yield f"(?:{re.escape(scheme)}{_LABELS}{re.escape(domain)})"
        if self.origin_regex is not None:
            yield f"(?:{self.origin_regex})"


def _what_is_wrong_with(origin: str) -> str | None:
    if origin == "null":
        return "sandboxed frames and local files have it, so anybody's page can. Serve the page from a host."
    scheme, wildcard, domain = origin.partition(_WILDCARD)
    try:
        parts = urlsplit(scheme + domain)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return _EXAMPLE
    if parts.scheme not in _DEFAULT_PORTS or not _HOST.fullmatch(host):
        return _EXAMPLE
    if wildcard and (not scheme.endswith("://") or "." not in host):
        return "a wildcard stands in front of a domain of two labels or more: 'https://*.example.com'."
    shown = f"[{host}]" if ":" in host else host
    suffix = "" if port in {None, _DEFAULT_PORTS[parts.scheme]} else f":{port}"
    sent = f"{parts.scheme}://{wildcard}{shown}{suffix}"
    return None if sent == origin else f"browsers send no path, slash or default port, and lower case. Write {sent!r}."


def _what_is_wrong_with_regex(pattern: str) -> str | None:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        return f"is no regular expression: {error}."
    bare = _ESCAPES_AND_CLASSES.sub("", pattern)
    if not pattern.startswith(("^", r"\A")) or not pattern.endswith(("$", r"\Z")) or _has_open_alternative(bare):
        return "is not anchored: begin it with ^, end it with $, and put alternatives into (?:...|...)."
    if _BARE_DOT.search(bare):
        return r"has a dot that stands for any character: write \. for a dot."
    if found := next(filter(compiled.fullmatch, _strangers(pattern)), None):
        return f"lets {found} in: say which domain, with the dot before it, or use origins=['*'] for everybody."
    return None


def _has_open_alternative(bare: str) -> bool:
    """Whether a `|` outside of parentheses leaves one end of each side without its anchor."""
    while (closed := re.sub(r"\([^()]*\)", "", bare)) != bare:
        bare = closed
    return "|" in bare


def _strangers(pattern: str) -> Iterator[str]:
    """Origins that no pattern for somebody's own pages matches; among them a domain that only ends like the pattern."""
    yield from _STRANGERS
    if ending := _ENDING.search(pattern):
        yield "https://stranger" + ending[1].replace("\\", "")
