"""One-time codes of an authenticator app: TOTP (RFC 6238) with the parameters that all of them know.

SHA-1, six digits and steps of 30 seconds: apps ignore others without saying so. SHA-1's collisions are of no use
against HMAC. A code is good in its own step and in its neighbours, as clocks differ and people type slowly (section
5.2), and once: the caller claims its step.
"""

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import struct
from urllib.parse import quote, urlencode

STEP = 30
"""Seconds."""
DIGITS = 6
WINDOW = 1
"""Steps before and after the present one whose codes are good."""

_SECRET_BYTES = 20
_CODE = re.compile(rf"[0-9]{{{DIGITS}}}")


def new_totp_secret() -> str:
    """160 random bits in base 32, as authenticator apps take them (RFC 4226, section 4)."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def totp_uri(secret: str, *, account: str, issuer: str) -> str:
    """What a QR code holds: `otpauth://totp/...`, which authenticator apps read."""
    label = quote(f"{issuer}:{account}", safe="")
    return f"otpauth://totp/{label}?" + urlencode({"secret": secret, "issuer": issuer})


def totp_code(secret: bytes, step: int, *, digits: int = DIGITS) -> str:
    """The code of a step: HOTP (RFC 4226, section 5.3) with the step as its counter."""
    mac = hmac.digest(secret, struct.pack(">Q", step), hashlib.sha1)
    offset = mac[-1] & 0xF
    (number,) = struct.unpack(">I", mac[offset : offset + 4])
    return f"{(number & 0x7FFFFFFF) % 10**digits:0{digits}}"


def matching_step(secret: str, code: str, now: float) -> int | None:
    """The step in which `code` is the secret's, near `now`; `None` if there is none.

    Args:
        secret: In base 32.
        code: What was typed.
        now: Seconds since 1970.
    """
    if _CODE.fullmatch(code) is None:
        return None
    try:
        key = base64.b32decode(secret)
    except (binascii.Error, ValueError):
        return None
    present = int(now) // STEP
    steps = range(max(0, present - WINDOW), present + WINDOW + 1)
    found = [step for step in steps if hmac.compare_digest(totp_code(key, step), code)]
    return found[-1] if found else None
