"""A service under test without a socket."""

import anyio
import httpx
from fastapi import FastAPI


class AppTransport(httpx.BaseTransport):
    """Requests to an application in this process, without a socket."""

    def __init__(self, app: FastAPI) -> None:
        self._app = httpx.ASGITransport(app, raise_app_exceptions=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def answer() -> httpx.Response:
            sent = httpx.Request(request.method, request.url, headers=request.headers, content=request.read())
            response = await self._app.handle_async_request(sent)
            content = await response.aread()
            return httpx.Response(response.status_code, headers=response.headers, stream=httpx.ByteStream(content))

        return anyio.run(answer)
