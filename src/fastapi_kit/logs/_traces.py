"""The trace that a line belongs to, where OpenTelemetry traces."""

import sys
from collections.abc import MutableMapping
from typing import Any


def add_trace(_logger: Any, _method: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add `trace_id` and `span_id` of the current span, in the hexadecimal form of W3C's Trace Context.

    Where the SDK of OpenTelemetry was not imported nobody traces, and this costs a look into a dictionary.
    """
    if is_traced():
        span = sys.modules["opentelemetry.trace"].get_current_span().get_span_context()
        if span.is_valid:
            event_dict.setdefault("trace_id", f"{span.trace_id:032x}")
            event_dict.setdefault("span_id", f"{span.span_id:016x}")
    return event_dict


def is_traced() -> bool:
    """Whether anything in this process may trace."""
    return "opentelemetry.sdk.trace" in sys.modules
