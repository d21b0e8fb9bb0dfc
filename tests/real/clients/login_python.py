"""A client on `mcp` 2.x that logs in where the server says.

Usage: login_python.py legacy|modern '{"calls": ["tool"], "client": "id"}' URL
Without an id it registers itself. It prints {"tools", "called", "asked": [{scope, resource}], "registered"}.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urljoin, urlparse

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import (
    AuthorizationCodeResult,
    OAuthClientInformationFull,
    OAuthClientMetadata,
)

MODE, WISH, ADDRESS = sys.argv[1:]
WISH = json.loads(WISH)
REDIRECT = "http://127.0.0.1:1/callback"
REPORT = {"tools": [], "called": [], "asked": [], "registered": 0}
# Whoever starts this knows how long it may take; what a request may take by itself is five seconds,
# which a busy machine can need.
PATIENT = {"trust_env": False, "timeout": None}


class Storage:
    """Keeps what a client is to keep."""

    tokens = client = None

    def __init__(self, metadata):
        if "client" in WISH:
            known = metadata.model_dump(exclude_none=True)
            self.client = OAuthClientInformationFull(client_id=WISH["client"], **known)

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        REPORT["registered"] += 1
        self.client = client_info


class Browser:
    """Goes where it is sent, with its cookies, until it is sent back to the client."""

    back = None

    async def go(self, start):
        asked = parse_qs(urlparse(start).query)
        REPORT["asked"].append({name: asked.get(name, [None])[0] for name in ("scope", "resource")})
        async with httpx2.AsyncClient(**PATIENT) as client:
            url = start
            for _ in range(20):
                response = await client.get(url)
                if not response.is_redirect:
                    raise RuntimeError(f"{url}: {response.status_code} {response.text}")
                url = urljoin(url, response.headers["location"])
                if url.startswith(REDIRECT):
                    self.back = parse_qs(urlparse(url).query)
                    return
        raise RuntimeError("it is sent on and on")

    async def answer(self):
        one = {name: values[0] for name, values in self.back.items()}
        return AuthorizationCodeResult(
            code=one["code"], state=one.get("state"), iss=one.get("iss")
        )


async def main():
    browser = Browser()
    metadata = OAuthClientMetadata(
        client_name="tests",
        redirect_uris=[REDIRECT],
        grant_types=["authorization_code"],
        token_endpoint_auth_method="none",
    )
    auth = OAuthClientProvider(ADDRESS, metadata, Storage(metadata), browser.go, browser.answer)
    mode = "2026-07-28" if MODE == "modern" else "legacy"
    async with httpx2.AsyncClient(auth=auth, **PATIENT) as http:
        transport = streamable_http_client(ADDRESS, http_client=http)
        async with Client(transport, mode=mode) as client:
            listed = await client.list_tools()
            REPORT["tools"] = [tool.name for tool in listed.tools]
            for name in WISH["calls"]:
                result = await client.call_tool(name, {})
                REPORT["called"].append(result.model_dump(mode="json", by_alias=True))


asyncio.run(main())
print(json.dumps(REPORT))
