// The notes that the pages of a program send to its model, in the order of the events.

export type Note =
  | { type: "client"; client: string; profile: string | null }
  | { type: "status"; client: string; state: string; code: string }
  | { type: "error"; client: string; code: string | null; message: string }
  | { type: "deadletter"; client: string; id: string; code: string }
  | { type: "closed"; client: string }
  | {
      type: "published";
      no: number;
      client: string;
      topic: string;
      isDocument: boolean;
      key: string | null;
      ttlMs: number | null;
      isAborted: boolean;
      /** Whether its patch applies to any value. */
      isSound: boolean;
    }
  | { type: "receipt"; no: number; id: string; durable: boolean }
  | { type: "rejected"; no: number; code: string }
  | { type: "acked"; no: number; epoch: string; seq: number; duplicate: boolean }
  | { type: "dead"; no: number; code: string }
  | {
      type: "subscribed";
      id: string;
      client: string;
      topic: string;
      from: "live" | "start" | number;
      /** The subscription that it replaced in the same turn. */
      continues: string | null;
      /** Of an iteration: how many messages the app asked for. */
      nexts?: number;
    }
  | { type: "message"; id: string; epoch: string; seq: number; data: unknown }
  /** `toSeq` null: the client does not know how much is missing. */
  | { type: "gap"; id: string; epoch: string; fromSeq: number; toSeq: number | null; reason: string }
  | { type: "stopped"; id: string }
  | { type: "promised"; id: string; client: string; what: string; codes: readonly string[] }
  | { type: "settled"; id: string; code: string }
  | { type: "wiping"; id: string; client: string }
  | { type: "wiped"; id: string }
  | { type: "retried"; id: string }
  | { type: "discarded"; id: string };
