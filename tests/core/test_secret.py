"""A secret shows itself to nobody who does not ask for it."""

import copy
import json
import logging
import pickle
import traceback

import msgspec
import pytest
from pydantic import TypeAdapter, ValidationError

from eventspan.secret import HIDDEN, Secret
from eventspan.settings import Settings

TEXT = "hunter2 ${x} 'é"


class Login(Settings):
    password: Secret
    """What the server asks for."""


@pytest.fixture
def secret() -> Secret:
    return Secret(TEXT)


def test_it_is_revealed_to_who_asks(secret: Secret) -> None:
    assert secret.reveal() == TEXT


def test_no_way_of_printing_shows_it(secret: Secret) -> None:
    printed = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>10}",
        f"{secret:>40}",
        "%s %r" % (secret, secret),  # noqa: UP031 -- one of the ways
        "{} {0!r}".replace("{}", "{0}").format(secret),
        str([secret]),
        str({"password": secret}),
        str(Login(password=secret)),
        repr(Login(password=secret)),
    ]
    assert all(HIDDEN in text for text in printed)
    assert not any("hunter2" in text for text in printed)


def test_logs_and_tracebacks_do_not_show_it(secret: Secret, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("login with %s", secret)
    with pytest.raises(ValueError, match=r"\*") as caught:
        int(f"{secret}")
    shown = "".join(traceback.format_exception(ValueError(secret))) + str(caught.value)
    assert "hunter2" not in caplog.text + shown
    assert HIDDEN in caplog.text


def test_it_cannot_be_serialised(secret: Secret) -> None:
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not serialised"):
            pickle.dumps(secret, protocol)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        msgspec.json.encode(secret)


def test_a_copy_does_not_leak_it(secret: Secret) -> None:
    for copied in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not serialised"):
            copied(secret)


def test_settings_hide_it(secret: Secret) -> None:
    login = Login(password=secret)
    assert login.model_dump() == {"password": HIDDEN}
    assert json.loads(login.model_dump_json()) == {"password": HIDDEN}
    assert login.password.reveal() == TEXT


def test_settings_take_text() -> None:
    assert Login.model_validate({"password": TEXT}).password.reveal() == TEXT
    assert Login.model_validate_json('{"password": "x"}').password.reveal() == "x"


@pytest.mark.parametrize("value", [5, None, ["hunter2"], b"hunter2", {"hunter2": 1}])
def test_a_wrong_value_is_not_echoed(value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Login.model_validate({"password": value})
    assert "hunter2" not in str(caught.value)


def test_an_unknown_key_does_not_echo_its_value() -> None:
    with pytest.raises(ValidationError) as caught:
        Login.model_validate({"password": "a", "passwort": "hunter2"})
    assert "passwort" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("mode", ["validation", "serialization"])
def test_the_schema_says_password(mode: str) -> None:
    schema = Login.model_json_schema(mode="validation" if mode == "validation" else "serialization")
    assert (
        schema["properties"]["password"]
        | {
            "type": "string",
            "format": "password",
            "writeOnly": True,
            "description": "What the server asks for.",
        }
        == schema["properties"]["password"]
    )
    assert TypeAdapter(Secret).json_schema()["format"] == "password"


def test_equality_is_of_the_text(secret: Secret) -> None:
    assert secret == Secret(TEXT)
    assert hash(secret) == hash(Secret(TEXT))
    assert secret != Secret("other")
    assert secret != TEXT
    assert hash(secret) != hash(TEXT)


def test_it_holds_nothing_else(secret: Secret) -> None:
    assert not hasattr(secret, "__dict__")
