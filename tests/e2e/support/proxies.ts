// Starts real proxies between page and hub, each on a free loopback port and in a folder of its
// own. They use the configurations that docs/operations gives to users. The caller stops them.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A program between a page and its hub. */
export interface Between {
  port: number;
  url: string;
  /** Ends the process until `restart`. */
  kill: () => Promise<void>;
  /** Starts it again on the same port. */
  restart: () => Promise<void>;
  /** Ends it for good. */
  stop: () => Promise<void>;
}

/** The faults of the fault proxy; tools/faultproxy/src/faults.rs explains each. */
export interface Faults {
  seed?: number;
  accept?: "relay" | "blackHole" | "reset";
  acceptAfterMs?: number;
  stop?: "nothing" | "up" | "down" | "both";
  up?: Shape;
  down?: Shape;
  http?: Rule[];
}
export interface Shape {
  latencyMs?: number;
  jitterMs?: number;
  bytesPerSec?: number;
  slice?: number;
  resetAfterBytes?: number;
}
export interface Rule {
  pathPrefix?: string;
  method?: string;
  upgrade?: boolean;
  times?: number;
  action:
    | { answer: { status: number; headers?: Record<string, string>; body?: string } }
    | { buffer: { bytes: number } }
    | "blockUpgrade"
    | "stripSubprotocol"
    | "swallow";
}
export interface Stats {
  opened: number;
  open: number;
  refused: number;
  ruled: number;
  bytesUp: number;
  bytesDown: number;
}

export interface FaultProxy extends Between {
  /** Replaces all faults; without an argument it removes them. */
  setFaults: (faults?: Faults) => Promise<void>;
  stats: () => Promise<Stats>;
  /** Resets all open connections. Returns how many. */
  cut: () => Promise<number>;
  /** Leaves all open connections half-open for good; new ones work. Returns how many. */
  strand: () => Promise<number>;
  freeze: () => Promise<void>;
  thaw: () => Promise<void>;
}

/**
 * How long a proxy may take until it accepts connections. Chosen: squid takes a second, a busy
 * machine several.
 */
const readyMs = 20_000;
/** How long it may take to end after SIGTERM. Chosen: squid waits a second for its clients. */
const stopMs = 3_000;
/** How many ports to try, in case another program takes the free one first. */
const triesMax = 3;

const operations = fileURLToPath(new URL("../../../docs/operations/", import.meta.url));
/** Debian installs servers in folders that only root has in its PATH. */
const path = [process.env["PATH"], "/usr/local/sbin", "/usr/sbin"].filter(Boolean).join(delimiter);

type NginxFile = "nginx.conf" | "nginx-no-upgrade.conf" | "nginx-buffering.conf";

/** Runs nginx with a site from docs/operations, as Debian's nginx.conf would include it. */
export function startNginx(file: NginxFile, ...upstreamPorts: number[]): Promise<Between> {
  return startProgram("nginx", (folder, port) => {
    mkdirSync(join(folder, "longhaul"));
    const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
    write("longhaul/upstream.conf", upstreamPorts.map((port) => `server 127.0.0.1:${port};\n`).join(""));
    write(
      "longhaul/listen.conf",
      `listen 127.0.0.1:${port};\nserver_name localhost;\naccess_log access.log longhaul;\n`,
    );
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    write(
      "nginx.conf",
      [
        "daemon off;",
        // One process, so that stopping it stops all of nginx, and no change of user.
        "master_process off;",
        "pid nginx.pid;",
        "error_log stderr;",
        "events { worker_connections 512; }",
        "http {",
        ...temporary.map((name) => `${name}_temp_path ${name};`),
        `include "${operations}${file}";`,
        "}",
        "",
      ].join("\n"),
    );
    return { args: ["-p", `${folder}/`, "-c", join(folder, "nginx.conf"), "-e", "stderr"] };
  });
}

export function startHaproxy(upstreamPort: number): Promise<Between> {
  return startProgram("haproxy", (_, port) => ({
    args: ["-db", "-f", `${operations}haproxy.cfg`],
    env: { LONGHAUL_LISTEN: `127.0.0.1:${port}`, LONGHAUL_HUB_1: `127.0.0.1:${upstreamPort}` },
  }));
}

