"""Files that are no bridge files, and secrets in wrong ones: refused at their place, nothing starts."""

from pathlib import Path

import pytest

from harness.answer import assert_refused, call, canary

BOMB = "x-a: &a [" + "1," * 9 + "]\n" + "".join(
    f"x-{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(8)
)  # fmt: skip
GOOD = "{type: memory, name: x}"

CASES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "1:1: error[ES007 empty]"),
    "only comments": (b"# nothing\n# here\n", "1:1: error[ES007 empty]"),
    "UTF-16": ("version: 1\n".encode("utf-16"), "1:1: error[ES003 encoding]"),
    "UTF-16 without a mark": ("version: 1\n".encode("utf-16-le"), "1:2: error[ES004 control-character]"),
    "no UTF-8": (b"version: 1\nx-a: \xff\n", "2:6: error[ES003 encoding]"),
    "NUL": (b"version: 1\nx-a: a\0b\n", "2:7: error[ES004 control-character]"),
    "tab": (b"bridges:\n\torders: 1\n", "2:1: error[ES006 tab]"),
    "key twice": (b"version: 1\nbridges: {}\nversion: 1\n", "3:1: error[ES010 duplicate-key]"),
    "inner key twice": (b"version: 1\nx-a: {b: 1, b: 2}\n", "2:13: error[ES010 duplicate-key]"),
    "tag that runs": (b"x-a: !!python/object/apply:os.system [touch ran]\n", "1:6: error[ES009 tag]"),
    "alias bomb": (BOMB.encode(), "4:6: error[ES013 too-many-nodes]"),
    "anchor in itself": (b"x-a: &a [1, *a]\n", "1:13: error[ES014 self-reference]"),
    "10 MB of one value": (b"x-a: " + b"x" * 10_000_000, "1:1: error[ES002 too-large]"),
    "10 MB on one line": (b'x-a: "' + b"x" * 1_000_000 + b"\n", "error[ES005 syntax]"),
    "10,000 brackets": (b"x-a: " + b"[" * 10_000, "1:53: error[ES012 too-deep]"),
    "10,000 lists": (b"- " * 10_000, "1:97: error[ES012 too-deep]"),
    "10,000 mappings": (b"{a: " * 10_000, "error[ES012 too-deep]"),
    "half a million values": (b"x-a: [" + b"1," * 500_000 + b"]", "error[ES013 too-many-nodes]"),
    "number as text": (
        b"version: 1\nbridges: {a: {source: {type: memory, name: 012}}}\n",
        "2:44: error[ES105 ",
    ),
    "float as text": (
        b"version: 1\nbridges: {a: {source: {type: memory, name: 1e3}}}\n",
        "2:44: error[ES105 ",
    ),
    "true as text": (
        b"version: 1\nbridges: {a: {source: {type: memory, name: true}}}\n",
        "2:44: error[ES105 ",
    ),
}


@pytest.mark.parametrize("verb", ["lint", "run"])
@pytest.mark.parametrize(("data", "place"), CASES.values(), ids=CASES.keys())
def test_refused_at_its_place(tmp_path: Path, data: bytes, place: str, verb: str) -> None:
    secret = canary()
    path = tmp_path / "bad.yaml"
    path.write_bytes(data)
    more = ["--state", "state"] if verb == "run" else []
    answer = call(tmp_path, verb, path, *more, env={"TOKEN": secret})
    assert_refused(answer, f"{path}:{place}" if place[0].isdigit() else place, secrets=[secret])
    assert len(answer.text) < 4000
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.yaml"]


URL = "amqp://u:p%40{secret}@h/%2f"
START = "version: 1\nbridges:\n  a:\n    source: "
KAFKA = "{type: kafka, servers: ['h:1'], group: g, "
SECRETS = {
    "of a URL, tab behind it": "x-broker: {url: '" + URL + "'}\t\t:\n\t",
    "of a URL, NUL behind it": "x-broker: {url: '" + URL + "'} \0\n",
    "of a URL, quote open": 'x-broker: "' + URL + "\n",
    "of a URL, tag before it": "x-broker: !secret '" + URL + "'\n",
    "of a URL, key twice": "x-broker: {url: '" + URL + "', url: 1}\n",
    "of a URL, unknown key": START + "{type: amqp, url: '" + URL + "', quue: q}\n",
    "of a URL, bad port": START + "{type: amqp, url: 'amqp://u:p%40{secret}@h:99999/', queue: q}\n",
    "of a URL, host beside it": START + "{type: amqp, url: '" + URL + "', host: h, queue: q}\n",
    "of a URL of another kind": START + "{type: amqp, url: 'http://u:{secret}@h/', queue: q}\n",
    "under a near miss": START + "{type: amqp, pasword: {secret}, queue: q}\n",
    "under a near miss, quoted": START + "{type: amqp, passwrod: '{secret} x', queue: q}\n",
    "under an unknown word": START + "{type: amqp, pw: {secret}, queue: q}\n",
    "under a near miss further in": START + KAFKA + "topics: [t], sasl: {username: u, pswd: {secret}}}\n",
    "that is a list": START + "{type: amqp, password: [{secret}], queue: q}\n",
    "on a line of its own": (
        START + "\n      type: amqp\n      password:\n        {secret}\n      queue: 5\n"
    ),
    "by a variable, beside a fault": START + "{type: amqp, password: '${TOKEN}', queue: 5}\n",
    "by a file, where a number belongs": START + "{type: amqp, port: '${file:{file}}', queue: q}\n",
    "by a file, as a mechanism": START + KAFKA + "topics: [t], sasl: {mechanism: '${file:{file}}'}}\n",
    "by a file, as a topic": START + KAFKA + "topics: ['${file:{file}} !']}\n",
}


@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS.keys())
def test_a_secret_beside_a_fault_is_not_shown(tmp_path: Path, text: str) -> None:
    secret = canary()
    hidden, path = tmp_path / "hidden", tmp_path / "bad.yaml"
    hidden.write_text(secret)
    path.write_text(text.replace("{secret}", secret).replace("{file}", str(hidden)))
    for verb, *more in (["lint", "-o", "json"], ["run", "--state", "state"]):
        answer = call(tmp_path, verb, path, *more, env={"TOKEN": secret})
        assert_refused(answer, str(path), "ES", secrets=[secret])
    assert not (tmp_path / "state").exists()
