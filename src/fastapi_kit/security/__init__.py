"""Security at the edge of an app: what its answers tell browsers, and whom it believes and serves.

- `SecurityHeadersMiddleware` puts `API_HEADERS`, or a profile of your own, on every answer; `no_store` is the
  dependency that keeps an answer out of caches.
- `protect_docs` lets the documentation pages work under a strict policy, the one that `page_policy` reads off a page.
- `CORS` is a policy that refuses what is unsafe or cannot match; `CORSMiddleware` puts it on answers.
- `TrustedHostsMiddleware` refuses requests for other hosts.
- `TrustedProxiesMiddleware` finds the client's address behind proxies of named networks.

A limit for the size of bodies is FastAPI's own (`max_body_size`); `fastapi_kit.errors` gives its refusal the one shape.
"""

from fastapi_kit.security._client import TrustedProxiesMiddleware
from fastapi_kit.security._cors import CORS
from fastapi_kit.security._cors_middleware import CORSMiddleware
from fastapi_kit.security._docs import protect_docs
from fastapi_kit.security._headers import API_HEADERS, SecurityHeadersMiddleware, no_store
from fastapi_kit.security._hosts import TrustedHostsMiddleware
from fastapi_kit.security._policy import page_policy

__all__ = [
    "API_HEADERS",
    "CORS",
    "CORSMiddleware",
    "SecurityHeadersMiddleware",
    "TrustedHostsMiddleware",
    "TrustedProxiesMiddleware",
    "no_store",
    "page_policy",
    "protect_docs",
]
