import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sourceNodeArgs } from "../programs.ts";
import { hostsAvailable } from "./available.ts";
import { createHosts } from "./hosts.ts";
import type { Hosts } from "./hosts.ts";
import { leakedNamespaces, processesIn } from "./namespaces.ts";
import { startRelay } from "./relay.ts";
import { runVariable } from "../leaks-run.ts";

const available = hostsAvailable();
const namespaces = (): string[] => leakedNamespaces(process.env[runVariable] ?? "iono-t-none");

const echo = `
  const server = require("node:net").createServer((socket) => socket.on("error", () => {}).pipe(socket));
  server.listen(7000, "0.0.0.0", () => console.log("up"));`;
/** Prints what happened: the echo, or an error, or that nothing was heard. */
const askEcho = `
  const [, host, port, wait] = process.argv;
  const socket = require("node:net").connect(Number(port), host, () => socket.write("echo"));
  const over = (text) => (console.log(text), process.exit());
  socket.on("data", (data) => over(String(data)));
  socket.on("error", (error) => over(error.code));
  setTimeout(over, Number(wait), "silence");`;

describe.skipIf(!available.ok)(`hosts${available.ok ? "" : ` (skipped: ${available.why})`}`, () => {
  let hosts: Hosts;
  beforeAll(async () => {
    hosts = await createHosts({ names: ["one", "two", "hidden"], nat: ["hidden"] });
    for (const host of hosts.all) await startEcho(host.name);
  });
  afterAll(() => hosts?.close());

  async function startEcho(name: string): Promise<void> {
    const child = hosts
      .host(name)
      .spawn(process.execPath, ["-e", echo], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout!, "data");
  }

  /** What a program on `from` hears of the echo at `to`. Silence is awaited for half a second, all else for 20 s. */
  async function ask(from: string, to: string, expected: "echo" | "silence", port = 7000): Promise<string> {
    const wait = expected === "silence" ? 500 : 20_000;
    const args = ["-e", askEcho, to, String(port), String(wait)];
    const { stdout, stderr } = await hosts.host(from).run(process.execPath, args);
    return stdout.trim() + stderr;
  }

  test("know each other by name, and have a name, an address and directories of their own", async () => {
    const one = hosts.host("one");
    const { stdout } = await one.run("sh", ["-c", 'cat /proc/sys/kernel/hostname; echo "$HOME $TMPDIR"']);
    expect(stdout).toBe(`one\n${one.directory} ${one.directory}\n`);
    const { stdout: seen } = await hosts
      .host("two")
      .run(process.execPath, [
        "-p",
        "Object.values(os.networkInterfaces()).flat().filter((i) => !i.internal).map((i) => i.address).join()",
      ]);
    expect(seen).toBe(`${hosts.host("two").address}\n`);
    expect(await ask("one", "two", "echo")).toBe("echo");
    expect(await ask("two", "one", "echo")).toBe("echo");
  });

  test("see only the processes of their own", async () => {
    const one = hosts.host("one");
    const list = `fs.readdirSync("/proc").filter((name) => Number(name) > 0).length`;
    const { stdout } = await one.run(process.execPath, ["-p", list]);
    // The keeper's two, the echo, and the one that asks.
    expect(stdout).toBe("4\n");
    expect(one.processes()).toHaveLength(1);
    expect(hosts.all.flatMap((host) => host.processes())).not.toContain(process.pid);
  });

  test("two programs of one host see the same machine, and another host another one", async () => {
    const tell = "readlink /proc/self/ns/mnt /proc/self/ns/pid /proc/self/ns/uts; ls /dev/shm";
    const told = async (name: string): Promise<string> =>
      (await hosts.host(name).run("sh", ["-c", tell])).stdout;
    await hosts.host("one").run("touch", ["/dev/shm/here"]);
    expect(await told("one")).toBe(await told("one"));
    expect(await told("one")).toMatch(/here/);
    expect(await told("two")).not.toMatch(/here/);
  });

  test("an orphan that has ended leaves no zombie", async () => {
    const orphan = 'sh -c "sleep 0.1 & echo \\$! >&3"';
    const script = `pid=$(${orphan} 3>&1 >/dev/null); while kill -0 $pid 2>/dev/null; do sleep 0.05; done; echo gone`;
    expect((await hosts.host("one").run("sh", ["-c", script])).stdout).toBe("gone\n");
  });

  test("a signal to a child reaches the command, and the child ends as it does", async () => {
    const one = hosts.host("one");
    const program = `process.on("SIGTERM", () => { console.log("heard"); process.exit(7); }); console.log("up"); setInterval(() => {}, 1e6);`;
    const child = one.spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "inherit"] });
    expect(String((await once(child.stdout!, "data"))[0])).toBe("up\n");
    child.kill("SIGTERM");
    const [[heard], [code]] = await Promise.all([once(child.stdout!, "data"), once(child, "exit")]);
    expect([String(heard), code]).toEqual(["heard\n", 7]);
    const killed = one.spawn("sleep", ["1000"]);
    while (one.processes().length < 2) await new Promise((resolve) => setImmediate(resolve));
    killed.kill("SIGKILL");
    expect(await once(killed, "exit")).toEqual([null, "SIGKILL"]);
    expect(one.processes()).toHaveLength(1);
  });

  test("a host is frozen and goes on", async () => {
    const two = hosts.host("two");
    expect(two.signal("SIGSTOP")).toBe(1);
    expect(await ask("one", "two", "silence")).toBe("silence");
    two.signal("SIGCONT");
    expect(await ask("one", "two", "echo")).toBe("echo");
  });

  test("nobody can open a connection to one behind NAT; it can open them to others", async () => {
    expect(await ask("hidden", "one", "echo")).toBe("echo");
    expect(await ask("one", "hidden", "silence")).toBe("silence");
    expect(await ask("hidden", "hidden", "echo")).toBe("echo");
  });

  test("are cut apart one way, both ways, and healed", async () => {
    await hosts.cutOneWay("one", "two");
    expect(await ask("one", "two", "silence")).toBe("silence");
    expect(await ask("one", "hidden", "silence")).toBe("silence");
    expect(await ask("hidden", "two", "echo")).toBe("echo");
    await hosts.heal();
    await hosts.cut("hidden", "one");
    expect(await ask("hidden", "one", "silence")).toBe("silence");
    expect(await ask("one", "two", "echo")).toBe("echo");
    await hosts.heal();
    expect(await ask("hidden", "one", "echo")).toBe("echo");
    expect(await ask("one", "hidden", "silence")).toBe("silence");
  });

  test("a blackout is silent, loopback goes on, and a connection lives through it", async () => {
    const [one, two] = [hosts.host("one"), hosts.host("two")];
    const lasting = `
      const socket = require("node:net").connect(7000, "two", () => socket.write("a"));
      socket.on("data", (data) => console.log(String(data)));
      process.stdin.on("data", (data) => socket.write(data));`;
    const child = one.spawn(process.execPath, ["-e", lasting], { stdio: ["pipe", "pipe", "inherit"] });
    expect(String(await once(child.stdout!, "data"))).toBe("a\n");
    await two.linkDown();
    expect(await ask("one", "two", "silence")).toBe("silence");
    expect(await ask("two", "127.0.0.1", "echo")).toBe("echo");
    child.stdin!.write("b");
    const answered = once(child.stdout!, "data");
    await two.linkUp();
    expect(String(await answered)).toBe("b\n");
    child.kill();
  });

  test("a router forgets its connections: they fall silent, and new ones work", async () => {
    const hidden = hosts.host("hidden");
    const lasting = `
      const socket = require("node:net").connect(7000, "one", () => socket.write("a"));
      socket.on("data", (data) => console.log(String(data)));
      process.stdin.on("data", (data) => socket.write(data));`;
    const child = hidden.spawn(process.execPath, ["-e", lasting], { stdio: ["pipe", "pipe", "inherit"] });
    expect(String(await once(child.stdout!, "data"))).toBe("a\n");
    await hidden.forgetConnections();
    let heard = "";
    child.stdout!.on("data", (data) => (heard += String(data)));
    child.stdin!.write("b");
    expect(await ask("hidden", "one", "echo")).toBe("echo");
    expect(await ask("one", "hidden", "silence")).toBe("silence");
    expect(heard).toBe("");
    // TCP has kept it.
    await hosts.heal();
    while (heard === "") await once(child.stdout!, "data");
    expect(heard).toBe("b\n");
    child.kill();
  });

  test("a rate is held, and taken away again", async () => {
    const sink = `
      let got = 0;
      require("node:net").createServer((socket) => {
        socket.on("data", (data) => (got += data.length)).on("end", () => { console.log(got); process.exit(); });
      }).listen(7001, () => console.log("up"));`;
    const pour = `require("node:net").connect(7001, "two").end(Buffer.alloc(300_000));`;
    const two = hosts.host("two");
    await two.setLink({ mbit: 8 });
    const child = two.spawn(process.execPath, ["-e", sink], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout!, "data");
    const startMs = performance.now();
    await Promise.all([once(child, "close"), hosts.host("one").run(process.execPath, ["-e", pour])]);
    // 300 kB at 1 MB/s, less what may go at once.
    expect(performance.now() - startMs).toBeGreaterThan(250);
    await hosts.heal();
  });

  test("packets are lost as often as asked", async () => {
    const two = hosts.host("two");
    const count = `
      const numbers = new Set();
      const socket = require("node:dgram").createSocket("udp4").bind(7002, () => console.log("up"));
      socket.on("message", (text) => {
        if (String(text) !== "end") return numbers.add(String(text));
        console.log(numbers.size);
        process.exit();
      });`;
    const send = `
      const socket = require("node:dgram").createSocket("udp4");
      const send = (text) => new Promise((resolve) => socket.send(text, 7002, "two", resolve));
      (async () => {
        for (let n = 0; n < 1000; n++) await send(String(n));
        for (let n = 0; n < 30; n++) await send("end");
        socket.close();
      })();`;
    await two.setLink({ lossPercent: 30 });
    const child = two.spawn(process.execPath, ["-e", count], { stdio: ["ignore", "pipe", "inherit"] });
    await once(child.stdout!, "data");
    const counted = once(child.stdout!, "data");
    await hosts.host("one").run(process.execPath, ["-e", send]);
    const arrived = Number(String(await counted));
    expect(arrived).toBeGreaterThan(600);
    expect(arrived).toBeLessThan(800);
    await hosts.heal();
  });

  test("a relay on a host makes trouble for one port", async () => {
    await using relay = await startRelay(hosts.host("two"), { target: { host: "127.0.0.1", port: 7000 } });
    await relay.set({ latencyMs: 100 });
    const startMs = performance.now();
    expect(await ask("one", "two", "echo", relay.port)).toBe("echo");
    expect(performance.now() - startMs).toBeGreaterThan(200);
    await relay.set({ latencyMs: 0, delivery: "stall" });
    expect(await ask("one", "two", "silence", relay.port)).toBe("silence");
    await relay.heal();
    expect(await ask("one", "two", "echo", relay.port)).toBe("echo");
    expect((await relay.counters()).connections).toBe(3);
    await expect(relay.set({ loss: 3 })).rejects.toThrow("loss: 3");
  });

  test("a crash ends all that runs there, and nobody is told", async () => {
    const doomed = hosts.host("two");
    expect(doomed.processes()).not.toEqual([]);
    await doomed.crash();
    expect(doomed.processes()).toEqual([]);
    expect(await ask("one", "two", "silence")).toBe("silence");
    await doomed.linkUp();
    expect(await ask("one", "two", "echo")).toBe("ECONNREFUSED");
  });

  test("a program that does not exist ends with what the shell says", async () => {
    const { exitCode, stderr } = await hosts.host("one").run("no-such-program");
    expect(exitCode).toBe(127);
    expect(stderr).toContain("no-such-program");
  });

  test("a mistake is named", async () => {
    await expect(createHosts({ names: ["A"] })).rejects.toThrow("names: A is not 1 to 20 lower-case");
    await expect(createHosts({ names: ["a", "a"] })).rejects.toThrow("names: one is there twice");
    await expect(createHosts({ names: [] })).rejects.toThrow("names: 0 is not");
    await expect(createHosts({ names: ["a"], nat: ["b"] })).rejects.toThrow("nat: b is not one of the names");
    const links = { lossPercent: 101 };
    await expect(createHosts({ names: ["a"], links })).rejects.toThrow("links: lossPercent: 101");
    expect(() => hosts.host("three")).toThrow("three is not one of the hosts one, two, hidden");
    await expect(async () => hosts.host("one").setLink({ mbit: 0 })).rejects.toThrow("one: mbit: 0");
  });

  test("a host's program that takes too long is ended", async () => {
    await expect(hosts.host("one").run("sleep", ["1000"], { timeoutMs: 100 })).rejects.toThrow(
      "one: sleep 1000 did not end within 100 ms",
    );
  });
});

