"""Who makes a request, and what they may do.

- `Auth`: routes and dependencies, made of the parts below; `AuthOptions`, `Permissions` (scopes and roles), `Cookies`.
  `get_current_user` and `get_current_active_user` find the app's `Auth` by themselves.
- `UserStore` and `TokenStore`: where users and sessions are: `MemoryUserStore`, `SQLUserStore` with `UserColumns`,
  `MemoryTokenStore`, `SQLTokenStore` with `AuthTables`, `fastapi_kit.auth.redis.RedisTokenStore`. API keys likewise.
- `Throttle` and `Backoff`: how often something may be guessed: `MemoryThrottle`, `NoThrottle`,
  `fastapi_kit.auth.redis.RedisThrottle`. `AuditEvent` and `Mail`: what callbacks are given.
- `totp_code`, `totp_uri`, `new_totp_secret`: one-time codes.
- `Key` and `KeyRing`: keys bound to an algorithm, rotation, and the public ones for others (JWKS).
- `Codec`: makes tokens of `Claims` and claims of tokens; whatever is wrong with one is an `InvalidTokenError`.
- `OutsideIssuer`: claims of the tokens of another service, whose keys it fetches and keeps (`KeyCache`), or is an
  `IssuerUnavailableError`.
- `PasswordHasher`: argon2id, older schemes and rehashing, off the event loop; `Argon2` is its cost, `Verification` its
  answer. `PasswordPolicy` says which new passwords are accepted, and raises `WeakPasswordError`.
- `create_access_token`, `get_password_hash`, `verify_password`: thin fronts with the signatures that tutorials have.
"""

from fastapi_kit.auth._api_keys import APIKey, APIKeyStore, MemoryAPIKeyStore, SQLAPIKeyStore
from fastapi_kit.auth._audit import AuditEvent
from fastapi_kit.auth._auth import Auth
from fastapi_kit.auth._authentication import Authentication
from fastapi_kit.auth._challenges import TooManyAttemptsError
from fastapi_kit.auth._claims import Claims
from fastapi_kit.auth._codec import Codec
from fastapi_kit.auth._columns import UserColumns
from fastapi_kit.auth._cookies import Cookies
from fastapi_kit.auth._current import NoAuthError, get_current_active_user, get_current_user
from fastapi_kit.auth._dependencies import CurrentUser, Required
from fastapi_kit.auth._errors import InvalidTokenError
from fastapi_kit.auth._issuer import OutsideIssuer
from fastapi_kit.auth._keys import Key, KeyRing, WeakKeyError
from fastapi_kit.auth._mail import Mail
from fastapi_kit.auth._memory import MemoryTokenStore, MemoryUserStore, User
from fastapi_kit.auth._options import AuthOptions
from fastapi_kit.auth._passlib import Argon2
from fastapi_kit.auth._passwords import PasswordHasher, Verification
from fastapi_kit.auth._permissions import Permissions
from fastapi_kit.auth._policy import PasswordPolicy, WeakPasswordError
from fastapi_kit.auth._reference import create_access_token, get_password_hash, verify_password
from fastapi_kit.auth._remote_keys import IssuerUnavailableError, KeyCache
from fastapi_kit.auth._rotation import RefreshDigest, RefreshToken
from fastapi_kit.auth._schemas import UserCreate, UserRead
from fastapi_kit.auth._sessions import LoginSession, Rotation, Ticket, TokenReference, TokenStore
from fastapi_kit.auth._sql_tokens import SQLTokenStore
from fastapi_kit.auth._sql_users import SQLUserStore
from fastapi_kit.auth._tables import AuthTables
from fastapi_kit.auth._throttle import Backoff, MemoryThrottle, NoThrottle, Throttle
from fastapi_kit.auth._totp import new_totp_secret, totp_code, totp_uri
from fastapi_kit.auth._users import EmailTakenError, NewUser, UserRecord, UserStore, normal_email
from fastapi_kit.auth._workers import UnsharedStoreError

__all__ = [
    "APIKey",
    "APIKeyStore",
    "Argon2",
    "AuditEvent",
    "Auth",
    "AuthOptions",
    "AuthTables",
    "Authentication",
    "Backoff",
    "Claims",
    "Codec",
    "Cookies",
    "CurrentUser",
    "EmailTakenError",
    "InvalidTokenError",
    "IssuerUnavailableError",
    "Key",
    "KeyCache",
    "KeyRing",
    "LoginSession",
    "Mail",
    "MemoryAPIKeyStore",
    "MemoryThrottle",
    "MemoryTokenStore",
    "MemoryUserStore",
    "NewUser",
    "NoAuthError",
    "NoThrottle",
    "OutsideIssuer",
    "PasswordHasher",
    "PasswordPolicy",
    "Permissions",
    "RefreshDigest",
    "RefreshToken",
    "Required",
    "Rotation",
    "SQLAPIKeyStore",
    "SQLTokenStore",
    "SQLUserStore",
    "Throttle",
    "Ticket",
    "TokenReference",
    "TokenStore",
    "TooManyAttemptsError",
    "UnsharedStoreError",
    "User",
    "UserColumns",
    "UserCreate",
    "UserRead",
    "UserRecord",
    "UserStore",
    "Verification",
    "WeakKeyError",
    "WeakPasswordError",
    "create_access_token",
    "get_current_active_user",
    "get_current_user",
    "get_password_hash",
    "new_totp_secret",
    "normal_email",
    "totp_code",
    "totp_uri",
    "verify_password",
]
