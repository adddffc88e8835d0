"""What an app's OpenAPI document says of operations that need credentials."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from fastapi import FastAPI

from fastapi_kit.errors import ForbiddenError, UnauthorizedError, raises


def declare_credentials(app: FastAPI) -> None:
    """Say what the need of credentials means for each operation.

    Those that need some may answer 401 and 403, which a dependency cannot declare. Those that need none say
    `security: []`: it means the same as nothing, and is no oversight. `errors.install` comes after it, and gives
    what is declared here its form.
    """
    generate: Callable[[], dict[str, Any]] = app.openapi
    refusals = {str(status): answer for status, answer in raises(UnauthorizedError, ForbiddenError).items()}

    def openapi() -> dict[str, Any]:
        document = generate()
        if "security" not in document:
            for item in document.get("paths", {}).values():
                for operation in item.values():
                    if operation.setdefault("security", []):
                        operation["responses"] = {**deepcopy(refusals), **operation.get("responses", {})}
        return document

    app.openapi = openapi  # type: ignore[method-assign] # the documented way to extend it
