"""The Content-Security-Policy of a page, read off the page itself.

A policy that lets a documentation page work is usually one with `'unsafe-inline'`, which lets anything else run as well
that gets into the page: a description in the API's document that is rendered as HTML, say. Here the page is asked what
it consists of. A script that it loads is allowed by its address, one that it contains by its hash (CSP Level 3, section
2.3.1), and nothing that comes later is.

Styles are allowed inline: Swagger UI and ReDoc make style elements and attributes while they run, and take no nonce.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from html.parser import HTMLParser
from urllib.parse import urlsplit

_GOOGLE_FONTS = "fonts.googleapis.com"
_FILES_OF_GOOGLE_FONTS = "https://fonts.gstatic.com"
_NOT_IN_A_SOURCE = str.maketrans({";": "%3B", ",": "%2C", " ": "%20"})


def page_policy(html: str, *, connect: Iterable[str] = ()) -> str:
    """The policy under which a page of HTML runs its own scripts, and no others.

    Args:
        html: The page, as it is sent.
        connect: Origins that its scripts may call besides the page's own, such as that of another server in the
            document's `servers`.
    """
    page = _Page()
    page.feed(html)
    page.close()
    fonts = [_FILES_OF_GOOGLE_FONTS] if any(_GOOGLE_FONTS in source for source in page.styles) else []
    directives: Mapping[str, Iterable[str]] = {
        "default-src": ["'none'"],
        "script-src": [*page.scripts, *map(_hash, page.inline)] or ["'none'"],
        "style-src": [*page.styles, "'unsafe-inline'"],
        "img-src": ["'self'", "data:", *page.images],
        "font-src": ["'self'", "data:", *fonts],
        "connect-src": ["'self'", *connect],
        "worker-src": ["blob:"],  # ReDoc's search
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
    return "; ".join(f"{name} {' '.join(dict.fromkeys(sources))}" for name, sources in directives.items())


class _Page(HTMLParser):
    """What a page is made of: the sources of its scripts, styles and icons, and the scripts in it."""

    def __init__(self) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.images: list[str] = []
        self.inline: list[str] = []
        self._inside_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "script":
            source = given.get("src")
            self._inside_script = not source
            if source:
                self.scripts.append(_source(source))
            else:
                self.inline.append("")
        elif tag == "link" and (address := given.get("href")):
            kinds = (given.get("rel") or "").lower().split()
            if "stylesheet" in kinds:
                self.styles.append(_source(address))
            elif "icon" in kinds:
                self.images.append(_source(address))

    def handle_data(self, data: str) -> None:
        if self._inside_script:
            self.inline[-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._inside_script = False


def _source(address: str) -> str:
    """The address as a source expression: without query and fragment, which those cannot have."""
    parts = urlsplit(address)
    if not parts.netloc:
        return "'self'"
    return f"{parts.scheme or 'https'}://{parts.netloc}{parts.path}".translate(_NOT_IN_A_SOURCE)


def _hash(script: str) -> str:
    # Browsers normalise the ends of lines before they hash.
    text = script.replace("\r\n", "\n").replace("\r", "\n")
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
