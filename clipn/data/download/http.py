"""One file from one address over HTTP: it goes on where it broke off, and gives up what does not come on."""

import ssl
import time
from collections.abc import Iterator
from functools import partial
from http.client import IncompleteRead
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from clipn.data.download.part import Part
from clipn.data.download.patience import watched, within
from clipn.data.download.response import TransientError, prepare_part, require_allowed, require_success
from clipn.data.verification.checks import RefusedError
from clipn.progress import warn

BLOCK = 1 << 20
TIMEOUT = (10, 60)
"""Seconds to connect, and between two blocks."""
RESPONSE = 60.0
"""Seconds until the head of a response is there, after redirections."""
REDIRECTS = 10
ATTEMPTS = 5
"""In a row that brought nothing."""
FIRST_PAUSE = 1.0
"""Seconds after the first attempt; doubled after every further one."""
PATIENCE = 180.0
"""Seconds without progress, pauses among them, that an address is given; however long a server asks to wait."""
LOWEST_RATE = 10_000.0
"""Bytes per second that an address must give."""
WINDOW = 60.0
"""Seconds over which the rate is taken."""

clock = time.monotonic


def host_of(request: requests.Request | requests.PreparedRequest | None) -> str | None:
    """Host and port that a request goes to."""
    return urlsplit(str(request.url)).netloc if request is not None else None


class Session(requests.Session):
    """Asks none of the hosts `silent`; raises RefusedError instead."""

    def __init__(self, silent: set[str]) -> None:
        super().__init__()
        self.max_redirects = REDIRECTS
        self.silent = silent

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send a request; `requests` comes here for each address of a redirection, too."""
        if (host := host_of(request)) in self.silent:
            raise RefusedError(f"not asked, as {host} gave no response before")
        return super().send(request, **options)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Where a response leads; its body, which `requests` would read to whatever end, is left out."""
        if target := super().get_redirect_target(resp):
            resp.close()
        return target


def download(address: str, part: Part, silent: set[str]) -> None:
    """Bring `part` to its full length from `address`, and verify it.

    What has arrived is not sent again where the server allows.

    Args:
        address: http or https.
        part: what has arrived already.
        silent: hosts that are not asked; one that responds to no attempt is added.

    Raises:
        RefusedError: the address does not give the file. The part stays, so that another address may go on, unless it
            was whole and wrong.
        ClipnError: the file does not fit on the disk.
    """
    _receive(address, part, silent)
    if part.is_pieced and part.inspection.error():
        # The pieces may be of two versions of the file, so it is fetched once more as a whole.
        part.discard()
        _receive(address, part, silent)
    part.verify()


def _receive(address: str, part: Part, silent: set[str]) -> None:
    """Ask until the body is whole, or until `ATTEMPTS` in a row, or `PATIENCE`, brought nothing."""
    # urllib3's Retry repeats the same request. It knows neither ranges nor the bytes that an attempt brought.
    failures: list[TransientError] = []
    furthest, since = part.size, clock()
    with Session(silent) as session:
        # What an earlier process left may be whole already.
        while part.size == 0 or part.missing != 0:
            began = clock()
            try:
                _attempt(session, address, part)
                return
            except TransientError as failure:
                # Bytes beyond the furthest so far: a server without ranges sends the first ones again and again.
                if part.size - furthest > LOWEST_RATE * (clock() - began):
                    failures.clear()
                    since = clock()
                failures.append(failure)
                furthest = max(furthest, part.size)
                pause = max(failure.pause, FIRST_PAUSE * 2 ** (len(failures) - 1))
                if len(failures) == ATTEMPTS or clock() - since + pause > PATIENCE:
                    # The other archives give a host up only if silence of this one host was all that failed.
                    hosts = {each.silent_host for each in failures}
                    silent.update(host for host in hosts if host and len(hosts) == 1)
                    raise RefusedError(str(failure)) from failure
                warn(f"{address}: {failure}; again in {pause:.0f} s")
                time.sleep(pause)


def _attempt(session: Session, address: str, part: Part) -> None:
    with _request(session, address, part) as response:
        require_success(response)
        try:
            prepare_part(response, address, part)
            part.extend(_blocks(response, part))
        except urllib3.exceptions.HTTPError as error:
            raise _broken_off(part, _causes(error)[-1]) from error
    # A connection that closes early is no error where the server announced no length.
    if part.missing and part.inspection.early_error() is None:
        raise _broken_off(part)


def _broken_off(part: Part, cause: BaseException | None = None) -> TransientError:
    why = "" if cause is None or isinstance(cause, IncompleteRead) else f" ({_text(cause)})"
    total = "" if part.total is None else f" of {part.total:,}"
    return TransientError(f"broke off after {part.size:,}{total} bytes{why}")


def _request(session: Session, address: str, part: Part) -> requests.Response:
    """Ask for what is still to come."""
    # As it is stored: some servers call the .gz of a file its encoding, which would be undone on the way.
    headers = {"Accept-Encoding": "identity"}
    if part.size and part.origin is not None:
        version = part.origin.version if part.origin.address == address else None
        # Bytes of another version could not be told from the right ones without a checksum.
        if version is not None or part.inspection.has_checksum:
            headers["Range"] = f"bytes={part.size}-"
        if version:
            headers["If-Range"] = version
    ask = partial(session.get, address, stream=True, timeout=TIMEOUT, headers=headers)
    try:
        return within(RESPONSE, ask)
    except TimeoutError as error:
        raise TransientError(f"no response within {RESPONSE:,.0f} seconds") from error
    except requests.TooManyRedirects as error:
        raise RefusedError(f"redirects more than {REDIRECTS} times") from error
    except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
        cause = _causes(error)[-1]
        # A certificate stays what it is; only an end in the middle of a handshake may be a passing failure.
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError):
            raise RefusedError(f"no secure connection ({_text(cause)})") from error
        raise TransientError(f"no response ({_text(cause)})", silent_host=host_of(error.request)) from error
    except requests.RequestException as error:
        raise RefusedError(f"cannot be asked for ({_text(error)})") from error


def _blocks(response: requests.Response, part: Part) -> Iterator[bytes]:
    """The body as it comes; raises TransientError when it comes too slowly, RefusedError when it comes to too much."""
    with watched(response, LOWEST_RATE, WINDOW) as meter:
        try:
            # `read1` gives what has arrived, where `read` would wait for a whole block and lose it when the connection
            # breaks.
            while block := response.raw.read1(BLOCK, decode_content=False):
                meter.received += len(block)
                require_allowed(part, part.size + len(block))
                yield block
        except urllib3.exceptions.HTTPError:
            if not meter.is_slow:
                raise
        if meter.is_slow:
            raise TransientError(f"gave less than {LOWEST_RATE:,.0f} bytes per second for {WINDOW:,.0f} seconds")


def _causes(error: BaseException) -> list[BaseException]:
    """An error, what it arose from, and so on."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    return causes


def _text(error: BaseException) -> str:
    """An error in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
