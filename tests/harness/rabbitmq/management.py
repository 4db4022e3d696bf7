"""The management HTTP API: users, permissions, virtual hosts, policies, queues, connections."""

import base64
import http.client
import json
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

_TIMEOUT = 20.0


class ManagementError(Exception):
    """The API refused a request."""


class Management:
    """One server's API; `url` carries the login: `http://guest:guest@127.0.0.1:15672`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.url = url
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or 15672
        login = f"{unquote(parts.username or 'guest')}:{unquote(parts.password or 'guest')}"
        self._login = base64.b64encode(login.encode()).decode()

    def call(self, method: str, path: str, body: object | None = None) -> object:
        """One request below `/api/`; gives the decoded answer, None when there is none."""
        status, text = self._request(method, path, None if body is None else json.dumps(body))
        if status >= 400:
            raise ManagementError(f"{method} {path}: {status} {text}")
        return json.loads(text) if text else None

    def version(self) -> str:
        return str(self._object("overview")["rabbitmq_version"])

    def make_user(self, name: str, password: str, tags: str = "") -> None:
        """Make a user, who may do nothing until `permit`."""
        self.call("PUT", f"users/{_part(name)}", {"password": password, "tags": tags})

    def delete_user(self, name: str) -> None:
        self.call("DELETE", f"users/{_part(name)}")

    def permit(
        self, user: str, vhost: str = "/", *, configure: str = ".*", write: str = ".*", read: str = ".*"
    ) -> None:
        """Set what `user` may do in `vhost`, as regular expressions over names; empty permits nothing."""
        rights = {"configure": configure, "write": write, "read": read}
        self.call("PUT", f"permissions/{_part(vhost)}/{_part(user)}", rights)

    def make_vhost(self, name: str) -> None:
        self.call("PUT", f"vhosts/{_part(name)}")

    def delete_vhost(self, name: str) -> None:
        self.call("DELETE", f"vhosts/{_part(name)}")

    def set_policy(
        self,
        name: str,
        pattern: str,
        definition: Mapping[str, object],
        *,
        vhost: str = "/",
        to: str = "queues",
    ) -> None:
        """Apply `definition` to the queues (or `to`: exchanges, all) whose names match `pattern`."""
        policy = {"pattern": pattern, "definition": dict(definition), "apply-to": to}
        self.call("PUT", f"policies/{_part(vhost)}/{_part(name)}", policy)

    def delete_policy(self, name: str, *, vhost: str = "/") -> None:
        self.call("DELETE", f"policies/{_part(vhost)}/{_part(name)}")

    def connections(self) -> list[dict[str, object]]:
        """Open connections; the API learns of a new one only after a few seconds."""
        answer = self.call("GET", "connections")
        return [dict(entry) for entry in answer] if isinstance(answer, list) else []

    def queue(self, name: str, vhost: str = "/") -> dict[str, object]:
        return self._object(f"queues/{_part(vhost)}/{_part(name)}")

    def is_alarmed(self) -> bool:
        """Whether a memory or disk alarm blocks publishers."""
        return self._request("GET", "health/checks/alarms", None)[0] == 503

    def _object(self, path: str) -> dict[str, object]:
        answer = self.call("GET", path)
        if not isinstance(answer, dict):
            raise ManagementError(f"GET {path}: no object but {answer!r}")
        return answer

    def _request(self, method: str, path: str, body: str | None) -> tuple[int, str]:
        headers = {"Authorization": f"Basic {self._login}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT)
        try:
            connection.request(method, f"/api/{path}", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def _part(name: str) -> str:
    """One segment of a path; the default virtual host is `%2F`."""
    return quote(name, safe="")
