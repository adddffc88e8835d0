"""Limits in the OpenAPI document: a 429 for every operation that has one."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext

from fastapi_kit._routes import walk
from fastapi_kit.errors import raises
from fastapi_kit.ratelimit._limit import RateLimit
from fastapi_kit.ratelimit._policies import Policies
from fastapi_kit.ratelimit._problem import TooManyRequestsError

_FIELDS = {
    "Retry-After": ("integer", "Seconds after which to try again."),
    "RateLimit-Policy": ("string", "The quotas (draft-ietf-httpapi-ratelimit-headers)."),
    "RateLimit": ("string", "What is left of them, and when they are whole again."),
}


def declare_limits(app: FastAPI, policies: Mapping[str, RateLimit | None]) -> None:
    """Wrap `app.openapi`, so that what it makes declares the limits of policies and of dependencies."""
    generate: Callable[[], dict[str, Any]] = app.openapi
    declared: dict[str, Any] | None = None

    def openapi() -> dict[str, Any]:
        nonlocal declared
        document = generate()
        if document is not declared:  # in place and once, as FastAPI keeps its document until the routes change
            for operation in _limited(app, policies, document):
                operation.setdefault("responses", {}).setdefault("429", _response())
            declared = document
        return document

    app.openapi = openapi  # type: ignore[method-assign] # the documented way to extend it


def _limited(
    app: FastAPI, policies: Mapping[str, RateLimit | None], document: dict[str, Any]
) -> Iterator[dict[str, Any]]:
    """The operations of the document that have a limit."""
    bound = Policies(policies, app.routes)
    paths: dict[str, dict[str, Any]] = document.get("paths", {})
    for context in walk(app.routes):
        item = paths.get(context.path_format or "", {})
        for method in context.methods or ():
            policy = bound.of(method, context.path_format or "")
            refuses = policy is not None and policy.limit is not None and not policy.limit.shadow
            if method.lower() in item and (refuses or _depends(context)):
                yield item[method.lower()]


def _depends(context: RouteContext) -> bool:
    dependant = getattr(context, "dependant", None)
    return isinstance(dependant, Dependant) and any(
        isinstance(call, RateLimit) and not call.shadow for call in _calls(dependant)
    )


def _calls(dependant: Dependant) -> Iterator[object]:
    yield dependant.call
    for child in dependant.dependencies:
        yield from _calls(child)


def _response() -> dict[str, Any]:
    [response] = raises(TooManyRequestsError).values()
    headers = {name: {"description": text, "schema": {"type": kind}} for name, (kind, text) in _FIELDS.items()}
    return {**response, "headers": headers}
