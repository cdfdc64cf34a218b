// localForage has keys and values and no transactions: an app makes keys that sort, and reads each.

import localforage from "localforage";
import { group, type Peer, type Row } from "../queue.js";

export const localForage: Peer = {
  name: "localforage",
  async open(database) {
    const store = localforage.createInstance({ name: database, driver: localforage.INDEXEDDB });
    await store.ready();
    let last = 0;
    return {
      add: (row) => store.setItem(String(++last).padStart(9, "0"), row),
      async drain(send) {
        const keys = await store.keys();
        for (let from = 0; from < keys.length; from += group) {
          const some = keys.slice(from, from + group);
          const rows = await Promise.all(some.map((key) => store.getItem<Row>(key)));
          for (const row of rows) if (row !== null) send(row);
          await Promise.all(some.map((key) => store.removeItem(key)));
        }
      },
      close: () => store.dropInstance({ name: database }),
    };
  },
};
