// Puts what is sent in one turn into one frame: an event costs the hub more than a record does.

/** A frame is sent when it has this many characters, which are at most three times as many bytes: the hub takes 262,144. */
export const frameCharsMax = 64 * 1024;

export class Outgoing {
  readonly #send: (connection: number, frame: string) => boolean;
  #connection: number | undefined;
  #frame = "";
  charsSent = 0;

  /** `send` says whether the frame can arrive. */
  constructor(send: (connection: number, frame: string) => boolean) {
    this.#send = send;
  }

  add(connection: number, records: string): void {
    // The subscriptions of a new connection come all at once. No record has a line feed in it (rule W2).
    const end = records.length > frameCharsMax ? records.lastIndexOf("\n", frameCharsMax) : -1;
    this.#join(connection, end < 0 ? records : records.slice(0, end));
    if (end >= 0) this.add(connection, records.slice(end + 1));
  }

  #join(connection: number, records: string): void {
    if (
      this.#connection !== undefined &&
      (this.#connection !== connection || this.#frame.length + records.length > frameCharsMax)
    ) {
      this.#flush();
    }
    if (this.#connection === undefined) {
      this.#connection = connection;
      this.#frame = records;
      queueMicrotask(() => this.#flush());
    } else {
      this.#frame += `\n${records}`;
    }
  }

  #flush(): void {
    const connection = this.#connection;
    const frame = this.#frame;
    this.#connection = undefined;
    this.#frame = "";
    if (connection !== undefined && this.#send(connection, frame)) this.charsSent += frame.length;
  }
}
