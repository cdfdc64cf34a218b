import { Dexie, type EntityTable } from "dexie";
import { group, type Peer, type Row } from "../queue.js";

export const dexie: Peer = {
  name: "dexie",
  async open(database) {
    const db = new Dexie(database) as Dexie & { rows: EntityTable<Row & { id: number }, "id"> };
    db.version(1).stores({ rows: "++id" });
    await db.open();
    return {
      add: (row) => db.rows.add({ ...row }),
      async drain(send) {
        for (;;) {
          const rows = await db.rows.orderBy("id").limit(group).toArray();
          if (rows.length === 0) return;
          for (const row of rows) send(row);
          // Faster than bulkDelete by keys.
          await db.rows
            .where("id")
            .belowOrEqual(rows.at(-1)?.id ?? 0)
            .delete();
        }
      },
      close: () => db.close(),
    };
  },
};
