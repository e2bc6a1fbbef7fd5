// Makes skill.js a component: node build.mjs MODULES WIT OUTPUT, where MODULES is a folder of Node packages with
// componentize-qjs in it and WIT the gateway's wit/.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [modules, wit, output] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const { componentize } = createRequire(join(modules, "from-here.js"))("componentize-qjs");

// componentize-qjs 0.4.5 runs the script once to take its snapshot. It then lends it a real `wasi:io` and a made-up
// `wasi:http`, whose streams are not those of that `wasi:io`, and gives up. So while it runs, `wasi:http` speaks of a
// `wasi:io` of its own that is made up, too; the component gets the real name afterwards.
const MADE_UP = "@0.9.12";
const REAL = "@0.2.11"; // As long as the other; not 0.2.12, which the QuickJS runtime itself imports.

const world = mkdtempSync(join(tmpdir(), "js-skill-wit-"));
try {
    cpSync(join(here, "world.wit"), join(world, "world.wit"));
    cpSync(join(wit, "deps"), join(world, "deps"), { recursive: true });
    mkdirSync(join(world, "deps", "openclaw"));
    for (const file of readdirSync(wit).filter((name) => name.endsWith(".wit"))) {
        cpSync(join(wit, file), join(world, "deps", "openclaw", file));
    }
    const deps = (name) => join(world, "deps", name);
    const http = readFileSync(deps("http.wit"), "utf8").replaceAll(/(wasi:io\/[a-z]+)@0\.2\.12/g, `$1${MADE_UP}`);
    writeFileSync(deps("http.wit"), http);
    const io = readFileSync(deps("io.wit"), "utf8").replace("package wasi:io@0.2.12", `package wasi:io${MADE_UP}`);
    writeFileSync(deps("io-of-http.wit"), io);

    const js = join(here, "skill.js");
    const { component } = await componentize({
        witPath: world,
        world: "js-skill",
        jsSource: readFileSync(js, "utf8"),
        jsPath: js,
        moduleRoot: here,
        sync: true,
    });
    const bytes = Buffer.from(component);
    for (let at = bytes.indexOf(MADE_UP); at !== -1; at = bytes.indexOf(MADE_UP, at)) {
        bytes.write(REAL, at, "latin1");
    }
    writeFileSync(output, bytes);
} finally {
    rmSync(world, { recursive: true });
}