describe.skipIf(!available.ok)("nothing is left", () => {
  test("when hosts are closed, whatever runs on them", async () => {
    const before = namespaces();
    const hosts = await createHosts({ names: ["one"] });
    const { namespace, directory } = hosts.host("one");
    // It ignores signals, and has a child that has left its session.
    const child = hosts
      .host("one")
      .spawn("sh", ["-c", 'trap "" TERM INT; setsid sleep 1000 & echo up; wait']);
    await once(child.stdout!, "data");
    expect(namespaces()).toContain(namespace);
    await hosts.close();
    await hosts.close();
    expect(processesIn(namespace)).toEqual([]);
    expect(namespaces()).toEqual(before);
    expect(existsSync(directory)).toBe(false);
    await expect(hosts.cut("one", "one")).rejects.toThrow("closed");
  });

  /** Runs a program that makes a host and then ends as `end` says; the namespaces it made. */
  async function madeBy(end: string): Promise<{ made: string[]; directory: string }> {
    const program = `
      import { createHosts } from ${JSON.stringify(join(import.meta.dirname, "hosts.ts"))};
      const hosts = await createHosts({ names: ["one"] });
      hosts.host("one").spawn("sleep", ["1000"]);
      console.log(hosts.host("one").directory);
      ${end}`;
    const args = [...sourceNodeArgs, "--input-type=module-typescript", "-e", program];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    const directory = String(await once(child.stdout, "data")).trim();
    const made = namespaces().filter((name) => name.includes(`.${child.pid}.`));
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
    return { made, directory };
  }

  test("when a process ends without closing them", async () => {
    const { directory } = await madeBy("setTimeout(() => { throw new Error('failed') }, 100);");
    expect(namespaces()).toEqual([]);
    expect(existsSync(directory)).toBe(false);
  });

  test("of a process that was killed, once the next one makes hosts", async () => {
    const { made, directory } = await madeBy("setTimeout(() => process.kill(process.pid, 'SIGKILL'), 100);");
    expect(made).toHaveLength(2);
    expect(namespaces()).toEqual(expect.arrayContaining(made));
    const hosts = await createHosts({ names: ["one"] });
    expect(namespaces().filter((name) => made.includes(name))).toEqual([]);
    expect(existsSync(directory)).toBe(false);
    await hosts.close();
  });
});
