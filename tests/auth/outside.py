"""An issuer to test against: a server of its own on the loopback, which can be told to misbehave."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi_kit.auth import Claims, Codec, Key, KeyRing

DISCOVERY, KEYS, MOVED = "/.well-known/openid-configuration", "/keys", "/moved"


@dataclass
class Issuer:
    """What it answers, and how often it was asked."""

    port: int = 0
    keys: list[Key] = field(default_factory=lambda: [Key.generate("ES256", kid="first")])
    asked: Counter[str] = field(default_factory=Counter[str])
    status: int = 200
    """Of all but `MOVED`, which has the keys as well, and is where redirects lead."""
    hangs: bool = False
    documents: dict[str, Any] = field(default_factory=dict[str, Any])
    """Instead of the right ones, by path; bytes as they are."""

    @property
    def url(self) -> str:
        """Its name."""
        return f"http://127.0.0.1:{self.port}"

    def token(self, sub: str = "7", key: Key | None = None, *, issuer: str | None = None, aud: str = "api") -> str:
        """A token as it issues them."""
        codec = Codec(KeyRing(key or self.keys[0]), issuer=issuer or self.url, audience=aud)
        return codec.encode(Claims.issue(sub, now=datetime.now(UTC), lifetime=timedelta(minutes=5), scope=["read"]))

    def document(self, path: str) -> bytes:
        """The body for a path."""
        default = {
            DISCOVERY: {"issuer": self.url, "jwks_uri": f"{self.url}{KEYS}", "other": ["of", "no", "interest"]},
            KEYS: KeyRing(None, self.keys).jwks(),
            MOVED: KeyRing(None, self.keys).jwks(),
        }
        document = self.documents.get(path, default.get(path))
        return document if isinstance(document, bytes) else json.dumps(document).encode()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        try:
            await self._answer(reader, writer)
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode()
        self.asked[path] += 1
        if self.hangs:
            await asyncio.sleep(30)
        body = self.document(path)
        status = 200 if path == MOVED else self.status
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nlocation: {self.url}{MOVED}\r\n"
        writer.write(f"{head}connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.write_eof()
        await reader.read()


@asynccontextmanager
async def running(issuer: Issuer) -> AsyncGenerator[Issuer]:
    """Have it answer in the block."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(issuer.answer(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", issuer.port)
    issuer.port = server.sockets[0].getsockname()[1]
    try:
        yield issuer
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
