"""Partial models: any of a model's fields may be sent, and what was not sent is not there.

Absent and null are different things in a merge patch (RFC 7396): absent leaves a value as it is, null removes it. A
model with `None` as the default of every field confuses the two. Here an absent field is given a private marker as its
default; the outermost validator of each field sees the marker first and omits the field, so that the instance ends up
without the attribute. Nothing further in can take the marker for a value, with these exceptions, which are guarded:

- field validators that would run around that outermost one (`before`, `wrap` and `plain`) are not called with it;
- model validators (`after` and `wrap`) and `model_post_init` that read a field that was not sent end there, without a
  verdict: what they check depends on a value that only the stored thing has.
"""

from collections.abc import Callable, Iterator
from functools import cache, wraps
from inspect import signature
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    Field,
    RootModel,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticOmit

M = TypeVar("M", bound=BaseModel)

_Function = Callable[..., Any]


class _UnsentFieldError(AttributeError):
    """A field was read that was not sent."""


class _Sparse(BaseModel):
    """What every partial model is besides its own model."""

    if not TYPE_CHECKING:  # to a type checker a partial model has just the attributes of its model

        def __getattr__(self, name: str) -> Any:
            if name in type(self).model_fields:
                message = f"{name!r} was not sent; look into model_fields_set or use model_dump()."
                raise _UnsentFieldError(message, name=name, obj=self)
            return super().__getattr__(name)


def partial(model: type[M]) -> type[M]:
    """Make the model whose payloads are the parts of `model`'s payloads.

    Every field may be left out, none becomes nullable that was not, and all that is sent is validated as `model` would
    do it. What was not sent is no attribute of the instance (reading it raises `AttributeError`) and no key of its
    `model_dump()`, which so is a merge patch (RFC 7396) of one level: a nested model is sent whole or not at all.

    Constraints, aliases, descriptions, examples and validators are those of `model`; defaults do not apply. A model
    validator, which checks several fields, counts only if each field that it reads was sent: check the merged thing,
    too, where that matters. The partial model is a subclass of `model` called `<Model>Partial`, made once.

    In an annotation write `Partial[Model]`, which type checkers read as `Model`.

    Args:
        model: The model, of which every field has its place in the payload.

    Raises:
        TypeError: If `model` is a root model or has computed fields, of which there is no part to send.

    Example:
        >>> from fastapi_kit.schemas import Schema
        >>> class City(Schema):
        ...     name: str
        ...     population: int = 0
        >>> partial(City)(population=5).model_dump()
        {'population': 5}
    """
    made: type[M] = _make(model)
    return made


if TYPE_CHECKING:
    Partial = Annotated[M, "every field may be left out"]
else:

    class Partial:
        """`Partial[Model]` is `partial(Model)`, for annotations."""

        def __class_getitem__(cls, model: type[M]) -> type[M]:
            """The partial model of `model`."""
            return partial(model)


class _Unsent:
    """The type of the marker."""


_UNSENT = _Unsent()


def _unsent() -> _Unsent:
    return _UNSENT


def _omit_unsent(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    if value is _UNSENT:
        raise PydanticOmit
    return handler(value)


OMIT_UNSENT = WrapValidator(_omit_unsent)
"""The outermost validator of each field of a partial model."""


@cache
def _make(model: type[BaseModel]) -> Any:
    if issubclass(model, RootModel):
        message = f"{model.__name__} is a root model: it has no fields of which a part could be sent."
        raise TypeError(message)
    if model.model_computed_fields:
        names = ", ".join(model.model_computed_fields)
        message = f"{model.__name__} computes {names}: make the partial of a model without computed fields."
        raise TypeError(message)
    fields: dict[str, Any] = {name: _optional(field) for name, field in model.model_fields.items()}
    return create_model(
        f"{model.__name__}Partial",
        __base__=(_Sparse, model),
        __module__=model.__module__,
        __doc__=model.__doc__,
        __validators__=dict(_guards(model)),
        **fields,
    )


def _optional(field: FieldInfo) -> Any:
    parts = field.asdict()
    kind, metadata = parts["annotation"], parts["metadata"]
    attributes: dict[str, Any] = {**parts["attributes"]}
    # A factory and not a value, which the JSON schema would show as the default.
    attributes |= {"default_factory": _unsent, "validate_default": True}
    del attributes["default"]
    return Annotated[kind, *metadata, OMIT_UNSENT, Field(**attributes)]


def _guards(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """What has to stand in the partial model's namespace in place of `model`'s validators, by name."""
    yield from _field_guards(model)
    yield from _model_guards(model)
    if model.model_post_init is not BaseModel.model_post_init:
        yield "model_post_init", _skip_unsent(model.model_post_init)


def _field_guards(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    decorate: Any = field_validator  # its overloads tell the modes apart, which are data here
    for name, decorator in model.__pydantic_decorators__.field_validators.items():
        info = decorator.info
        if info.mode != "after":
            options = {"mode": info.mode, "check_fields": info.check_fields}
            options["json_schema_input_type"] = info.json_schema_input_type
            yield name, decorate(*info.fields, **options)(staticmethod(_skip_marker(decorator.func)))


def _model_guards(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    around: Any = model_validator(mode="wrap")
    for name, decorator in model.__pydantic_decorators__.model_validators.items():
        if decorator.info.mode == "after":
            yield name, model_validator(mode="after")(_skip_unsent(decorator.func))
        elif decorator.info.mode == "wrap":
            yield name, around(classmethod(_skip_unsent_around(decorator.func)))


def _skip_marker(validate: _Function) -> _Function:
    @wraps(validate)
    def guarded(value: object, *rest: Any) -> Any:
        if value is _UNSENT:
            raise PydanticOmit
        return validate(value, *rest)

    return guarded


def _skip_unsent(validate: _Function) -> _Function:
    @wraps(validate)
    def guarded(self: BaseModel, *rest: Any) -> Any:
        try:
            return validate(self, *rest)
        except _UnsentFieldError:
            return self

    return guarded


def _skip_unsent_around(validate: _Function) -> _Function:
    wants_info = len(signature(validate).parameters) > len(("value", "handler"))

    def guarded(_cls: type[BaseModel], value: Any, handler: ValidatorFunctionWrapHandler, info: Any) -> Any:
        built: list[Any] = []

        def keep(inner: Any, /, *location: Any) -> Any:
            built.append(handler(inner, *location))
            return built[-1]

        try:
            return validate(value, keep, info) if wants_info else validate(value, keep)
        except _UnsentFieldError:
            return built[-1]

    return guarded
