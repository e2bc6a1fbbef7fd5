# The guide's Python client, its class as printed, against the gateway of OPENCLAW_URL (and OPENCLAW_AUTH_TOKEN, when
# it asks for one). Ends with `N passed, N failed`.
#
# The usage below the class prints the text of a chat reply; what it does is done here step by step.

import asyncio
import contextlib
import io
import json
import os
import pathlib
import sys
import traceback

GUIDE = pathlib.Path(__file__).resolve().parent.parent / "guide" / "client.py"
URL = os.environ["OPENCLAW_URL"]
TOKEN = os.environ.get("OPENCLAW_AUTH_TOKEN")
DOOR = "with a token" if TOKEN else "without a token"
SKILL = "release-notes"
ARGS = json.loads(
    os.environ.get("OPENCLAW_SKILL_ARGS")
    or json.dumps(
        {"version": "1.2.0", "commits": ["feat: answer by id", "fix: keep the order of replies", "docs: say how"]}
    )
)
DEADLINE_S = 30


def printed() -> str:
    """The printed code with the gateway's own address in it."""
    return GUIDE.read_text(encoding="utf-8").replace("ws://localhost:18789", URL)


def guide_client() -> type:
    """The printed class, without the usage below it."""
    names: dict = {}
    exec(compile(printed().split("# Usage")[0], str(GUIDE), "exec"), names)
    return names["OpenClawClient"]


async def connected():
    """A connected client, told about the token the way the guide does."""
    client = guide_client()(token=TOKEN)
    await client.connect()
    return client


async def a_skill_is_answered_by_its_response() -> None:
    client = await connected()
    reply = await client.invoke_skill(SKILL, ARGS)
    assert reply["type"] == "response", reply
    assert reply["payload"]["skill"] == SKILL, reply
    assert "answer by id" in reply["payload"]["text"], reply
    await client.ws.close()


async def status_is_answered_by_a_status_frame() -> None:
    client = await connected()
    reply = await client.send("status", {})
    assert reply["type"] == "status", reply
    await client.ws.close()


async def twenty_calls_at_once_are_each_answered_by_their_own_id() -> None:
    client = await connected()
    replies = await asyncio.gather(*(client.invoke_skill(SKILL, ARGS) for _ in range(20)))
    # An event that settled a call would be here in place of its response.
    assert [reply["id"] for reply in replies] == [f"req-{at}" for at in range(1, 21)], replies
    assert all(reply["type"] == "response" for reply in replies), replies
    await client.ws.close()


async def a_heartbeat_is_answered() -> None:
    client = await connected()
    reply = await client.heartbeat(dry_run=True)
    assert reply["type"] in ("heartbeat_status", "error"), reply
    assert isinstance(reply["payload"], dict), reply
    await client.ws.close()


async def a_chat_is_answered_by_its_response_with_memory_and_without() -> None:
    client = await connected()
    for reply in (await client.chat("What happened overnight?"), await client.chat("hi", no_memory=True)):
        assert reply["type"] == "response", reply
        assert reply["payload"]["text"], reply
        assert reply["payload"]["tool_calls"] == [] and reply["payload"]["tokens_used"] == 0, reply
    await client.ws.close()


async def within(seconds: float, body) -> None:
    await asyncio.wait_for(body(), seconds)


def main() -> None:
    passed = failed = 0
    for body in (
        status_is_answered_by_a_status_frame,
        a_skill_is_answered_by_its_response,
        twenty_calls_at_once_are_each_answered_by_their_own_id,
        a_heartbeat_is_answered,
        a_chat_is_answered_by_its_response_with_memory_and_without,
    ):
        claim = f"{DOOR}: {body.__name__.replace('_', ' ')}"
        try:
            asyncio.run(within(DEADLINE_S, body))
        except Exception:
            failed += 1
            shown = io.StringIO()
            with contextlib.redirect_stderr(shown):
                traceback.print_exc()
            print(f"FAIL {claim}\n{shown.getvalue()}")
        else:
            passed += 1
            print(f"ok   {claim}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
