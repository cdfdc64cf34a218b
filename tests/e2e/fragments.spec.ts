// Frames in fragments: a message does not get larger by having very many of them.

import { execFile } from "node:child_process";
import { get } from "node:http";
import type { Duplex } from "node:stream";
import { promisify } from "node:util";
import { expect, test } from "./support/fixtures.js";

/** This many fragments of one byte each, far more than a frame may have. */
const fragments = 2_000_000;
const sockets = 8;

/**
 * The first fragment opens a text message, the others continue it, and none ends it. Each has a
 * mask of zeros (RFC 6455, section 5.2).
 */
function piecemeal(): Buffer {
  const bytes = Buffer.alloc(7 * fragments);
  for (let i = 0; i < fragments; i++) {
    bytes[7 * i] = i === 0 ? 1 : 0;
    bytes[7 * i + 1] = 0x81;
    bytes[7 * i + 6] = 0x61;
  }
  return bytes;
}

function upgraded(url: string): Promise<Duplex> {
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-protocol": "longhaul.v1",
  };
  return new Promise((resolve, reject) => {
    get(`${url}/v1/connect`, { headers })
      .on("upgrade", (_, socket) => resolve(socket))
      .on("error", reject);
  });
}

/** Sends `bytes`, and resolves with the hub's close code. */
function closeCode(socket: Duplex, bytes: Buffer): Promise<number | undefined> {
  return new Promise((resolve) => {
    const said: Buffer[] = [];
    socket.on("data", (data: Buffer) => {
      said.push(data);
      const all = Buffer.concat(said);
      // Steps from frame to frame. The length is in one byte, or in the two after it.
      for (let at = 0; at + 4 <= all.length; ) {
        if (all[at] === 0x88) return resolve(all.readUInt16BE(at + 2));
        at += all[at + 1] === 126 ? 4 + all.readUInt16BE(at + 2) : 2 + (all[at + 1] ?? 0);
      }
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(undefined));
    // Sends hello in time, so that the size decides and not the clock.
    socket.write(Buffer.concat([Buffer.from([0x81, 0x87, 0, 0, 0, 0]), Buffer.from("hello 1")]));
    socket.write(bytes);
  });
}

test("s58: the hub refuses sixteen million fragments of a byte at a frame's size, with little memory", async ({
  hub,
}) => {
  const residentBytes = async () => {
    const { stdout } = await promisify(execFile)("ps", ["-o", "rss=", "-p", String(hub.pid)]);
    return Number(stdout) * 1_024;
  };
  const bytes = piecemeal();
  const before = await residentBytes();
  let most = before;
  const opened = await Promise.all(Array.from({ length: sockets }, () => upgraded(hub.url)));
  let isOver = false;
  const closed = Promise.all(opened.map((socket) => closeCode(socket, bytes))).finally(() => {
    isOver = true;
  });
  while (!isOver) most = Math.max(most, await residentBytes());
  expect(await closed).toEqual(Array(sockets).fill(1009));
  for (const socket of opened) socket.destroy();
  // Twice a frame's size is 0.5 MB; the client sent 16 MB.
  expect(most - before).toBeLessThan(12_000_000);
  expect((await fetch(`${hub.url}/healthz`)).status).toBe(200);
});
