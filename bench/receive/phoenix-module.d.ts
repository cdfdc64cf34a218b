// Types for the used part of phoenix, which has none of its own.

declare module "phoenix" {
  export class Channel {
    readonly state: string;
    join(): unknown;
    on(event: string, callback: (payload: unknown) => void): number;
  }

  export class Socket {
    constructor(endPoint: string);
    connect(): void;
    disconnect(): void;
    channel(topic: string): Channel;
  }
}
