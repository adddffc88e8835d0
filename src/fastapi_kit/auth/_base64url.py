"""Base64url without padding (RFC 7515, section 2), where each value has one text.

Python's decoders take several texts for the same bytes: junk between the letters, the other alphabet, padding or none,
and bits left over in the last letter. Two texts of one signature would be two tokens that a list of revoked tokens
tells apart, so all but the canonical text is refused.
"""

import binascii

_TO_URL = bytes.maketrans(b"+/", b"-_")
_FROM_URL = bytes.maketrans(b"-_+/=", b"+/!!!")
"""The other alphabet and padding become what no decoder takes."""
_PADDING = (b"", None, b"==", b"=")
_LAST = (None, b"", b"AQgw", b"AEIMQUYcgkosw048")
"""The letters whose left-over bits are zero, by the length of the text modulo four."""


def encode(raw: bytes) -> str:
    """The text of these bytes."""
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The bytes of a text.

    Raises:
        ValueError: `encode` gives no such text.
    """
    letters = text.encode("ascii")
    rest = len(letters) & 3
    padding, last = _PADDING[rest], _LAST[rest]
    if padding is None or (last is not None and letters[-1] not in last):
        raise ValueError("not canonical base64url")
    return binascii.a2b_base64(letters.translate(_FROM_URL) + padding, strict_mode=True)
