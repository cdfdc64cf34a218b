import type { Gap, Topic } from "longhaul";
import type { Activity } from "../shopping";
import { useMessages } from "../useMessages";

function inWords({ fromSeq, toSeq, reason }: Gap): string {
  const range = toSeq === Infinity ? `from ${fromSeq} on` : `${fromSeq} to ${toSeq}`;
  return `Some activity is no longer there (${range}: ${reason}).`;
}

export function ActivityPanel({ topic }: { topic: Topic<Activity> }) {
  const entries = useMessages(topic);
  return (
    <section className="card" aria-labelledby="activity-title">
      <h2 id="activity-title">Activity</h2>
      {entries.length === 0 && <p className="quiet">Nothing lately.</p>}
      <ol aria-label="Recent activity" className="activity">
        {entries.toReversed().map((entry) =>
          entry.kind === "gap" ? (
            <li key={`${entry.gap.epoch} gap ${entry.gap.fromSeq}`} className="problem">
              {inWords(entry.gap)}
            </li>
          ) : (
            <li key={`${entry.message.epoch} ${entry.message.seq}`} className="row">
              <span className="grow">
                {entry.message.data.who} {entry.message.data.what}
              </span>
              <time className="quiet" dateTime={new Date(entry.message.publishedAtMs).toISOString()}>
                {new Date(entry.message.publishedAtMs).toLocaleTimeString([], { timeStyle: "short" })}
              </time>
            </li>
          ),
        )}
      </ol>
    </section>
  );
}
