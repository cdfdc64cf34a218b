"use client";

import { connect } from "longhaul";
import { useEffect, useSyncExternalStore } from "react";
import { report } from "../round-trip.js";

// At the top of a module, so also while the server renders the page.
const client = connect(process.env.NEXT_PUBLIC_HUB);

export function Trip() {
  const status = useSyncExternalStore(
    (changed) => client.on("status", changed),
    () => client.status,
    () => client.status,
  );
  useEffect(() => {
    void report((url, options) => connect(url, options));
  }, []);
  return <p>{status.state}</p>;
}
