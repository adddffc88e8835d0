"""Answers: how they are configured, and what is prepared of them."""

import json

import pytest

from fastapi_kit._asgi import REQUEST_ID
from fastapi_kit.errors import Answers
from fastapi_kit.errors._body import encode, problem_members
from fastapi_kit.errors._meaning import FAILURE
from fastapi_kit.errors._types import type_uri


@pytest.mark.parametrize("base", [None, "https://docs.example/#"])
@pytest.mark.parametrize("name", [None, "request-1", 'odd"\\'])
def test_the_prepared_body_of_a_failure_is_what_would_be_made(base: str | None, name: str | None) -> None:
    """Byte for byte, with and without an id."""
    scope = {"type": "http", "method": "GET", "http_version": "1.1"} | ({REQUEST_ID: name} if name else {})
    response = Answers(type_base=base).response(RuntimeError("hidden"), scope)
    uri = type_uri(FAILURE.problem, base)
    members = problem_members(FAILURE.problem, request_id=name, max_errors=20, uri=uri)
    assert response.body == encode(members, dict)
    assert json.loads(bytes(response.body))["type"] == uri


@pytest.mark.parametrize(("version", "closes"), [("1.1", True), ("2", False)])
def test_a_failure_ends_its_connection(version: str, *, closes: bool) -> None:
    """The server does, so HTTP/1 says it; HTTP/2 has no such header, and what is for clients does not end it."""
    scope = {"type": "http", "method": "GET", "http_version": version}
    assert ("connection" in Answers().response(RuntimeError("hidden"), scope).headers) is closes
