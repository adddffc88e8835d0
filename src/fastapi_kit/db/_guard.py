"""The start-up check that every route's session is committed before its response starts.

A dependency with `yield` ends after the response unless it has `scope="function"`: its COMMIT would then fail after a
201 was sent, and a dependency that outlives the session would use it closed. FastAPI itself refuses only the direct
case, and only at the first request (https://github.com/fastapi/fastapi/issues/3620), so the whole tree is looked at.
"""

import inspect
from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from starlette.applications import Starlette

from fastapi_kit._routes import walk
from fastapi_kit.db._session import get_session

_CURE = "write `session: SessionDep`, which is Depends(get_session, scope='function')"


class SessionScopeError(RuntimeError):
    """A route would commit after its response, or use a session that is closed; the message names it and the cure."""


def check_session_scopes(app: Starlette) -> None:
    """Look at the dependencies of all routes of `app`.

    Raises:
        SessionScopeError: Some dependency uses the session beyond its end.
    """
    for context in walk(app.routes):
        dependant = getattr(context, "dependant", None)
        if isinstance(dependant, Dependant):
            for problem in _problems(dependant, outliving=None):
                raise SessionScopeError(f"{context.path}: {problem}")


def _problems(dependant: Dependant, outliving: str | None) -> Iterator[str]:
    """Walk down; `outliving` is the name of an enclosing dependency that ends after the response."""
    for child in dependant.dependencies:
        name = getattr(child.call, "__qualname__", repr(child.call))
        if child.call is get_session:
            if child.scope != "function":
                yield f"the session would be committed after the response was sent: {_CURE}"
            elif outliving:
                yield (
                    f"the dependency {outliving!r} ends after the response, when the session it uses is closed: "
                    f"declare it with Depends({outliving}, scope='function')"
                )
        ends_late = _is_generator(child) and child.scope != "function"
        yield from _problems(child, outliving=name if ends_late else outliving)


def _is_generator(dependant: Dependant) -> bool:
    call = inspect.unwrap(dependant.call) if dependant.call else None
    if not inspect.isroutine(call):
        call = type(call).__call__  # an instance that is called
    return inspect.isasyncgenfunction(call) or inspect.isgeneratorfunction(call)
