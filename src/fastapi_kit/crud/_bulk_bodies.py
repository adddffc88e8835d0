"""The bodies of bulk writes: lists of the bodies of single ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, FailFast, Field, TypeAdapter, create_model

from fastapi_kit._json_schema import inline
from fastapi_kit.crud._bodies import Input
from fastapi_kit.crud._body_schema import body_schema
from fastapi_kit.crud._resource import Resource
from fastapi_kit.crud._steps import Target
from fastapi_kit.errors import FieldError, ValidationProblem

MOST_ROWS = 1_000
"""Rows at most in one bulk write."""


@dataclass(frozen=True)
class BulkInput:
    """The body of a bulk write: a list of bodies; those of an update have the key, and the version, with them.

    The first error ends the validation: a hostile list of 1 MB would take seconds otherwise.
    """

    input: Input
    model: type[BaseModel]
    adapter: TypeAdapter[list[Any]]
    schema: dict[str, Any]

    @classmethod
    def of(cls, resource: Resource, operation: str) -> "BulkInput":
        """The body of many creates or updates."""
        body = resource.inputs[operation]
        model = body.model
        item = body_schema(body)
        if operation == "update":
            model = create_model(f"{model.__name__}Item", __base__=model, **_naming(resource))
            named = inline(create_model("Named", **_naming(resource)).model_json_schema())
            item = {
                **item,
                "properties": {**named["properties"], **item["properties"]},
                "required": [*named.get("required", []), *item.get("required", [])],
            }
        items: Any = Annotated[list[model], Field(min_length=1, max_length=MOST_ROWS), FailFast()]
        schema = {"type": "array", "items": item, "minItems": 1, "maxItems": MOST_ROWS}
        return cls(body, model, TypeAdapter(items), schema)

    def change(self, resource: Resource, item: BaseModel) -> tuple[Target, dict[str, Any]]:
        """The row that an item is about, and its values.

        Raises:
            pydantic.ValidationError: They do not fit the columns.
        """
        naming = [it.name for it in resource.identity.attributes]
        key = tuple(getattr(item, name) for name in naming)
        parameters = resource.identity.of_values(key)
        version = getattr(item, resource.version.name) if resource.version else None
        named = {*naming, resource.version.name if resource.version else ""}
        body = self.input.model.model_construct(
            item.model_fields_set - named,
            **{name: value for name, value in item.__dict__.items() if name not in named},
        )
        return Target(parameters, None if version is None else [version]), self.input.values_of(body)


def _naming(resource: Resource) -> dict[str, Any]:
    fields: dict[str, Any] = {it.name: (it.kind.value, ...) for it in resource.identity.attributes}
    version = resource.traits.version
    if version is not None and resource.version is not None:
        annotation = resource.version.kind.value
        fields[resource.version.name] = (annotation, ...) if version.required else (annotation | None, None)
    return fields


def refuse_repetition(targets: Sequence[Target]) -> None:
    """See that no row stands in a body twice: which of its versions is meant, and which value is the last, is unclear.

    Raises:
        ValidationProblem: One does.
    """
    seen = set[tuple[Any, ...]]()
    for place, target in enumerate(targets):
        key = tuple(target.parameters.values())
        if key in seen:
            error: FieldError = {"loc": ("body", place), "msg": "An item before has this key", "type": "value_error"}
            raise ValidationProblem([error])
        seen.add(key)
