"""How a resource's routes are described in OpenAPI.

The endpoints take only the request, so FastAPI cannot see their parameters and bodies: they are described here, from
the same description by which requests are read.
"""

import re
from collections.abc import Iterator
from typing import Any

from fastapi.datastructures import Default
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, TypeAdapter, create_model

from fastapi_kit._json_schema import inline
from fastapi_kit.crud._body_schema import body_schema
from fastapi_kit.crud._engine import Engine
from fastapi_kit.crud._export import Format
from fastapi_kit.crud._forms import FORMS, RouteForm, plural_of, summary_of
from fastapi_kit.crud._links import Link
from fastapi_kit.crud._query_schema import export_parameters, list_parameters, query_parameter, row_parameters
from fastapi_kit.errors import (
    BadRequestError,
    ConflictError,
    ContentTooLargeError,
    ForbiddenError,
    NotFoundError,
    PreconditionFailedError,
    PreconditionRequiredError,
    Problem,
    ServiceUnavailableError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
    ValidationProblem,
    raises,
)

_MEANT = "The ETag of the row that is meant, or `*` for any version"
_GUARD = "With `If-Match` it is done only if the row still has one of those ETags."
_SOFT_DELETE = "Puts it out of use; it can be restored."
_NO_BODY_TAG = {
    "description": "The version of the row, as If-Match and If-None-Match take it.",
    "schema": {"type": "string"},
}


