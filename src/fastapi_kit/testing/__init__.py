"""Tools for the tests of an app; install with the extra `testing`.

- `client(app)`: an async HTTP client around the app and its lifespan, in the test's own event loop.
- `rolled_back(database)`: everything that the app does to a real database is undone at the end of the test.
- `FrozenClock`: time that passes when the test says so.
"""

from fastapi_kit.testing._client import client
from fastapi_kit.testing._clock import FrozenClock
from fastapi_kit.testing._rollback import rolled_back

__all__ = ["FrozenClock", "client", "rolled_back"]
