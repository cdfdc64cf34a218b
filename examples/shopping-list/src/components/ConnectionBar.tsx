import type { Status } from "longhaul";
import { type Session, signOut } from "../session";
import { useStatus, useUnsent } from "../useClient";

function inWords(status: Status): string {
  switch (status.state) {
    case "connecting":
      return "Connecting…";
    case "connected":
      return "Connected";
    case "waiting":
      return `No connection. Next try at ${new Date(status.retryAtMs).toLocaleTimeString()} (${status.reason.message})`;
    case "offline":
      return "Offline. Your changes are kept and sent later";
    case "unauthorized":
      return `Not allowed: ${status.reason.message}`;
    case "closed":
      return `Closed: ${status.reason.message}`;
  }
}

export function ConnectionBar({ session }: { session: Session }) {
  const { client, name } = session;
  const status = useStatus(client);
  const unsent = useUnsent(client);

  function leave() {
    if (unsent === 0 || confirm(`${unsent} unsent changes will be lost. Sign out?`)) void signOut(session);
  }

  return (
    <header className="card">
      <p className="row">
        <span className="grow">
          Signed in as <strong>{name}</strong>
        </span>
        <button type="button" onClick={leave}>
          Sign out
        </button>
      </p>
      <p className="row">
        <span role="status" aria-label="Connection" className={`grow connection ${status.state}`}>
          {inWords(status)}
        </span>
        {status.state !== "connected" && (
          <button type="button" onClick={() => client.reconnect()}>
            Try now
          </button>
        )}
      </p>
      <p role="status" aria-label="Outbox" className="quiet">
        {unsent === 0 ? "Everything is sent" : `${unsent} waiting to be sent`}
      </p>
    </header>
  );
}
