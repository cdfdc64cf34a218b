// A small durable outbox in the place of the package's.

export function connect(hub) {
  const opened = open();
  const waiting = new Map();
  const flushed = flush(hub, opened, waiting);
  flushed.catch(() => {});
  return {
    topic: (topic) => ({
      async publish(data) {
        const db = await opened;
        const transaction = db.transaction("rows", "readwrite");
        const adding = transaction.objectStore("rows").add({ topic, data });
        await new Promise((resolve, reject) => {
          transaction.oncomplete = resolve;
          transaction.onabort = () => reject(transaction.error);
        });
        const acked = new Promise((resolve) => waiting.set(adding.result, resolve));
        return { durable: true, acked };
      },
    }),
  };
}

function open() {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("stand-in", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("rows", { autoIncrement: true });
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

async function flush(hub, opened, waiting) {
  const db = await opened;
  await navigator.locks.request("stand-in", async () => {
    for (;;) {
      const cursor = await new Promise((resolve) => {
        const request = db.transaction("rows").objectStore("rows").openCursor();
        request.onsuccess = () => resolve(request.result);
      });
      if (cursor === null) {
        await new Promise((resolve) => setTimeout(resolve, 5));
        continue;
      }
      const { key, value } = cursor;
      try {
        const headers = { "content-type": "application/json", "idempotency-key": `row-${key}` };
        const body = JSON.stringify(value.data);
        const answer = await fetch(`${hub}/v1/topics/${value.topic}`, { method: "POST", headers, body });
        if (!answer.ok) continue;
        const { seq } = await answer.json();
        const transaction = db.transaction("rows", "readwrite");
        transaction.objectStore("rows").delete(key);
        await new Promise((resolve) => {
          transaction.oncomplete = resolve;
        });
        waiting.get(key)?.({ seq });
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  });
}
