// The package's types in an app that names an older library of TypeScript and checks the types of
// its packages.

import { type Client, connect, type Document, type DocumentState, LonghaulError } from "longhaul";

export const client: Client = connect("https://hub.example.com");

/** A document that nobody has written is null, and one that has not arrived is undefined. */
export function title(document: Document<{ title: string }>): string {
  const { value }: DocumentState<{ title: string }> = document.state;
  return value?.title ?? "";
}

/** A switch over the status is exhaustive. */
export function words({ status }: Client): string {
  switch (status.state) {
    case "connecting":
    case "connected":
      return status.transport;
    case "waiting":
    case "unauthorized":
    case "closed":
      return status.reason.message;
    case "offline":
      return status.state;
  }
}

export async function letters(): Promise<string[]> {
  const all = await client.outbox.deadLetters().catch((error: unknown) => {
    if (error instanceof LonghaulError && error.code === "closed") return [];
    throw error;
  });
  return all.map(({ kind, data }) => (kind === "message" ? JSON.stringify(data) : kind));
}
