// A skill in JavaScript, made a component by componentize-qjs: it fetches through stock `wasi:http` and remembers
// through stock `wasi:keyvalue`. It knows nothing of this gateway but the WIT of `tools`.
import { handle } from "wasi:http/outgoing-handler@0.2.12";
import { Fields, OutgoingRequest } from "wasi:http/types@0.2.12";
import { open } from "wasi:keyvalue/store@0.2.0-draft2";

const text = (value) => ({ tag: "complete", val: { content: [{ tag: "text", val: value }], structured: null } });
const failure = (code, message) => ({ code, message, retryable: false });
const ascii = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");

// What a WIT function throws is the error of its result, or an Error that carries it.
const reason = (thrown) => {
    const error = thrown?.payload ?? thrown?.val ?? thrown;
    return typeof error === "string" ? error : (error?.tag ?? String(error));
};

// Children go before their parents: a body that is dropped while its stream is held ends the call.
function readAll(response) {
    const body = response.consume();
    const stream = body.stream();
    let read = "";
    try {
        for (;;) read += ascii(stream.blockingRead(4096));
    } catch {
        stream[Symbol.dispose]();
        body[Symbol.dispose]();
        return read;
    }
}

function fetch({ host, path }) {
    const request = new OutgoingRequest(new Fields());
    request.setScheme({ tag: "HTTP" });
    request.setAuthority(host);
    request.setPathWithQuery(path);
    const answer = handle(request, null);
    answer.subscribe().block();
    const outcome = answer.get();
    // An option of a result of a result: sent at all, and answered.
    if (outcome.tag !== "ok" || outcome.val.tag !== "ok") {
        throw failure("denied", `not fetched: ${outcome.val?.val?.tag}`);
    }
    const response = outcome.val.val;
    return text(`${response.status()} ${readAll(response)}`);
}

function remember({ value }) {
    let bucket;
    try {
        bucket = open("default");
    } catch (thrown) {
        throw failure("denied", `not remembered: ${reason(thrown)}`);
    }
    const last = bucket.get("last");
    bucket.set("last", Array.from(value, (character) => character.charCodeAt(0)));
    return text(last === null ? "nothing before" : `before it was ${ascii(last)}`);
}

const all = {
    fetch: { run: fetch, required: ["host", "path"] },
    remember: { run: remember, required: ["value"] },
};

export const tools = {
    listTools() {
        return Object.entries(all).map(([name, { required }]) => ({
            name,
            title: null,
            description: `The tool ${name}.`,
            inputSchema: JSON.stringify({
                type: "object",
                properties: Object.fromEntries(required.map((property) => [property, { type: "string" }])),
                required,
            }),
            outputSchema: null,
            hints: { readOnly: false, destructive: false, idempotent: false, openWorld: true },
        }));
    },
    callTool(name, args, _context) {
        return all[name].run(JSON.parse(args));
    },
};
