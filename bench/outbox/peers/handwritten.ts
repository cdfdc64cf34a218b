// IndexedDB by hand: one transaction for each call, as a careful app writes it. `strict` also waits
// for the disk.

import { group, type Peer, type Queue } from "../queue.js";

export const handwritten: Peer = { name: "hand-written", open: (database) => open(database, "relaxed") };
export const handwrittenStrict: Peer = {
  name: "hand-written strict",
  open: (database) => open(database, "strict"),
};

async function open(database: string, durability: IDBTransactionDurability): Promise<Queue> {
  const opening = indexedDB.open(database);
  opening.onupgradeneeded = () => opening.result.createObjectStore("rows", { autoIncrement: true });
  const db = await resultOf(opening);
  return {
    add(row) {
      const transaction = db.transaction("rows", "readwrite", { durability });
      transaction.objectStore("rows").add(row);
      return completed(transaction);
    },
    async drain(send) {
      for (;;) {
        const store = db.transaction("rows").objectStore("rows");
        const [rows, keys] = await Promise.all([
          resultOf(store.getAll(null, group)),
          resultOf(store.getAllKeys(null, group)),
        ]);
        if (rows.length === 0) return;
        for (const row of rows) send(row);
        const transaction = db.transaction("rows", "readwrite", { durability });
        transaction.objectStore("rows").delete(IDBKeyRange.bound(keys[0], keys.at(-1)));
        await completed(transaction);
      }
    },
    close: () => db.close(),
  };
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}
