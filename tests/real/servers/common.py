"""What the Python servers share: the command line, the catalog, the way to listen."""

import argparse
import json
import os
import pathlib
import socket
import sys
import threading

parser = argparse.ArgumentParser()
parser.add_argument("--transport", choices=["stdio", "sse", "http"], default="stdio")
parser.add_argument("--revision", required=True)
parser.add_argument("--key", required=True)
FLAGS = parser.parse_args()

CATALOG = json.loads(pathlib.Path(__file__).with_name("catalog.json").read_text())
COMPLETIONS = CATALOG["completions"]
FORM, URL = CATALOG["form"], CATALOG["url"]
STATE = f"matrix://{FLAGS.key}/state"
TEMPLATE = f"matrix://{FLAGS.key}/{CATALOG['template']}"

# How long `wait` waits to be cancelled, in seconds.
PATIENCE = 20


class Shared:
    """What all sessions of the process have in common."""

    def __init__(self):
        self.added = []
        self.cancelled = set()
        self.text = "untouched"

    def tools(self):
        """Returns the tools of the revision: name, description, schema."""
        known = [tool for tool in CATALOG["tools"] if tool.get("since", "") <= FLAGS.revision]
        added = [{**CATALOG["tools"][0], "name": name} for name in self.added]
        for tool in known + added:
            properties = {name: {"type": "string"} for name in tool["arguments"]}
            schema = {"type": "object", "properties": properties}
            yield tool["name"], tool["description"], schema


def complete(value):
    """Returns the completions that begin with `value`."""
    return [known for known in COMPLETIONS if known.startswith(value)]


def listen(app, path):
    """Serves an ASGI application on a free port until stdin closes; prints where."""
    import uvicorn

    # By name, or asyncio does not see that it is TCP and lets small events wait for each other.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
    print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}{path}"}), flush=True)
    threading.Thread(target=leave_with_stdin, daemon=True).start()
    uvicorn.Server(config).run(sockets=[listener])


def leave_with_stdin():
    sys.stdin.buffer.read()
    os._exit(0)
