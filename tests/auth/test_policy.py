"""Which passwords are accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastapi_kit.auth import PasswordPolicy, WeakPasswordError

POLICY = PasswordPolicy()


def weakness_of(password: str, **options: list[str]) -> str | None:
    """Why a password is refused; `None` if it is not."""
    try:
        POLICY.check(password, **options)
    except WeakPasswordError as error:
        return error.weakness
    return None


@pytest.mark.parametrize(
    "password", ["kitten-hue", "x9 zuul ", "ünïcødé!", "a" * 64, "7" * 128, "\U0001f600" * 8 + "y"]
)
def test_any_composition_is_accepted(password: str) -> None:
    """Spaces, letters of any script and repetition are the user's choice."""
    assert weakness_of(password) is None


@pytest.mark.parametrize(
    ("password", "weakness"),
    [("", "too_short"), ("1234567", "too_short"), ("a" * 129, "too_long"), ("password", "too_common")]
    + [(word, "too_common") for word in ("PassWord", "12345678", "qwertyuiop", "iloveyou", "trustno1")],
)
def test_short_long_and_common_ones_are_not(password: str, weakness: str) -> None:
    """What is tried first is refused, however it is capitalised."""
    assert weakness_of(password) == weakness


def test_what_others_know_of_a_user_is_no_password() -> None:
    """The address, its parts and the service's name are refused, with a little around them, too."""
    personal = ["ada.lovelace@example.com", "Atlas Shop", "al"]
    for password in ("ada.lovelace", "ADA.lovelace@example.com", "ada.lovelace1", "atlas shop!", "example.com1"):
        assert weakness_of(password, personal=personal) == "too_personal"
    for password in ("lovelace and more", "ada.lovelace of london", "all is well here"):
        assert weakness_of(password, personal=personal) is None


def test_the_list_can_be_another() -> None:
    """Anything with `in` is a list of common passwords."""
    with pytest.raises(WeakPasswordError):
        PasswordPolicy(common={"the kit's own"}).check("The Kit's own")
    PasswordPolicy(common=()).check("password")


@pytest.mark.parametrize("lengths", [(7, 128), (8, 63), (70, 65)])
def test_a_policy_keeps_to_the_standard(lengths: tuple[int, int]) -> None:
    """Shorter than 8, or not up to 64, is refused at construction."""
    with pytest.raises(ValueError, match="8 characters"):
        PasswordPolicy(*lengths)


def test_a_message_has_nothing_of_the_password() -> None:
    """What is refused is not repeated, so that it may be shown and logged."""
    for password in ("zq3jk", "zq3jk" * 30, "trustno1"):
        with pytest.raises(WeakPasswordError) as caught:
            POLICY.check(password)
        assert password not in str(caught.value)


@given(st.text(), st.lists(st.text()))
def test_any_text_has_a_verdict(password: str, personal: list[str]) -> None:
    """The law: nothing but the one error, and what is accepted has a length within the bounds."""
    if weakness_of(password, personal=personal) is None:
        assert 8 <= len(password) <= 128
