"""Several RPC endpoints of one chain used as one: the next one answers where one fails or falls behind."""

import contextlib
import time
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

import requests
from web3 import HTTPProvider
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from chain.errors import WrongNetworkError

# An id never changes, and web3 asks for it with every transaction.
_CACHE: dict[str, Any] = {"cache_allowed_requests": True, "cacheable_requests": {RPCEndpoint("eth_chainId")}}
# Blocks that an endpoint may be behind the best before it is left: blocks take a moment to travel.
_LAG = 2
# Seconds for which an endpoint that failed is not asked first again.
_REST = 30.0
# Error codes by which endpoints say that they, not the question, are the trouble (EIP-1474): limit, no resource.
_ITS_OWN_TROUBLE = frozenset({-32005, -32002})


def open_provider(rpc_urls: str, timeout: float) -> JSONBaseProvider:
    """A provider for one URL, or for several separated by commas. timeout: seconds for one answer."""
    urls = [url.strip() for url in rpc_urls.split(",") if url.strip()]
    if len(urls) == 1:
        return HTTPProvider(urls[0], request_kwargs={"timeout": timeout}, **_CACHE)
    return Endpoints(urls, timeout)


def show_endpoints(rpc_urls: str) -> str:
    """The URLs without what may be a secret in them: providers put access keys into paths, queries and user names."""
    return ", ".join(_origin(url.strip()) for url in rpc_urls.split(","))


class Endpoints(JSONBaseProvider):
    """Asks the endpoint that answered last; safe to share between threads."""

    def __init__(
        self,
        urls: Sequence[str],
        timeout: float = 10.0,
        *,
        check_seconds: float = 5.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """check_seconds: how often the heads of all endpoints are compared."""
        super().__init__()
        if not urls:
            raise ValueError("at least one endpoint is needed")
        # Another endpoint is tried instead of the same one again.
        self._providers = [
            HTTPProvider(url, request_kwargs={"timeout": timeout}, exception_retry_configuration=None, **_CACHE)
            for url in urls
        ]
        self._check_seconds = check_seconds
        self._monotonic = monotonic
        self._resting: dict[HTTPProvider, float] = {}
        self._checked_at = monotonic()
        self._lock = Lock()

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """The first good answer. Raises what the last endpoint raised where none gives one."""
        if self._is_check_due():
            self._compare_heads()
        failure: requests.RequestException | ValueError | None = None
        refused: RPCResponse | None = None
        for provider in self._in_order():
            try:
                response = provider.make_request(method, params)
            except (requests.RequestException, ValueError) as error:  # no answer, a status of 4xx or 5xx, or no JSON
                failure = error
            else:
                if not _is_its_own_trouble(response):
                    return response
                refused = response
            self._rest(provider)
        if refused is not None:
            return refused
        raise failure or requests.ConnectionError("no endpoint was asked")

    def is_connected(self, show_traceback: bool = False) -> bool:
        """Whether any endpoint answers."""
        return any(provider.is_connected(show_traceback) for provider in self._providers)

    def check_same_chain(self) -> None:
        """Raises `WrongNetworkError` where two endpoints that answer serve different chains."""
        ids: dict[str, str] = {}
        for provider in self._providers:
            with contextlib.suppress(requests.RequestException, ValueError, KeyError):
                answer = provider.make_request(RPCEndpoint("eth_chainId"), [])
                ids.setdefault(answer["result"], _origin(str(provider.endpoint_uri)))
        if len(ids) > 1:
            served = " and ".join(f"{origin} serves chain {int(chain_id, 16)}" for chain_id, origin in ids.items())
            raise WrongNetworkError(f"{served}; name endpoints of one chain only.")

    # ---------------------------------------------------------------- which one

    def _in_order(self) -> list[HTTPProvider]:
        """Endpoints that rest come last, the one that failed longest ago first among them."""
        with self._lock:
            now = self._monotonic()
            until = {provider: self._resting.get(provider, now) for provider in self._providers}
        return sorted(self._providers, key=lambda provider: max(0.0, until[provider] - now))

    def _rest(self, provider: HTTPProvider) -> None:
        with self._lock:
            self._resting[provider] = self._monotonic() + _REST

    def _is_check_due(self) -> bool:
        with self._lock:
            if self._monotonic() - self._checked_at < self._check_seconds:
                return False
            self._checked_at = self._monotonic()
            return True

    def _compare_heads(self) -> None:
        """Rest every endpoint that is silent or behind the best one."""
        heads: dict[HTTPProvider, int] = {}
        for provider in self._in_order():
            try:
                heads[provider] = int(provider.make_request(RPCEndpoint("eth_blockNumber"), [])["result"], 16)
            except (requests.RequestException, ValueError, KeyError, TypeError):
                heads[provider] = -1
        best = max(heads.values())
        for provider, head in heads.items():
            if head < 0 or best - head > _LAG:
                self._rest(provider)


def _is_its_own_trouble(response: RPCResponse) -> bool:
    error = response.get("error")
    return isinstance(error, dict) and error.get("code") in _ITS_OWN_TROUBLE


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port is not None else "")
    except ValueError:
        return "(not a URL)"
