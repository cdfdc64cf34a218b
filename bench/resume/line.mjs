// A TCP line to a server. It counts the bytes of both directions, delays them, and can be cut.

import { connect, createServer } from "node:net";

/** Data arrives after `delayMs`, in order. Opening a connection takes no such delay. */
export async function startLine(port) {
  const line = { bytes: 0, delayMs: 0, isCut: false };
  const sockets = new Set();
  const server = createServer((inner) => {
    if (line.isCut) return inner.destroy();
    const outer = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [inner, outer],
      [outer, inner],
    ]) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on("data", (chunk) => {
        line.bytes += chunk.length;
        if (line.delayMs === 0) to.write(chunk);
        else setTimeout(() => to.destroyed || to.write(chunk), line.delayMs);
      });
      from.on("error", () => to.destroy());
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(line, {
    port: server.address().port,
    cut() {
      line.isCut = true;
      for (const socket of sockets) socket.destroy();
    },
    mend() {
      line.isCut = false;
      line.bytes = 0;
    },
    stop() {
      line.cut();
      server.close();
    },
  });
}
