import { type Client, connect } from "longhaul";
import { notifyError } from "./notices";
import { Shopping } from "./shopping";
import { createStore } from "./store";

export interface Session {
  name: string;
  client: Client;
  shopping: Shopping;
}

const nameKey = "shopping-list:name";
const hub = new URLSearchParams(location.search).get("hub") ?? import.meta.env.VITE_HUB ?? location.origin;

function open(name: string | null): Session | undefined {
  if (!name) return undefined;
  const client = connect(hub, { subject: name, onError: notifyError });
  return { name, client, shopping: new Shopping(client, name) };
}

export const session = createStore(open(localStorage.getItem(nameKey)));

export function signIn(name: string): void {
  localStorage.setItem(nameKey, name);
  // The client would continue to publish as the last user.
  void session.get()?.client.close();
  session.set(open(name));
}

/** Signs out and removes everything, including unsent changes. */
export async function signOut({ client }: Session): Promise<void> {
  localStorage.removeItem(nameKey);
  session.set(undefined); // first, so that no component publishes any more
  await client.outbox.wipe().catch(notifyError);
  await client.close();
}

// Another tab has signed out, or signed in as another user.
addEventListener("storage", ({ key, newValue }) => {
  if (key !== nameKey || newValue === session.get()?.name) return;
  void session.get()?.client.close();
  session.set(open(newValue));
});
