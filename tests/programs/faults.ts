// Starts the faults of a program and ends each of them when its time is over. Owns which faults are
// active, and the lines that must stay dark while a dying hub's logs are read.

import type { Line } from "longhaul/testing";
import type { Profile } from "./browser/profile.js";
import type { Task } from "./browser/world.js";
import type { Environment } from "./environment.js";
import { readLog, readLogs } from "./logs.js";
import { clockFaults, type Fault, hubFaults, lineFaults, storageFaults, tokenFaults } from "./program.js";

/** The default of `outbox.name`. */
export const outboxName = "longhaul";

/** How long the hub may take to answer with a log, ms. */
const readMs = 60_000;

/** By how much a device's clock jumps, ms. */
const jumpMs = 3 * 86_400_000;

/** The latency of a slow line, ms. */
const slowMs = 900;

/** Faults of the hub or of the app's server, which both profiles meet. */
const sharedFaults: readonly string[] = [...hubFaults, ...tokenFaults];

type Named<T extends readonly string[]> = Fault & { fault: T[number] };

export class Faults {
  readonly #env: Environment;
  /** The names of the profiles that each fault affects at present. */
  readonly #active = new Map<string, string[]>();
  /** Tasks that will end faults. */
  readonly #endings = new Set<Task>();
  readonly #dark = new Set<Line>();
  /** Lines on which nothing passes while the logs are read. */
  readonly #held = new Set<Line>();
  #tokenFault: string | undefined;
  #hungTokens: (() => void)[] = [];
  #isDraining = false;

  constructor(env: Environment) {
    this.#env = env;
  }

  /** The faults that affect a profile at present. */
  activeAt(profile: string): string[] {
    return [...this.#active].flatMap(([name, at]) => (at.includes(profile) ? [name] : []));
  }

  async start(fault: Fault, profile: Profile): Promise<void> {
    const { coverage, model } = this.#env;
    const name = fault.fault;
    coverage.strike(name);
    if (isIn(storageFaults, fault)) {
      model.unsteady.add(profile.name);
      this.#startStorage(fault, profile);
    } else if (isIn(clockFaults, fault)) this.#startClock(fault, profile);
    else if (isIn(lineFaults, fault)) this.#startLines(fault, profile);
    else if (name === "restart") await this.#restart(fault, profile);
    else if (name === "drain") this.#drain(fault, profile);
    else if (fault.fault === "loading") {
      profile.failLoading(fault.file, fault.how, fault.times);
      this.#endLater(fault, profile);
    } else {
      this.#tokenFault = name;
      this.#endLater(fault, profile, () => this.#healTokens());
    }
  }

  /** Calls `end` once the fault's time is over, unless all faults end before. */
  #endLater(fault: Fault, profile: Profile, end: () => void = () => {}): void {
    const { fault: name, forMs } = fault;
    const at = sharedFaults.includes(name) ? ["A", "B"] : [profile.name];
    this.#active.set(name, [...(this.#active.get(name) ?? []), ...at]);
    const ending = this.#env.world.after(forMs, () => {
      this.#endings.delete(ending);
      this.#env.say(`  ${name} is over`);
      const left = [...(this.#active.get(name) ?? [])];
      for (const each of at) left.splice(left.indexOf(each), 1);
      this.#active.set(name, left);
      end();
    });
    this.#endings.add(ending);
  }

