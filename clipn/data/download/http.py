"""One file from one address over HTTP: it goes on where it broke off, and gives up what does not come on."""

import ssl
import time
from collections.abc import Iterator, Sequence
from http.client import IncompleteRead
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from clipn.data.download.checks import RefusedError
from clipn.data.download.part import Part
from clipn.data.download.response import TroubleError, place, require_success
from clipn.progress import warn

BLOCK = 1 << 20
TIMEOUT = (10, 60)
"""Seconds to connect, and between two blocks."""
REDIRECTS = 10
ATTEMPTS = 5
"""In a row that brought nothing."""
FIRST_PAUSE = 1.0
"""Seconds after the first attempt; doubled after every further one."""
LONGEST_PAUSE = 120.0
"""Seconds, however long a server asks to wait."""
LOWEST_RATE = 1000.0
"""Bytes per second that an address must give."""
WINDOW = 60.0
"""Seconds over which the rate is taken."""

clock = time.monotonic


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


def receive(address: str, part: Part, silent: SilentHosts) -> None:
    """Bring `part` to its full length from `address`; what it has is not sent again where the server allows.

    Args:
        address: http or https.
        part: what has arrived already.
        silent: hosts that are not asked; one that answers no attempt becomes one of them.

    Raises:
        RefusedError: the address does not give the file; the part stays, so that another may go on.
        ClipnError: the file does not fit on the disk.
    """
    troubles: list[TroubleError] = []
    furthest = part.size
    with silent.session() as session:
        session.max_redirects = REDIRECTS
        while True:
            began = clock()
            try:
                _attempt(session, address, part)
                return
            except TroubleError as trouble:
                brought = part.size - furthest
                in_vain = [] if brought > LOWEST_RATE * (clock() - began) else troubles
                troubles = [*in_vain, trouble]
                if len(troubles) == ATTEMPTS:
                    silent.note(troubles)
                    raise RefusedError(str(trouble)) from trouble
                furthest = max(furthest, part.size)
                _wait(address, troubles)


def _wait(address: str, troubles: Sequence[TroubleError]) -> None:
    """Pause after the last of `troubles`, and say so."""
    pause = min(max(troubles[-1].pause, FIRST_PAUSE * 2 ** (len(troubles) - 1)), LONGEST_PAUSE)
    warn(f"{address}: {troubles[-1]}; again in {pause:.0f} s")
    time.sleep(pause)


def _attempt(session: requests.Session, address: str, part: Part) -> None:
    if part.size and part.missing == 0:
        return
    with _ask(session, address, _headers(address, part)) as response:
        require_success(response)
        try:
            place(response, address, part)
            part.extend(_blocks(response))
        except urllib3.exceptions.HTTPError as error:
            raise _broken_off(part, _causes(error)[-1]) from error
    if part.missing and part.inspection.early_error() is None:
        raise _broken_off(part)


def _broken_off(part: Part, cause: BaseException | None = None) -> TroubleError:
    why = "" if cause is None or isinstance(cause, IncompleteRead) else f" ({_words(cause)})"
    total = "" if part.total is None else f" of {part.total:,}"
    return TroubleError(f"broke off after {part.size:,}{total} bytes{why}")


def _headers(address: str, part: Part) -> dict[str, str]:
    """Ask for the stored bytes (some servers call .gz an encoding), and only for those that are still to come."""
    headers = {"Accept-Encoding": "identity"}
    if part.size == 0 or part.origin is None:
        return headers
    ours = part.origin.version if part.origin.address == address else None
    if ours is None and not part.inspection.has_checksum:
        return headers
    return headers | {"Range": f"bytes={part.size}-"} | ({"If-Range": ours} if ours else {})


def _ask(session: requests.Session, address: str, headers: dict[str, str]) -> requests.Response:
    try:
        return session.get(address, stream=True, timeout=TIMEOUT, headers=headers)
    except requests.TooManyRedirects as error:
        raise RefusedError(f"redirects more than {REDIRECTS} times") from error
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        cause = _causes(error)[-1]
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            raise RefusedError(f"no secure connection ({_words(cause)})") from error
        raise TroubleError(f"no answer ({_words(cause)})", silent_host=host_of(error.request)) from error
    except requests.RequestException as error:
        raise RefusedError(f"cannot be asked for ({_words(error)})") from error


def _blocks(response: requests.Response) -> Iterator[bytes]:
    """The body as it comes; raises TroubleError when it comes too slowly."""
    began, received = clock(), 0
    while block := response.raw.read1(BLOCK, decode_content=False):
        yield block
        received, elapsed = received + len(block), clock() - began
        if elapsed < WINDOW:
            continue
        if received < LOWEST_RATE * elapsed:
            raise TroubleError(f"gave less than {LOWEST_RATE:,.0f} bytes per second for {WINDOW:,.0f} seconds")
        began, received = clock(), 0


def _causes(error: BaseException) -> list[BaseException]:
    """An error, what it arose from, and so on."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    return causes


def _words(error: BaseException) -> str:
    """An error in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
