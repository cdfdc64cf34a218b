// A request to the hub, and the events of its answer.

export interface HubRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** The beginning of an answer. */
export interface AnswerHead {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Whether `text` is the whole body. */
  readonly isWhole: boolean;
}

export interface ResponseHandler {
  head(head: AnswerHead): void;
  more(text: string): void;
  end(): void;
  /** The connection broke, before the head or after it. */
  failed(): void;
}
