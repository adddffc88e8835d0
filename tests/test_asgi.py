"""What the ASGI layers agree on."""

from fastapi_kit._asgi import REQUEST_ID, header, request_id


def test_request_id_is_what_a_layer_left_in_the_scope() -> None:
    """The id is read from the scope; a request without a layer that gives ids has none."""
    assert request_id({"type": "http", REQUEST_ID: "abc"}) == "abc"
    assert request_id({"type": "http"}) is None


def test_header_is_the_first_value_of_that_name() -> None:
    """Names compare as they are; the first of several values counts."""
    headers = [(b"accept", b"a"), (b"x-request-id", b"1"), (b"x-request-id", b"2")]
    assert header(headers, b"x-request-id") == b"1"
    assert header(headers, b"x-request") is None
