"""Errors: one shape for every one of them, RFC 9457 by default.

- `install` puts an application's errors into that shape and declares it in OpenAPI.
- `Problem` is what an endpoint raises; a subclass with a status is a declared problem type (`NotFoundError`,
  `ConflictError`, ...). `ValidationProblem` answers as FastAPI's own validation does. `BusinessLogicError` is the
  base for rules of the business.
- `raises` declares problem types in `responses=`; `ProblemDetail` and `ValidationProblemDetail` are the bodies'
  models, and `declare_errors` is for those who replace `app.openapi` themselves.
- `ErrorBoundaryMiddleware` is the layer that answers what is raised inside it; `install` adds it. `Answers` says how.

A body never holds the text of an exception, nor a value that the client sent.
"""

from fastapi_kit.errors._answer import Answers
from fastapi_kit.errors._boundary import ErrorBoundaryMiddleware
from fastapi_kit.errors._install import install
from fastapi_kit.errors._openapi import ProblemDetail, ValidationProblemDetail, declare_errors, raises
from fastapi_kit.errors._problem import (
    BadRequestError,
    BusinessLogicError,
    ConflictError,
    ContentTooLargeError,
    FieldError,
    ForbiddenError,
    NotFoundError,
    PreconditionFailedError,
    PreconditionRequiredError,
    Problem,
    ServiceUnavailableError,
    UnauthorizedError,
    UnprocessableContentError,
    UnsupportedMediaTypeError,
    ValidationProblem,
)

__all__ = [
    "Answers",
    "BadRequestError",
    "BusinessLogicError",
    "ConflictError",
    "ContentTooLargeError",
    "ErrorBoundaryMiddleware",
    "FieldError",
    "ForbiddenError",
    "NotFoundError",
    "PreconditionFailedError",
    "PreconditionRequiredError",
    "Problem",
    "ProblemDetail",
    "ServiceUnavailableError",
    "UnauthorizedError",
    "UnprocessableContentError",
    "UnsupportedMediaTypeError",
    "ValidationProblem",
    "ValidationProblemDetail",
    "declare_errors",
    "install",
    "raises",
]
