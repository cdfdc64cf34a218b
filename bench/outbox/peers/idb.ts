import { openDB } from "idb";
import { group, type Peer } from "../queue.js";

export const idb: Peer = {
  name: "idb",
  async open(database) {
    const db = await openDB(database, 1, {
      upgrade: (db) => void db.createObjectStore("rows", { autoIncrement: true }),
    });
    return {
      add: (row) => db.add("rows", row),
      async drain(send) {
        for (;;) {
          const { store } = db.transaction("rows");
          const [rows, keys] = await Promise.all([store.getAll(null, group), store.getAllKeys(null, group)]);
          if (rows.length === 0) return;
          for (const row of rows) send(row);
          await db.delete("rows", IDBKeyRange.bound(keys[0], keys.at(-1)));
        }
      },
      close: () => db.close(),
    };
  },
};
