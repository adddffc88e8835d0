"""The page `docs/five-minutes.md` says what its app really answers."""

import re
import runpy
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx2
import pytest
from fastapi import FastAPI

from fastapi_kit.testing import client
from tests.docs.test_code_blocks import ROOT, blocks_of

pytestmark = pytest.mark.anyio

PAGE = ROOT / "docs" / "five-minutes.md"
COMMAND_OR_ANSWER = re.compile(r"^```(?P<kind>console|http)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
VARYING = re.compile(r'"(?P<name>request_id|created_at|updated_at)": ?"[^"]+"')


class Shown(NamedTuple):
    """A command of the page, and the answer that follows it, if one does."""

    command: str
    answer: str


def shown() -> Iterator[Shown]:
    """The requests of the page, in order."""
    command = ""
    for found in COMMAND_OR_ANSWER.finditer(PAGE.read_text()):
        if found["kind"] == "http":
            yield Shown(command, found["text"])
            command = ""
            continue
        for line in found["text"].splitlines():
            if command:
                yield Shown(command, "")
            command = line.removeprefix("$ curl ") if line.startswith("$ curl ") else ""


def load_app(directory: Path, monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    """The page's app, in `directory`, where its database will be."""
    monkeypatch.chdir(directory)
    (block,) = blocks_of(PAGE)
    (directory / "shelf.py").write_text(block.code)
    app: FastAPI = runpy.run_path("shelf.py")["app"]
    return app


async def send(api: httpx2.AsyncClient, command: str) -> httpx2.Response:
    """Do what curl does with these arguments."""
    arguments = iter(shlex.split(command))
    method, body, url, headers = "", None, "", {}
    for argument in arguments:
        match argument:
            case "-i":
                pass
            case "-X":
                method = next(arguments)
            case "--json":
                body, headers = next(arguments), {"content-type": "application/json"}
            case _:
                url = argument
    return await api.request(method or ("POST" if body else "GET"), f"http://{url}", content=body, headers=headers)


def alike(body: str) -> Any:
    """A body without what differs each time."""
    return re.sub(r"\s+", "", VARYING.sub(r'"\g<name>": "…"', body))


async def test_the_answers_are_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request of the page gets the status, the headers and the body that the page shows."""
    requests = list(shown())
    async with client(load_app(tmp_path, monkeypatch)) as api:
        for command, answer in requests:
            response = await send(api, command)
            if not answer:
                assert response.is_success, command
                continue
            head, _, body = answer.partition("\n\n")
            status, *headers = head.splitlines()
            assert str(response.status_code) == status.split()[1], command
            for header in headers:
                name, _, value = header.partition(": ")
                assert response.headers.get(name) == value, command
            assert alike(response.text) == alike(body), command


def test_the_page_shows_each_kind_of_answer() -> None:
    """No request of the page is overlooked, and the mistakes are among them."""
    assert len(list(shown())) == PAGE.read_text().count("$ curl")
    statuses = {int(answer.split()[1]) for _, answer in shown() if answer}
    assert statuses >= {200, 201, 204, 409, 422}
