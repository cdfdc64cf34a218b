import type { Client } from "longhaul";
import { useDeadLetters } from "../useClient";

export function DeadLetters({ client }: { client: Client }) {
  const { deadLetters, retry, discard } = useDeadLetters(client);
  if (deadLetters.length === 0) return null;
  return (
    <section className="card problem" aria-labelledby="dead-title">
      <h2 id="dead-title">Could not be saved</h2>
      <ul aria-label="Dead letters">
        {deadLetters.map(({ id, topic, data, reason }) => (
          <li key={id}>
            <p>
              {reason.message} <span className="quiet">({reason.code})</span>
            </p>
            <code>
              {topic}: {JSON.stringify(data)}
            </code>
            <p className="row">
              <button type="button" onClick={() => retry(id)}>
                Retry
              </button>
              <button type="button" onClick={() => discard(id)}>
                Discard
              </button>
            </p>
          </li>
        ))}
      </ul>
    </section>
  );
}
