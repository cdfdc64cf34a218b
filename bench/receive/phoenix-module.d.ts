// The package has no types of its own: what is used of it here.

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
