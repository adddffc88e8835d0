"""Fetching the documents of an outside issuer with httpx2: small ones, from where they should be, and nowhere else."""

import asyncio
import ssl
from http import HTTPStatus

from fastapi_kit.auth._remote_keys import FetchError

try:
    import httpx2
except ImportError as error:  # pragma: no cover
    raise ImportError("OutsideIssuer needs httpx2: pip install 'fastapi-kit[auth,http]'") from error

_LARGEST = 512 * 1024
"""Bytes of a document."""
_HEADERS = {"accept": "application/json", "accept-encoding": "identity"}
"""Uncompressed, so that a small answer is not a large document."""


class Fetch:
    """Gets documents; each with a connection of its own, as hours lie between them."""

    def __init__(self) -> None:
        self._tls: ssl.SSLContext | None = None

    async def __call__(self, url: str) -> bytes:
        """The document at an address.

        Redirects are not followed. The time is bounded by the caller.

        Raises:
            FetchError: It is not to be had, or larger than 512 KiB.
        """
        if self._tls is None:
            self._tls = await asyncio.to_thread(httpx2.create_ssl_context)  # reads the certificates, for 20 ms
        try:
            async with (
                httpx2.AsyncClient(verify=self._tls, follow_redirects=False, timeout=None) as client,
                client.stream("GET", url, headers=_HEADERS) as response,
            ):
                return await _body_of(response)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise FetchError(f"{url}: {type(error).__name__}") from error


async def _body_of(response: httpx2.Response) -> bytes:
    if response.status_code != HTTPStatus.OK:
        raise FetchError(f"{response.url}: status {response.status_code}")
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LARGEST:
            raise FetchError(f"{response.url}: larger than {_LARGEST} bytes")
    return bytes(body)
