"""The errors of an API in its OpenAPI document."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from copy import deepcopy
from functools import cache
from typing import Any, cast

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from fastapi_kit._json_schema import inline
from fastapi_kit.errors._answer import Render
from fastapi_kit.errors._body import JSON, PROBLEM_JSON
from fastapi_kit.errors._problem import FieldError, Problem, reason_phrase
from fastapi_kit.errors._types import BLANK, name_of_class

_COMPONENT = "#/components/schemas/"
_VALIDATION_STATUS = 422
_FASTAPI_SCHEMA = {"$ref": _COMPONENT + "HTTPValidationError"}
_FASTAPI_COMPONENTS = ("HTTPValidationError", "ValidationError")


def _without_default(schema: dict[str, Any]) -> None:
    """A member that is left out rather than null has no default in the schema."""
    del schema["default"]


class ProblemDetail(BaseModel):
    """An error as RFC 9457 describes it; a problem type may add members."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="URI reference that names the kind of problem.", examples=["about:blank"])
    title: str = Field(description="Short summary of the kind of problem.")
    status: int = Field(description="HTTP status code.")
    detail: str = Field(description="What went wrong this time, for a person to read.")
    instance: str | SkipJsonSchema[None] = Field(
        None, description="URI reference that names this occurrence.", json_schema_extra=_without_default
    )
    request_id: str | SkipJsonSchema[None] = Field(
        None, description="Names this request in the server's log.", json_schema_extra=_without_default
    )


class ValidationProblemDetail(ProblemDetail):
    """A request that does not have the declared shape, or cannot be carried out."""

    errors: list[FieldError] | SkipJsonSchema[None] = Field(
        None, description="The first things that are wrong.", json_schema_extra=_without_default
    )
    errors_total: int | SkipJsonSchema[None] = Field(
        None, description="How many things are wrong.", json_schema_extra=_without_default
    )


class LegacyError(BaseModel):
    """An error in the reference's shape."""

    model_config = ConfigDict(extra="allow")

    error: str = Field(description="The name of the error.")
    detail: str | list[FieldError] = Field(
        description="What went wrong, for a person to read, or each thing that is wrong."
    )
    timestamp: str = Field(description="When, in ISO 8601.", json_schema_extra={"format": "date-time"})


def raises(*problem_types: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The answers of these problem types, for FastAPI's `responses=`.

    Several types of one status share an entry, with an example each. The schemas are complete in place, so they
    hold in any application; where errors are installed, they become components that generated clients have one type
    for.

    Args:
        problem_types: Subclasses of `Problem` with their `status` set on the class.

    Raises:
        TypeError: An argument is not a problem type.
    """
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in map(_checked, problem_types):
        model = ValidationProblemDetail if kind.status == _VALIDATION_STATUS else ProblemDetail
        entry = responses.setdefault(
            kind.status,
            {
                "description": reason_phrase(kind.status),
                "content": {PROBLEM_JSON: {"schema": deepcopy(_in_place(model)), "examples": {}}},
            },
        )
        entry["content"][PROBLEM_JSON]["examples"][kind.__name__] = _example(kind)
    return responses


def _checked(kind: object) -> type[Problem]:
    if inspect.isclass(kind) and issubclass(kind, Problem):
        return kind
    raise TypeError(f"raises({kind!r}): not a subclass of Problem; declare one with the status as class attribute")


def _example(kind: type[Problem]) -> dict[str, Any]:
    title = kind.title or reason_phrase(kind.status)
    summary = (inspect.getdoc(kind) or title).splitlines()[0]
    return {
        "summary": summary,
        "value": {"type": kind.type, "title": title, "status": kind.status, "detail": summary},
    }


def with_declared_errors(app: FastAPI, render: Render, type_base: str | None) -> None:
    """Wrap `app.openapi`, overridden or not, so that what it makes declares the errors as they are."""
    generate: Callable[[], dict[str, Any]] = app.openapi
    declared: dict[str, Any] | None = None

    def openapi() -> dict[str, Any]:
        nonlocal declared
        document = generate()
        # In place and once, as FastAPI keeps its document until the routes change.
        if document is not declared:
            declared = declare_errors(document, render, type_base)
        return document

    app.openapi = openapi  # type: ignore[method-assign] # the documented way to extend it


def declare_errors(
    document: dict[str, Any], render: Render = "problem", type_base: str | None = None
) -> dict[str, Any]:
    """Make an OpenAPI document declare errors as the kit answers them, in place, and give it back.

    FastAPI's default 422 becomes the kit's, and the schemas of `raises` become components. `install` does this to what
    `app.openapi` makes; call it yourself only from an `app.openapi` that you replace after `install`.

    Args:
        document: What is changed.
        render: As in `install`.
        type_base: As in `install`.
    """
    components: dict[str, Any] = {}
    in_place = {name: _in_place(model) for name, model in _MODELS.items()}
    for response in _responses(document):
        content = response.get("content", {})
        if content.get(JSON, {}).get("schema") == _FASTAPI_SCHEMA:
            del content[JSON]
            content[PROBLEM_JSON] = {"schema": in_place[ValidationProblemDetail.__name__]}
            response["description"] = reason_phrase(_VALIDATION_STATUS)
        media = content.get(PROBLEM_JSON, {})
        name = next((name for name, schema in in_place.items() if media.get("schema") == schema), None)
        if name is not None and render == "legacy":
            del content[PROBLEM_JSON]
            content[JSON] = {"schema": _component(LegacyError, components)}
        elif name is not None:
            media["schema"] = _component(_MODELS[name], components)
            _name_types(media.get("examples", {}), type_base)
    _replace_components(document, components)
    return document


def _name_types(examples: dict[str, Any], base: str | None) -> None:
    """Give the examples of `raises`, which are named like their classes, the types that the answers have."""
    for name, example in examples.items():
        value = example.get("value", {})
        if base is not None and value.get("type") == BLANK:
            value["type"] = base + name_of_class(name)


_MODELS: dict[str, type[BaseModel]] = {model.__name__: model for model in (ProblemDetail, ValidationProblemDetail)}


@cache
def _in_place(model: type[BaseModel]) -> dict[str, Any]:
    """The model's schema without references; for reading only, as it is made once."""
    return inline(model.model_json_schema())


def _component(model: type[BaseModel], components: dict[str, Any]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template=_COMPONENT + "{model}")
    components.update(schema.pop("$defs", {}))
    components[model.__name__] = schema
    return {"$ref": _COMPONENT + model.__name__}


def _replace_components(document: dict[str, Any], components: dict[str, Any]) -> None:
    if not components:
        return
    schemas: dict[str, Any] = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components)
    for name in _FASTAPI_COMPONENTS:
        if name in schemas and _COMPONENT + name not in set(_references(document)):
            del schemas[name]
    document["components"]["schemas"] = dict(sorted(schemas.items()))


def _responses(node: Any) -> Iterator[dict[str, Any]]:
    """Every response object of a document, in operations, callbacks, webhooks and components."""
    for name, child in _members(node):
        yield from _responses(child)
        if name == "responses":
            yield from (cast("dict[str, Any]", response) for response in _children(child) if isinstance(response, dict))


def _references(node: Any) -> Iterator[str]:
    for name, child in _members(node):
        yield from _references(child)
        if name == "$ref" and isinstance(child, str):
            yield child


def _members(node: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(node, dict):
        return cast("dict[str, Any]", node).items()
    return enumerate(cast("list[object]", node)) if isinstance(node, list) else ()


def _children(node: Any) -> list[Any]:
    return [child for _, child in _members(node)]