class Documentation:
    """Describes the routes of one resource.

    Args:
        engine: Of the resource.
        prefix: The path of its list.
    """

    def __init__(self, engine: Engine, prefix: str) -> None:
        self._engine = engine
        self._resource = engine.resource
        self._title = engine.resource.title
        self._plural = plural_of(prefix, self._title)
        self._row = _without_required(engine.output.model) if engine.grammar.fields else engine.output.model

    def path(self, operation: str) -> str:
        """The path of an operation's route, below the router's prefix."""
        form = FORMS[operation]
        return f"{self._resource.identity.path}{form.path}" if form.of_row else form.path

    def route(self, operation: str) -> dict[str, Any]:
        """The arguments of `add_api_route` for an operation, apart from its endpoint and dependencies."""
        form = FORMS[operation]
        soft = operation.startswith("delete") and self._resource.deleted is not None
        return {
            "path": self.path(operation),
            "methods": [form.method],
            "name": f"{operation}_{self._resource.name}",
            "summary": summary_of(operation, self._title, self._plural),
            "description": f"{_SOFT_DELETE if soft else form.description} {self._guard(form)}".strip(),
            "status_code": form.status,
            "response_model": self._answer(operation),
            "responses": {**self._headers(operation), **raises(*self._problems(operation))},
            "openapi_extra": self._extra(operation, form),
            "generate_unique_id_function": self._operation_id(operation, self.path(operation)),
        }

    def export(self, form: Format) -> dict[str, Any]:
        """The arguments of `add_api_route` for an export."""
        content = {form.media_type.partition(";")[0]: {"schema": {"type": "string"}}}
        kind = form.suffix[1:]
        parameters = [*self._path_parameters(of_row=False), *export_parameters(self._engine)]
        return {
            "path": form.suffix,
            "methods": ["GET"],
            "name": f"export_{self._resource.name}_{kind}",
            "summary": f"Export {self._plural} as {kind.upper()}",
            "description": "All that match, in constant memory; an answer that breaks off is not whole.",
            "response_class": StreamingResponse,
            "responses": {200: {"content": content}, **raises(*self._problems("list"))},
            "openapi_extra": {"parameters": parameters} if parameters else None,
            "generate_unique_id_function": self._operation_id(f"export_{kind}", form.suffix),
        }

    def link(self, method: str, link: Link) -> dict[str, Any]:
        """The arguments of `add_api_route` for a link (`PUT`) or its end (`DELETE`)."""
        verb = "link" if method == "PUT" else "unlink"
        path = f"{self._resource.identity.path}/{link.related.name}{link.identity.path}"
        others = zip(link.identity.names, link.identity.attributes, strict=True)
        parameters = [
            *self._path_parameters(of_row=True),
            *(_path_parameter(name, attribute.kind.value) for name, attribute in others),
        ]
        problems: list[type[Problem]] = [NotFoundError, ConflictError, ValidationProblem, ServiceUnavailableError]
        problems += [UnauthorizedError] if self._engine.needs_principal else []
        return {
            "path": path,
            "methods": [method],
            "name": f"{verb}_{self._resource.name}_{link.related.name}",
            "summary": f"{verb.capitalize()} {self._title} and one of its {link.related.name.replace('_', ' ')}",
            "description": "The same, however often it is done.",
            "status_code": 204,
            "responses": raises(*problems),
            "openapi_extra": {"parameters": parameters},
            "generate_unique_id_function": self._operation_id(f"{verb}_{link.related.name}", path),
        }

    def action(self, name: str, segment: str, *, of_row: bool, reads: bool) -> dict[str, Any]:
        """Arguments of `add_api_route` for an action, which may be given otherwise."""
        parameters = [*self._path_parameters(of_row=of_row)]
        version = self._resource.traits.version
        problems: list[type[Problem]] = [NotFoundError] if of_row else []
        problems += [UnauthorizedError] if self._engine.needs_principal else []
        if version is not None and of_row and not reads:
            problems += [BadRequestError, PreconditionFailedError]
            problems += [PreconditionRequiredError] if version.required else []
            parameters += self._if_match()
        path = f"{self._resource.identity.path if of_row else ''}/{segment}"
        return {
            "path": path,
            "name": f"{name}_{self._resource.name}",
            "generate_unique_id_function": self._operation_id(name, path),
            "response_model": self._engine.output.reading.model if of_row else None,
            "responses": raises(*problems, ConflictError, ValidationProblem, ServiceUnavailableError),
            "openapi_extra": {"parameters": parameters} if parameters else None,
        }

    def _operation_id(self, operation: str, path: str) -> Any:
        """A name that is unique in an app: the operation, and the path of the list without its parameters.

        A function that the app or a router above gives comes before it.
        """

        def operation_id(route: Any) -> str:
            base = str(route.path_format).removesuffix(path)
            return "_".join([operation, *re.findall(r"\w+", re.sub(r"\{[^}]*\}", "", base))])

        return Default(operation_id)

    def _answer(self, operation: str) -> Any:
        model = self._engine.output.model
        match operation:
            case "delete" | "delete_many":
                return None
            case "list":
                return self._engine.output.page_of(self._row)
            case "get":
                return self._row
            case "create_many" | "update_many":
                return self._engine.output.items
            case _:
                return model

    def _headers(self, operation: str) -> dict[int | str, dict[str, Any]]:
        form = FORMS[operation]
        if self._resource.version is None or form.status == 204 or (not form.of_row and operation != "create"):  # noqa: PLR2004
            return {}
        answers: dict[int | str, dict[str, Any]] = {form.status: {"headers": {"ETag": _NO_BODY_TAG}}}
        if operation == "get":
            answers[304] = {"description": "Not Modified", "headers": {"ETag": _NO_BODY_TAG}}
        return answers

    def _problems(self, operation: str) -> Iterator[type[Problem]]:
        form, traits = FORMS[operation], self._resource.traits
        if form.of_row or traits.parent or operation in {"list", "update_many", "delete_many"}:
            yield NotFoundError
        if form.writes:
            yield ConflictError
        if form.body:
            yield ContentTooLargeError
            yield UnsupportedMediaTypeError
        if traits.version and form.of_row:
            yield BadRequestError
            if form.writes:
                yield PreconditionFailedError
                if traits.version.required:
                    yield PreconditionRequiredError
        if traits.version and operation == "update_many":
            yield PreconditionFailedError
        if self._engine.needs_principal:
            yield UnauthorizedError
        if (form.body and self._engine.accesses.scopes) or (not form.writes and self._engine.sees_deleted):
            yield ForbiddenError
        yield ValidationProblem
        yield ServiceUnavailableError

    def _extra(self, operation: str, form: RouteForm) -> dict[str, Any]:
        extra: dict[str, Any] = {}
        parameters = [*self._path_parameters(of_row=form.of_row), *self._conditional(operation, form)]
        if operation == "list":
            parameters += list_parameters(self._engine)
        elif operation == "get":
            parameters += row_parameters(self._engine)
        elif operation == "delete_many":
            parameters.append(self._keys_parameter())
        if parameters:
            extra["parameters"] = parameters
        if form.body:
            kinds = ["application/json"]
            if operation == "update":
                kinds.append("application/merge-patch+json")
            schema = self._body(operation, form.body)
            extra["requestBody"] = {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}
        return extra

    def _body(self, operation: str, name: str) -> dict[str, Any]:
        if operation.endswith("_many"):
            return self._engine.bulk[name].schema
        return body_schema(self._resource.inputs[name])

    def _path_parameters(self, *, of_row: bool) -> Iterator[dict[str, Any]]:
        if self._resource.parent is not None:
            yield _path_parameter(self._resource.parent.name, self._resource.parent.kind.value)
        if of_row:
            for attribute in self._resource.identity.attributes:
                yield _path_parameter(attribute.name, attribute.kind.value)

    def _conditional(self, operation: str, form: RouteForm) -> Iterator[dict[str, Any]]:
        version = self._resource.traits.version
        if version is None or not form.of_row:
            return
        if form.writes:
            yield from self._if_match()
        elif operation == "get":
            yield _header("If-None-Match", "ETags that are known: a 304 says that one of them still holds")

    def _if_match(self) -> Iterator[dict[str, Any]]:
        """The header, where it must be there.

        Where it may be left out it is told of in words: no schema can say which tags hold, and whoever makes requests
        from the document, such as schemathesis, takes what it says of a parameter for all that there is to it.
        """
        version = self._resource.traits.version
        if version is not None and version.required:
            yield _header("If-Match", _MEANT, required=True)

    def _guard(self, form: RouteForm) -> str:
        version = self._resource.traits.version
        may_guard = version is not None and not version.required and form.of_row and form.writes
        return _GUARD if may_guard else ""

    def _keys_parameter(self) -> dict[str, Any]:
        (attribute,) = self._resource.identity.attributes
        schema = {"type": "array", "items": json_schema(attribute.kind.value), "minItems": 1, "maxItems": 1_000}
        return {**query_parameter(attribute.name, schema, "The rows that are meant"), "required": True}


def _without_required(model: type[BaseModel]) -> type[BaseModel]:
    """The same schema, of which some fields may have been asked for alone."""

    def nothing_required(schema: dict[str, Any]) -> None:
        schema.pop("required", None)

    name = f"{model.__name__}Sparse"
    made = create_model(name, __base__=model)
    made.model_config = {**made.model_config, "json_schema_extra": nothing_required}
    made.model_rebuild(force=True)
    return made


def _path_parameter(name: str, annotation: Any) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": json_schema(annotation)}


def _header(name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    schema = {"type": "string", "pattern": _TAGS, "examples": ['"1"']}
    return {"name": name, "in": "header", "required": required, "schema": schema, "description": description}


_TAGS = r'^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*"){0,20})$'


def json_schema(annotation: Any) -> dict[str, Any]:
    """The JSON schema of a type, without references."""
    return inline(TypeAdapter[Any](annotation).json_schema())