/** Runs a forward proxy that lets CONNECT reach `hubPort`. */
export function startSquid(hubPort: number): Promise<Between> {
  return startProgram("squid", (folder, port) => {
    writeFileSync(
      join(folder, "squid.conf"),
      [
        `http_port 127.0.0.1:${port}`,
        "visible_hostname localhost",
        "pid_filename none",
        "cache_log /dev/null",
        "access_log none",
        "netdb_filename none",
        "pinger_enable off",
        "cache deny all",
        "cache_mem 8 MB",
        "max_filedescriptors 1024",
        `coredump_dir ${folder}`,
        `acl longhaul_ports port ${hubPort}`,
        `include ${operations}squid.conf`,
        "http_access deny all",
        "",
      ].join("\n"),
    );
    return { args: ["-N", "-f", join(folder, "squid.conf")] };
  });
}

export async function startFaultProxy(upstreamPort: number): Promise<FaultProxy> {
  const binary = process.env["LONGHAUL_FAULTPROXY"];
  if (!binary) throw new Error("LONGHAUL_FAULTPROXY is not set: run the tests by npm test");
  let control = "";
  const proxy = await startProgram(
    binary,
    (_, port) => ({ args: ["--listen", `127.0.0.1:${port}`, "--upstream", `127.0.0.1:${upstreamPort}`] }),
    async (child) => {
      const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
      const [line] = await once(lines, "line");
      control = `http://${/ control (\S+)/.exec(String(line))?.[1]}`;
    },
  );
  const ask = async (method: string, path: string, body?: unknown): Promise<Response> => {
    const response = await fetch(`${control}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`the fault proxy refuses ${path}: ${await response.text()}`);
    return response;
  };
  const count = async (path: string) => {
    const { connections } = (await (await ask("POST", path)).json()) as { connections: number };
    return connections;
  };
  return {
    ...proxy,
    setFaults: async (faults = {}) => void (await ask("PUT", "/faults", faults)),
    stats: async () => (await (await ask("GET", "/stats")).json()) as Stats,
    cut: () => count("/cut"),
    strand: () => count("/strand"),
    freeze: async () => void (await ask("POST", "/freeze")),
    thaw: async () => void (await ask("POST", "/thaw")),
  };
}

interface Program {
  args: readonly string[];
  env?: Record<string, string>;
}

/** Resolves when the proxy serves. */
type Ready = (child: ChildProcess, port: number) => Promise<void>;

/** Starts a program on a free port. It tries another port if a faster program took the first. */
export async function startProgram(
  command: string,
  prepare: (folder: string, port: number) => Program,
  ready: Ready = (_, port) => accepts(port),
): Promise<Between> {
  for (let tries = 1; ; tries++) {
    const folder = mkdtempSync(join(tmpdir(), "longhaul-proxy-"));
    const port = await freePort();
    const program = prepare(folder, port);
    const clean = () => rmSync(folder, { recursive: true, force: true });
    try {
      let child = await launch(command, program, port, ready);
      return {
        port,
        url: `http://127.0.0.1:${port}`,
        kill: () => end(child),
        restart: async () => {
          await end(child);
          child = await launch(command, program, port, ready);
        },
        stop: async () => {
          await end(child);
          clean();
        },
      };
    } catch (error) {
      clean();
      if (tries === triesMax || !String(error).includes("in use")) throw error;
    }
  }
}

async function launch(
  command: string,
  { args, env }: Program,
  port: number,
  ready: Ready,
): Promise<ChildProcess> {
  const child = spawn(command, args, {
    env: { ...process.env, PATH: path, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let complaints = "";
  child.stderr?.on("data", (text) => {
    complaints += text;
  });
  const failed = new Promise<never>((_, reject) => {
    child.once("error", (error) =>
      reject(new Error(`${command} does not start: ${error.message}; npm run setup installs it on Debian`)),
    );
    // "close" comes after the last line of stderr was read.
    child.once("close", (code, signal) =>
      reject(new Error(`${command} ended with ${signal ?? code}: ${complaints}`)),
    );
  });
  failed.catch(() => {});
  try {
    await Promise.race([ready(child, port), failed]);
    return child;
  } catch (error) {
    await end(child);
    throw error;
  }
}

async function end(child: ChildProcess): Promise<void> {
  const isOver = () => child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
  if (isOver()) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), stopMs);
  await exited;
  clearTimeout(timer);
}

/** Resolves when a program accepts connections at this port. */
async function accepts(port: number): Promise<void> {
  const untilMs = Date.now() + readyMs;
  while (!(await isAccepting(port))) {
    if (Date.now() > untilMs) throw new Error(`nobody accepts connections at ${port} after ${readyMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function isAccepting(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no free port");
  return address.port;
}
