"""One attempt to send a webhook: signed, once, to a checked address, following nothing."""

import asyncio
import http
import ssl
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import httpcore2

from server import __version__
from server.tell import signing
from server.tell.addresses import Exempt
from server.tell.guard import Guarded, Refused, Resolve, SystemResolver
from server.tell.outcomes import SHOWN, Outcome, read_retry_after, shown

TIMEOUT_S = 15.0  # for all of it
CONNECTIONS, OF_SITE = 200, 8  # under way at a time: of all sites, and of one
MOST_READ = 65_536  # bytes of an answer


class Webhooks:
    """Sends webhooks. `connections` and `of_site` bound how many are under way at a time, of all
    sites and of one: receivers that hang keep the other webhooks of their own site waiting only."""

    def __init__(
        self,
        resolve: Resolve,
        exempt: Exempt,
        *,
        connections: int = CONNECTIONS,
        of_site: int = OF_SITE,
        timeout_s: float = TIMEOUT_S,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.timeout_s = timeout_s
        self._tls = tls
        self._guarded = Guarded(resolve, exempt)
        self._all = asyncio.Semaphore(connections)
        self._of_site: dict[int, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(of_site)
        )

    async def close(self) -> None:
        await self._guarded.close()
        if isinstance(self._guarded.resolve, SystemResolver):
            self._guarded.resolve.close()

    async def send(
        self,
        url: str,
        message_id: str,
        body: bytes,
        secrets: Iterable[str],
        now: int,
        *,
        site_id: int,
    ) -> Outcome:
        """Send it; `now` is ms. The time there is for an attempt begins when it is its turn."""
        headers = signing.headers(secrets, message_id, now // 1000, body) | {
            "content-type": "application/json",
            "user-agent": f"Handraise/{__version__} (webhooks)",
            "accept": "*/*",
            "connection": "close",
        }
        async with self._of_site[site_id], self._all:
            return await self._in_time(site_id, url, headers, body, now)

    async def _in_time(
        self, site_id: int, url: str, headers: Mapping[str, str], body: bytes, now: int
    ) -> Outcome:
        try:
            async with asyncio.timeout(self.timeout_s):
                return await self._send(site_id, url, headers, body, now)
        except TimeoutError:
            return Outcome(ok=False, words=f"no answer within {self.timeout_s:g} s")
        except (Refused, httpcore2.UnsupportedProtocol) as error:
            return Outcome(ok=False, words=str(error))
        except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
            return Outcome(ok=False, words=_trouble(error))
        except httpcore2.ProtocolError:
            return Outcome(ok=False, words="the answer is no HTTP")
        except ssl.SSLError as error:
            return Outcome(ok=False, words=f"TLS failed: {error.reason}")

    async def _send(
        self, site_id: int, url: str, headers: Mapping[str, str], body: bytes, now: int
    ) -> Outcome:
        named = [*headers.items()]
        async with (
            self._connection(site_id) as connection,
            connection.stream("POST", url, headers=named, content=body) as answer,
        ):
            begins, read = b"", 0
            async for part in answer.aiter_stream():
                begins += part[: SHOWN - len(begins)]
                read += len(part)
                if read >= MOST_READ:
                    break
        found = {name.lower(): value for name, value in answer.headers}
        retry = found.get(b"retry-after", b"").decode("latin-1")
        status = answer.status
        return Outcome(
            ok=200 <= status < 300,
            words=_words(status),
            status=status,
            answer=shown(begins),
            retry_after=read_retry_after(retry, now) if status in {429, 503} else None,
            gone=status == 410,
        )

    def _connection(self, site_id: int) -> httpcore2.AsyncConnectionPool:
        """One for this attempt, to an address that is looked at for it; none is kept."""
        return httpcore2.AsyncConnectionPool(
            ssl_context=self._tls,
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=self._guarded.of_site(site_id),
        )


def _words(status: int) -> str:
    try:
        phrase = f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        phrase = str(status)
    if 200 <= status < 300:
        return f"answered {phrase}"
    if 300 <= status < 400:
        return f"answered {phrase}: redirects are not followed, name the final URL"
    if status == 410:
        return f"answered {phrase}: the receiver wants no more"
    return f"answered {phrase}"


def _trouble(error: Exception) -> str:
    """A failed connection in words that hold no address."""
    cause: Any = error.__cause__ or error.__context__ or error
    text = str(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate is not good: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed: {cause.reason}"
    if isinstance(error, httpcore2.TimeoutException):
        return "no connection in time"
    if text.startswith("the name "):
        return text
    if isinstance(error, httpcore2.ConnectError):
        return "no connection: nobody listens there"
    return "the connection broke off"
