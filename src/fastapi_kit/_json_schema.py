"""JSON schemas that stand alone, for places of an OpenAPI document where FastAPI registers no components."""

from typing import Any, cast


def inline(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` with its `$defs` put in place of the references to them.

    Raises:
        RecursionError: The schema refers to itself, which only references can express.
    """
    definitions: dict[str, Any] = schema.get("$defs", {})
    return {key: _resolve(value, definitions) for key, value in _expand(schema, definitions).items() if key != "$defs"}


def _expand(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in node:
        return node
    target: dict[str, Any] = definitions[node["$ref"].rpartition("/")[2]]
    return {**_expand(target, definitions), **{key: value for key, value in node.items() if key != "$ref"}}


def _resolve(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, dict):
        members = _expand(cast("dict[str, Any]", node), definitions)
        return {key: _resolve(value, definitions) for key, value in members.items()}
    return [_resolve(item, definitions) for item in _items(node)] if isinstance(node, list) else node


def _items(node: Any) -> list[Any]:
    return cast("list[Any]", node)
