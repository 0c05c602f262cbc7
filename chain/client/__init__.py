"""A client of the HTTP API: submit work, follow it, fetch evidence.

    client = MeritClient("http://127.0.0.1:8000", deployment.domain, account)
    receipts = client.submit(job_id, [Work(units=32, trace_root=root, evidence=block)])

`AsyncMeritClient` has the same operations, to be awaited. A contributor signs only what it has computed itself: the
open batch is rebuilt here from the leaves, and leaves that the service claims to hold are believed only under the
contributor's own earlier signature.
"""

from chain.client.clients import AsyncMeritClient, MeritClient
from chain.client.records import (
    Receipt,
    RequestRefusedError,
    ServiceUnavailableError,
    UntrustworthyServiceError,
    Work,
)

__all__ = [
    "AsyncMeritClient",
    "MeritClient",
    "Receipt",
    "RequestRefusedError",
    "ServiceUnavailableError",
    "UntrustworthyServiceError",
    "Work",
]
