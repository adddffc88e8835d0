"""What a request says besides its path and its values, and the form of an answer. Pure."""

from collections.abc import Collection, Mapping
from email.message import Message
from urllib.parse import quote, unquote_plus

from fastapi import Request, Response

from fastapi_kit.crud._parameters import refuse_parameters
from fastapi_kit.errors import UnsupportedMediaTypeError

FOREIGN_PARAMETERS = "fastapi_kit.crud.foreign_parameters"
"""Scope key: names of the query parameters that the route's dependencies take."""

_OF_A_QUERY = "%!$&'()*+,=:@/?"
"""What may stand in a query as it is (RFC 3986, section 3.4), but for `;`, at which clients cut links."""


def json_response(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer of JSON that is written already."""
    return Response(body, status, headers, media_type="application/json")


def links_beside(request: Request, following: str | None, preceding: str | None) -> dict[str, str]:
    """`Link` to the pages beside this one (RFC 8288), relative to it."""
    if following is None and preceding is None:
        return {}
    query: bytes = request.scope["query_string"]
    parts = (part for part in query.decode("ascii").split("&") if part)
    kept = (f"{part}&" for part in parts if unquote_plus(part.partition("=")[0]) not in {"cursor", "page"})
    base = quote("".join(kept), safe=_OF_A_QUERY)
    pairs = (("next", following), ("prev", preceding))
    return {"Link": ", ".join(f'<?{base}cursor={cursor}>; rel="{rel}"' for rel, cursor in pairs if cursor)}


def list_header(request: Request, name: str) -> str | None:
    """A header that is a list: what is sent as several is one (RFC 9110, section 5.3)."""
    return ",".join(found) if (found := request.headers.getlist(name)) else None


def foreign(request: Request) -> Collection[str]:
    """The parameters that belong to the route's dependencies."""
    names: Collection[str] = request.scope.get(FOREIGN_PARAMETERS, ())
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
