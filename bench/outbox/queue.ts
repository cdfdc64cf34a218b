// The interface that a library must offer to be measured as an outbox, and the rows for it.

/** A publication as an app would queue it. */
export interface Row {
  topic: string;
  data: { n: number };
  createdAtMs: number;
}

/** The network: takes a row and returns its verdict at once. */
export type Send = (row: Row) => void;

export interface Queue {
  /**
   * Resolves when the row is stored: when its transaction is complete, if the library reports that.
   */
  add(row: Row): Promise<unknown>;
  /**
   * Sends all rows in order, and deletes each after its verdict. Resolves when the last deletion is
   * stored.
   */
  drain(send: Send): Promise<void>;
  /** Closes the database, so that it can be deleted. */
  close(): void | Promise<void>;
}

export interface Peer {
  readonly name: string;
  /** Opens an empty queue in a database of this name. */
  open(database: string): Promise<Queue>;
}

/** How many rows are read, sent and deleted together, if a library can do that. */
export const group = 100;
