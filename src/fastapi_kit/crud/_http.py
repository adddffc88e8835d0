"""What a request says besides its path and its values, and the form of an answer. Pure."""

from collections.abc import Mapping
from email.message import Message

from fastapi import Request, Response

from fastapi_kit.crud._parameters import refuse_parameters
from fastapi_kit.crud._requests import ListRequest
from fastapi_kit.errors import UnsupportedMediaTypeError

FOREIGN_PARAMETERS = "fastapi_kit.crud.foreign_parameters"
"""Scope key: names of the query parameters that the route's dependencies take."""


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON that is written already."""
    return Response(body, status, headers, media_type="application/json")


def links_beside(asked: ListRequest, following: str | None, preceding: str | None) -> dict[str, str]:
    """`Link` to the pages beside this one (RFC 8288), relative to it."""
    pairs = (("next", following), ("prev", preceding))
    links = [f'<?{asked.beside}cursor={cursor}>; rel="{rel}"' for rel, cursor in pairs if cursor]
    return {"Link": ", ".join(links)} if links else {}


def list_header(request: Request, name: str) -> str | None:
    """A header that is a list: what is sent as several is one (RFC 9110, section 5.3)."""
    return ",".join(found) if (found := request.headers.getlist(name)) else None


def foreign(request: Request) -> frozenset[str]:
    """The parameters that belong to the route's dependencies."""
    names: frozenset[str] = request.scope.get(FOREIGN_PARAMETERS, frozenset())
    return names


def no_parameters(request: Request) -> None:
    """See that a request has no parameters of its own."""
    if query_string := request.scope["query_string"]:
        refuse_parameters(query_string, foreign(request))


def require_json(request: Request) -> None:
    """See that the body says that it is JSON."""
    given = request.headers.get("content-type", "")
    if given == "application/json":
        return
    message = Message()
    message["content-type"] = given
    kind = message.get_content_type() if given else ""
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise UnsupportedMediaTypeError("The body must be JSON: send it with Content-Type: application/json.")
