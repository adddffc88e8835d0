"""The measurements behind pages of `docs/decisions/`: each compares the way that was taken with those that were not.

`python -m benchmarks.decisions NAME` prints what one call costs in CPU and wall time, and the ratios to
the way that was taken.

- `connections`: one SELECT on PostgreSQL, by connections that rest in AUTOCOMMIT or are switched to it.
- `handlers`: a generated GET on SQLite, with and without FastAPI's solver.
- `answers`: rows to bytes, serialised only or validated before.
- `totals`: the statements of a list's total on SQLite, with all places of the atlas.
- `trips`: one SELECT on SQLite, by the kit's cursor and by SQLAlchemy's.
"""
