"""Records that can be computed again from their id, so that whoever sees one can tell what it has to be."""

import hashlib
from dataclasses import dataclass

SEPARATOR = b"\x00"
Headers = list[tuple[str, bytes]]


@dataclass(frozen=True)
class Record:
    """One record as it is sent: `attributes` is empty for poison, which is no event."""

    id: str
    key: str
    attributes: dict[str, str]
    note: str
    """A header that is no attribute and has to travel all the same."""
    body: bytes


class Mint:
    """Numbers records from 0; number n has the key n modulo `keys`, and a sequence number within its key."""

    def __init__(self, seed: int, keys: int, size: int, poison: int) -> None:
        self._seed = seed
        self._keys = keys
        self._size = size
        self._poison = poison

    def place(self, number: int) -> tuple[int, int]:
        """Key and sequence number within the key."""
        return number % self._keys, number // self._keys

    def id(self, number: int) -> str:
        key, seq = self.place(number)
        return f"k{key:03d}/{seq:08d}"

    def number(self, id: str) -> int | None:
        """The number of an id; None for what was never minted."""
        key, slash, seq = id[1:].partition("/")
        if id[:1] != "k" or not slash or not (key + seq).isdecimal():
            return None
        number = int(seq) * self._keys + int(key)
        return number if self.id(number) == id else None

    def is_poison(self, number: int) -> bool:
        return bool(self._poison) and number % self._poison == self._poison - 1

    def record(self, number: int) -> Record:
        """The record of a number, the same each time."""
        id = self.id(number)
        key = id.partition("/")[0]
        note = f"nota für {id}"
        payload = self._payload(id)
        if self.is_poison(number):
            return Record(id, key, {}, note, id.encode() + SEPARATOR + payload)
        return Record(id, key, self._attributes(number, id, key), note, payload)

    def _payload(self, id: str) -> bytes:
        seeded = hashlib.shake_128(f"{self._seed}/{id}".encode())
        return seeded.digest(self._size or 1 + seeded.digest(2)[0] * 2)

    def _attributes(self, number: int, id: str, key: str) -> dict[str, str]:
        return {
            "specversion": "1.0",
            "id": id,
            "source": f"/oracle/{self._seed}",
            "type": "com.example.minted",
            "subject": key,
            # Zeros at the end of the fraction are part of the text.
            "time": f"2026-02-28T23:59:{number % 60:02d}.{number % 1000:03d}0Z",
            "datacontenttype": "application/octet-stream",
            "remark": f"größer als {number}",
        }

    def poison_id(self, body: bytes) -> str:
        """The id in the body of a record that is no event."""
        return body.partition(SEPARATOR)[0].decode("ascii", "replace")
