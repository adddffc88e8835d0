"""An app with limits on Redis, served by one process or several."""

import os

from fastapi import Depends, FastAPI

from fastapi_kit.errors import install as install_errors
from fastapi_kit.lifespan import compose
from fastapi_kit.ratelimit import RateLimit, install
from fastapi_kit.ratelimit.redis import RedisStore
from fastapi_kit.redis import RedisClient

redis = RedisClient(os.environ["REDIS_URL"], timeout=float(os.environ["REDIS_TIMEOUT"]))
app = FastAPI(lifespan=compose(redis.lifespan))


@app.get("/health")
@app.get("/free")
@app.get("/limited")
@app.get("/ample", dependencies=[Depends(RateLimit("1000000/minute"))])
async def answer() -> str:
    """An endpoint."""
    return "hello"


store = RedisStore(redis, prefix=f"{os.environ['PREFIX']}:", workers=int(os.environ["WORKERS"]))
install(app, {"/limited": RateLimit("100/minute")}, store=store)
install_errors(app)
