"""Who makes a request: tokens and passwords.

- `Key` and `KeyRing`: keys bound to an algorithm, rotation, and the public ones for others (JWKS).
- `Codec`: makes tokens of `Claims` and claims of tokens; whatever is wrong with one is an `InvalidTokenError`.
- `PasswordHasher`: argon2id, older schemes and rehashing, off the event loop; `Argon2` is its cost, `Verification` its
  answer. `PasswordPolicy` says which new passwords are accepted, and raises `WeakPasswordError`.
- `create_access_token`, `get_password_hash`, `verify_password`: thin fronts with the signatures that tutorials have.
"""

from fastapi_kit.auth._claims import Claims
from fastapi_kit.auth._codec import Codec
from fastapi_kit.auth._columns import UserColumns
from fastapi_kit.auth._errors import InvalidTokenError
from fastapi_kit.auth._keys import Key, KeyRing, WeakKeyError
from fastapi_kit.auth._memory import MemoryTokenStore, MemoryUserStore, UnsharedStoreError, User
from fastapi_kit.auth._passlib import Argon2
from fastapi_kit.auth._passwords import PasswordHasher, Verification
from fastapi_kit.auth._policy import PasswordPolicy, WeakPasswordError
from fastapi_kit.auth._reference import create_access_token, get_password_hash, verify_password
from fastapi_kit.auth._sessions import LoginSession, RefreshToken, Rotation, Ticket, TokenReference, TokenStore
from fastapi_kit.auth._sql_tokens import SQLTokenStore
from fastapi_kit.auth._sql_users import SQLUserStore
from fastapi_kit.auth._tables import AuthTables
from fastapi_kit.auth._users import EmailTakenError, NewUser, UserRecord, UserStore, normal_email

__all__ = [
    "Argon2",
    "AuthTables",
    "Claims",
    "Codec",
    "EmailTakenError",
    "InvalidTokenError",
    "Key",
    "KeyRing",
    "LoginSession",
    "MemoryTokenStore",
    "MemoryUserStore",
    "NewUser",
    "PasswordHasher",
    "PasswordPolicy",
    "RefreshToken",
    "Rotation",
    "SQLTokenStore",
    "SQLUserStore",
    "Ticket",
    "TokenReference",
    "TokenStore",
    "UnsharedStoreError",
    "User",
    "UserColumns",
    "UserRecord",
    "UserStore",
    "Verification",
    "WeakKeyError",
    "WeakPasswordError",
    "create_access_token",
    "get_password_hash",
    "normal_email",
    "verify_password",
]