  #startLines(fault: Named<typeof lineFaults>, profile: Profile): void {
    const { lines: all, program, world } = this.#env;
    const lines = [...all].filter((each) => each.profile === profile).map(({ line }) => line);
    switch (fault.fault) {
      case "offline":
        profile.setOnline(false);
        for (const line of lines) line.disconnect();
        this.#endLater(fault, profile, () => {
          for (const line of lines) line.restore();
          profile.setOnline(true);
        });
        return;
      case "cut":
        for (const line of lines) line.cut();
        this.#endLater(fault, profile);
        return;
      case "blackhole":
        for (const line of lines) {
          line.blackHole();
          this.#dark.add(line);
        }
        this.#endLater(fault, profile, () => {
          for (const line of lines) {
            line.restore();
            this.#dark.delete(line);
          }
        });
        return;
      case "slow":
        for (const line of lines) line.latencyMs = slowMs;
        this.#endLater(fault, profile, () => {
          for (const line of lines) line.latencyMs = program.latencyMs;
        });
        return;
      default: {
        const { fault: transport } = fault;
        for (const line of lines) line.block(transport, world.random() < 0.5 ? "refused" : "silent");
        for (const line of lines) line.cut({ transport });
        this.#endLater(fault, profile, () => {
          for (const line of lines) line.unblock(transport);
        });
      }
    }
  }

  #startStorage(fault: Named<typeof storageFaults>, profile: Profile): void {
    const { model, world } = this.#env;
    const { databases } = profile;
    const { faults } = databases;
    switch (fault.fault) {
      case "quota":
        faults.isFull = true;
        this.#endLater(fault, profile, () => {
          faults.isFull = false;
        });
        return;
      case "abort at commit":
        faults.abortsAtCommit += 1 + Math.floor(world.random() * 3);
        this.#endLater(fault, profile);
        return;
      case "open hangs":
        faults.hangsOpening = true;
        this.#endLater(fault, profile, () => databases.release());
        return;
      case "open fails":
        faults.failsOpening = true;
        this.#endLater(fault, profile, () => {
          faults.failsOpening = false;
        });
        return;
      case "deleted":
        model.removed(profile.name);
        databases.clear();
        this.#endLater(fault, profile);
        return;
      case "versionchange":
        // A script of the app deletes the database, and the browser asks its users to close it.
        model.removed(profile.name);
        databases.remove(outboxName);
        this.#endLater(fault, profile);
        return;
    }
  }

  #startClock(fault: Named<typeof clockFaults>, profile: Profile): void {
    if (fault.fault === "sleep") {
      const pages = [...profile.pages];
      for (const page of pages) page.freeze();
      this.#endLater(fault, profile, () => {
        for (const page of pages) page.thaw();
      });
      return;
    }
    profile.skewMs += fault.fault === "jump ahead" ? jumpMs : -jumpMs;
    this.#endLater(fault, profile);
  }

  async #restart(fault: Fault, profile: Profile): Promise<void> {
    const { hub, model, world } = this.#env;
    if (!hub.isUp || this.#isDraining) return;
    const isForgetful = world.random() < 0.5;
    if (isForgetful) await this.#readLast();
    hub.stop();
    this.#release();
    this.#endLater(fault, profile, () => {
      hub.start({ keepLog: !isForgetful });
      if (isForgetful) model.forgotten();
    });
  }

  #drain(fault: Fault, profile: Profile): void {
    const { hub } = this.#env;
    if (!hub.isUp || this.#isDraining) return;
    this.#isDraining = true;
    void hub.drain();
    this.#endLater(fault, profile, () => void this.#afterDrain());
  }

  /** A drained hub ends, and another one takes its place. */
  async #afterDrain(): Promise<void> {
    await this.#readLast();
    this.#env.hub.restart();
    this.#env.model.forgotten();
    this.#isDraining = false;
    this.#release();
  }

  /** Reads the logs of a hub that is about to end; no message arrives between reading and end. */
  async #readLast(): Promise<void> {
    for (const { line } of this.#env.lines) {
      // Nothing passes on a cut or dark line; `restore` in #release would change that.
      if (line.isCut || this.#dark.has(line)) continue;
      line.hold();
      this.#held.add(line);
    }
    await this.readLogs();
  }

  #release(): void {
    for (const line of this.#held) line.restore();
    this.#held.clear();
  }

  /** Gives the model the logs that the hub has now. */
  async readLogs(): Promise<void> {
    const { model, read } = this.#env;
    await readLogs(model, (topic) => this.#env.wait(readLog(read, topic), readMs));
  }

  /** The answer of the app's login server for a user. */
  token(subject: string): Promise<string> {
    const claims = Buffer.from(JSON.stringify({ sub: subject })).toString("base64url");
    const text = `e30.${claims}.x`;
    if (this.#tokenFault === "token fails") {
      this.#env.met("token fails");
      return Promise.reject(new Error("the login server is away"));
    }
    if (this.#tokenFault === "token hangs") {
      this.#env.met("token hangs");
      return new Promise((resolve) => this.#hungTokens.push(() => resolve(text)));
    }
    return Promise.resolve(text);
  }

  #healTokens(): void {
    this.#tokenFault = undefined;
    for (const give of this.#hungTokens.splice(0)) give();
  }

  /** Ends all faults. */
  async endAll(): Promise<void> {
    const { hub, lines, program } = this.#env;
    for (const ending of this.#endings) ending.cancel();
    for (const profile of this.#env.allProfiles) profile.heal();
    for (const { line } of lines) {
      line.restore();
      // Only a heartbeat would notice that a connection from the dark time is dead.
      line.cut();
      line.unblock();
      line.latencyMs = program.latencyMs;
    }
    if (this.#isDraining) await this.#afterDrain();
    else if (hub.isUp) hub.restart({ keepLog: true });
    else hub.start({ keepLog: true });
    this.#healTokens();
  }
}

function isIn<T extends readonly string[]>(names: T, fault: Fault): fault is Named<T> {
  return names.includes(fault.fault);
}
