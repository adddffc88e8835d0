"""Side-by-side measurements of the kit against what people would use instead.

`python -m benchmarks NAME [--quick] [--json]` runs one; its parts are:

- `_driver`: calls an ASGI app in this process, its lifespan running, with no network and no client library.
- `_measure`: times contenders in interleaved rounds and takes medians of per-round ratios.
- `_report`: turns them into rows (DESIGN.md §7), judged against a goal where there is one, as JSON or a table.
- `_work`: contenders that make the same call again and again.
- `_databases`: a fresh SQLite file and a fresh PostgreSQL database for one run.
- `crud`: `CRUDRouter` against a hand-written router and fastcrud, and in a benchmark of their own further peers.
- `routing`: a request to the last of 100 routers against one in an app with a single router.
- `cache`: hits of the response cache, and first requests with an idempotency key.
- `limits`: what a rate limit adds to a request, beside slowapi.
"""
