"""A `ModelViewSet` of Django REST framework, set up as its documentation shows, under Django's ASGI application.

- `_app`: settings, the database and the app.
- `models`, `urls`: the table and its API; Django looks for modules of these names.
"""

from ._app import drf

__all__ = ["drf"]
