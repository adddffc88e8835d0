"""What authentication costs.

- `_tokens`: verifying a token, beside the libraries as tutorials call them.
- `_requests`: a request with a token, beside the same without one.
- `_logins`: what others notice of twenty logins that hash at once.
- `_suite`: all of it.
"""

from ._suite import FULL, QUICK, Suite

__all__ = ["FULL", "QUICK", "Suite"]
