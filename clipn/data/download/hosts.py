"""Hosts that gave no answer, so that the other files of the same command do not wait for them, too."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

from clipn.data.download.answer import TroubleError
from clipn.data.download.inspection import RefusedError


def host_of(request: requests.Request | requests.PreparedRequest | None) -> str | None:
    """Host and port that a request goes to."""
    return urlsplit(str(request.url)).netloc if request is not None else None


class SilentHosts:
    """What the fetches of one command know together."""

    def __init__(self) -> None:
        self._hosts: set[str | None] = set()

    def __contains__(self, host: str | None) -> bool:
        return host in self._hosts

    def note(self, troubles: Sequence[TroubleError]) -> None:
        """Remember the host that gave no answer, if that was all the trouble."""
        hosts = {trouble.silent_host for trouble in troubles}
        if len(hosts) == 1:
            self._hosts |= hosts - {None}

    def session(self) -> requests.Session:
        """A session that asks no silent host, not even when it is redirected there; it raises RefusedError."""
        session = requests.Session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(self))
        return session


class _Adapter(HTTPAdapter):
    def __init__(self, silent: SilentHosts) -> None:
        super().__init__()
        self._silent = silent

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        if (host := host_of(request)) in self._silent:
            raise RefusedError(f"not asked, as {host} gave no answer before")
        return super().send(request, *arguments, **options)
