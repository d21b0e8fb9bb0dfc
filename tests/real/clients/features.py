"""The matrix: a client uses every feature of every server named in `wish.walk`.

It is `[{key, prefix, features: [{feature, expected}]}]`; the report is `[{key, feature, detail}]`,
where no detail means that it went as expected: `works`, `refused` or, of tasks, `waited`.

A peer has the methods of the SDK's client, and `cancel_first`, `task` and `watch` from its script.
"""

import uuid

import anyio
import wish

LIMIT = 20
TEXT = 'größe \N{CRAB} "x"\n'


def askable(revision, types):
    """Returns the callbacks for what a client of a revision can be asked."""
    callbacks = wish.callbacks(types)
    if revision is not None and revision < "2025-06-18":
        callbacks.pop("elicitation_callback")
    if revision is not None and revision < "2025-11-25":
        # The SDK declares it in every revision.
        types.UrlElicitationCapability = lambda: None
    return callbacks


def expect(actual, expected):
    if actual != expected:
        raise AssertionError(f"expected {expected!r}, got {actual!r}")


async def until(what, check):
    with anyio.move_on_after(LIMIT):
        while not await check():
            await anyio.sleep(0.01)
        return
    raise AssertionError(f"waited in vain for {what}")


def text(result):
    result = wish.plain(result)
    expect(result.get("isError", False), False)
    return result["content"][0]["text"]


class Events:
    """What the server told outside of calls."""

    def __init__(self):
        self.tools_changed = 0
        self.updated = []


class Walk:
    """Uses the features of one server."""

    def __init__(self, peer, events, refusals, types, target):
        self.peer, self.events, self.refusals, self.types = peer, events, refusals, types
        self.key, self.prefix = target["key"], target["prefix"]
        self.state = f"matrix://{self.key}/state"

    async def tool(self, name, arguments=None, **options):
        return await self.peer.call_tool(f"{self.prefix}{name}", arguments or {}, **options)

    async def list(self):
        report = wish.REPORT
        wanted = [
            ("tools", "name", f"{self.prefix}echo"),
            ("resources", "uri", self.state),
            ("templates", "uriTemplate", f"matrix://{self.key}/{{name}}"),
            ("prompts", "name", f"{self.prefix}greet"),
        ]
        for items, member, value in wanted:
            if not any(item[member] == value for item in report[items]):
                raise AssertionError(f"{value} is not listed")

    async def call(self):
        expect(text(await self.tool("echo", {"text": TEXT})), TEXT)
        prompt = wish.plain(await self.peer.get_prompt(f"{self.prefix}greet", {"name": "Ada"}))
        expect(prompt["messages"][0]["content"]["text"], "Hello, Ada!")

    async def error(self):
        failed = wish.plain(await self.tool("fail"))
        expect(failed["isError"], True)
        expect(failed["content"][0]["text"], "it failed as asked")
        try:
            await self.tool("refuse")
        except self.refusals as error:
            expect((error.error.code, error.error.message), (4711, "refused as asked"))
        else:
            raise AssertionError("the call was not refused")

    async def progress(self):
        seen = []

        async def progressed(progress, total, _message):
            seen.append((progress, total))

        expect(text(await self.tool("progress", progress_callback=progressed)), "done")
        # The callbacks run side by side with the result.
        await until("progress", lambda: done(len(seen) >= 3))
        expect(seen, [(1, 3), (2, 3), (3, 3)])

    async def cancel(self):
        key = str(uuid.uuid4())
        await self.peer.cancel_first(f"{self.prefix}wait", {"key": key})

        async def told():
            return text(await self.tool("cancelled", {"key": key})) == "yes"

        await until("the server to be told", told)

    async def log(self):
        data = str(uuid.uuid4())
        await self.tool("log", {"text": data})
        await until("the log message", lambda: done(data in logged()))

    async def list_changed(self):
        name = f"added_{uuid.uuid4().hex[:8]}"
        known = self.events.tools_changed
        expect(text(await self.tool("add_tool", {"name": name})), "added")

        async def is_listed():
            nonlocal known
            seen = known
            await until("word of a changed list", lambda: done(self.events.tools_changed > seen))
            known = self.events.tools_changed
            tools = await wish.every(lambda cursor: self.peer.list_tools(cursor=cursor), "tools")
            return any(tool["name"] == f"{self.prefix}{name}" for tool in tools)

        await until("the added tool", is_listed)
        expect(text(await self.tool(name, {"text": "x"})), "x")

    async def subscribe(self):
        await self.peer.watch(self.state)
        changed = str(uuid.uuid4())
        known = len(self.events.updated)
        expect(text(await self.tool("touch", {"text": changed})), "touched")
        await until("the update", lambda: done(self.state in self.events.updated[known:]))
        read = wish.plain(await self.peer.read_resource(self.state))
        expect(read["contents"][0]["text"], changed)

    async def complete(self):
        ref = self.types.PromptReference(type="ref/prompt", name=f"{self.prefix}greet")
        found = wish.plain(await self.peer.complete(ref, {"name": "name", "value": "Al"}))
        expect(found["completion"]["values"], ["Alan", "Alonzo"])

    async def sample(self):
        expect(text(await self.tool("sample")), "hello")

    async def elicit_form(self):
        expect(text(await self.tool("elicit_form")), "accept Ada")

    async def elicit_url(self):
        expect(text(await self.tool("elicit_url")), "accept")

    async def roots(self):
        expect(text(await self.tool("roots")), "file:///x")

    async def task(self):
        expect(text(await self.peer.task(f"{self.prefix}task")), "worked")

    async def refused(self, feature):
        """The client cannot be asked, and the tool says so instead of waiting."""
        try:
            result = wish.plain(await self.tool(feature))
        except self.refusals:
            return
        expect(result.get("isError", False), True)

    async def waited(self, feature):
        """The client knows no tasks, so its call is simply waited for."""
        expect(text(await self.tool(feature)), "worked")


async def done(value):
    return value


def logged():
    return [log["data"] for log in wish.REPORT["logs"]]


def told(error):
    """Returns what an error says; of a group, what the first in it says."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"


async def walk(peer, events, refusals, types):
    """Uses all features of all servers and reports how each went."""
    walked = wish.REPORT["walked"] = []
    for target in wish.WISH["walk"]:
        one = Walk(peer, events, refusals, types, target)
        for wanted in target["features"]:
            feature, expected, detail = wanted["feature"], wanted["expected"], None
            try:
                with anyio.fail_after(LIMIT):
                    if expected == "works":
                        await getattr(one, feature)()
                    else:
                        await getattr(one, expected)(feature)
            except Exception as error:  # Whatever it is belongs into the report.
                detail = told(error)
            walked.append({"key": target["key"], "feature": feature, "detail": detail})
