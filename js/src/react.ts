// The entry `longhaul/react`. See react.api.d.ts.
//
// A client is made in an effect, never while a component renders: React may render twice, and then
// drops the first result.

import {
  createContext,
  createElement,
  type ReactElement,
  useCallback,
  useContext,
  useEffect,
  useMemo,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import type {
  Client,
  Document,
  Gap,
  Message,
  Operation,
  PublishOptions,
  Receipt,
  Status,
  SubscribeOptions,
} from "./api.js";
import { connect, type LonghaulError } from "./index.js";
import type * as api from "./react.api.js";

/** What the components below a provider share. */
interface Shared {
  readonly client: Client | undefined;
  /** Resolves with the client once the provider is mounted. */
  ready(): Promise<Client>;
}

const Context = createContext<Shared | undefined>(undefined);

const connecting: Status = { state: "connecting", attempt: 1, transport: "websocket" };
const nothing = (): void => {};

export function LonghaulProvider(props: api.ProviderProps): ReactElement {
  const { children, client: given, url, options } = props;
  const [own, setOwn] = useState<Client>();
  const client = given ?? own;
  const waiting = useRef<((client: Client) => void)[]>([]);
  const latestOptions = useRef(options);
  latestOptions.current = options;
  const key = url === undefined ? undefined : JSON.stringify(url);
  useEffect(() => {
    if (key === undefined) return;
    const made = connect(JSON.parse(key), latestOptions.current);
    setOwn(made);
    return () => {
      setOwn(undefined);
      void made.close();
    };
  }, [key]);
  useEffect(() => {
    if (client === undefined) return;
    for (const resolve of waiting.current.splice(0)) resolve(client);
  }, [client]);
  const value = useMemo<Shared>(
    () => ({
      client,
      ready: () =>
        client === undefined
          ? new Promise((resolve) => waiting.current.push(resolve))
          : Promise.resolve(client),
    }),
    [client],
  );
  return createElement(Context.Provider, { value }, children);
}

function useShared(): Shared {
  const shared = useContext(Context);
  if (shared === undefined)
    throw new Error("longhaul/react: there is no <LonghaulProvider> above this component");
  return shared;
}

export function useClient(): Client | undefined {
  return useShared().client;
}

export function useStatus(): Status {
  const client = useClient();
  const subscribe = useCallback((changed: () => void) => client?.on("status", changed) ?? nothing, [client]);
  return useSyncExternalStore(
    subscribe,
    () => client?.status ?? connecting,
    () => connecting,
  );
}

const noTopic: api.TopicState<never> = { messages: [], gaps: [] };

export function useTopic<T = unknown>(
  name: string,
  {
    from = "live",
    passive = false,
    keep = 100,
    onGap,
  }: {
    from?: SubscribeOptions["from"];
    passive?: boolean;
    keep?: number;
    onGap?: (gap: Gap) => void;
  } = {},
): api.TopicState<T> {
  const client = useClient();
  const [state, setState] = useState<api.TopicState<T>>(noTopic);
  const latestOnGap = useRef(onGap);
  useEffect(() => {
    latestOnGap.current = onGap;
  });
  useEffect(() => {
    setState(noTopic);
    if (client === undefined) return;
    let messages: Message<T>[] = [];
    let gaps: Gap[] = [];
    let isStopped = false;
    // Messages that arrive together are one render.
    const later = (): void => {
      if (messages.length + gaps.length > 1) return;
      queueMicrotask(() => {
        const [newMessages, newGaps] = [messages, gaps];
        [messages, gaps] = [[], []];
        if (isStopped) return;
        setState((before) => ({
          messages: last(before.messages, newMessages, keep),
          gaps: last(before.gaps, newGaps, keep),
        }));
      });
    };
    const stop = client.topic<T>(name).subscribe(
      (message) => {
        messages.push(message);
        later();
      },
      {
        from,
        passive,
        onGap: (gap) => {
          latestOnGap.current?.(gap);
          gaps.push(gap);
          later();
        },
      },
    );
    return () => {
      isStopped = true;
      stop();
    };
  }, [client, name, from, passive, keep]);
  return state;
}

function last<T>(before: readonly T[], more: readonly T[], keep: number): readonly T[] {
  return more.length === 0 ? before : [...before, ...more].slice(-keep);
}

interface Selected {
  readonly value: unknown;
  readonly pending: number;
}

export function useDocument(
  name: string,
  { at, select }: { at?: string; select?: (value: unknown) => unknown } = {},
): api.DocumentResult<unknown> {
  const shared = useShared();
  const document = shared.client?.document(name);
  const subscribe = useCallback((changed: () => void) => document?.onChange(changed) ?? nothing, [document]);
  const selector = select ?? (at === undefined ? undefined : (value: unknown) => partAt(value, at));
  // Whether the component reads `pending`: the others do not render when it changes.
  const isPendingRead = useRef(false);
  // React calls `read` several times for each render, and compares the results.
  const before = useRef<Selected | undefined>(undefined);
  const read = (): Selected => {
    const state = document?.state;
    const value = selector === undefined ? state?.value : selector(state?.value);
    const pending = state?.pending ?? 0;
    const { current } = before;
    const isSame = current !== undefined && Object.is(current.value, value);
    if (isSame && (!isPendingRead.current || current.pending === pending)) return current;
    before.current = { value, pending };
    return before.current;
  };
  const { value } = useSyncExternalStore(subscribe, read, read);
  const changes = useMemo(() => {
    const when = async (change: (document: Document<unknown>) => Promise<Receipt>): Promise<Receipt> =>
      change((await shared.ready()).document(name));
    return {
      merge: (partial: unknown, options?: PublishOptions) =>
        when((document) => document.merge(partial, options)),
      patch: (operations: readonly Operation[], options?: PublishOptions) =>
        when((document) => document.patch(operations, options)),
    };
  }, [shared, name]);
  return {
    value,
    get pending() {
      isPendingRead.current = true;
      return document?.pending ?? 0;
    },
    ...changes,
  };
}

/** The part at a JSON Pointer. An unchanged part is the same object, because values share it. */
function partAt(value: unknown, pointer: string): unknown {
  let part = value;
  for (const token of pointer.split("/").slice(1)) {
    if (part === null || typeof part !== "object") return undefined;
    const key = token.replaceAll("~1", "/").replaceAll("~0", "~");
    part = Object.hasOwn(part, key) ? (part as Record<string, unknown>)[key] : undefined;
  }
  return part;
}

export function usePublish<T = unknown>(
  name: string,
): [publish: (data: T, options?: PublishOptions) => Promise<Receipt>, last: api.PublishState] {
  const shared = useShared();
  const [state, setState] = useState<api.PublishState>({ state: "idle" });
  const calls = useRef(0);
  const publish = useCallback(
    async (data: T, options?: PublishOptions): Promise<Receipt> => {
      const call = ++calls.current;
      const show = (next: api.PublishState): void => {
        if (call === calls.current) setState(next);
      };
      const fail = (error: LonghaulError): void => show({ state: "failed", error });
      show({ state: "saving" });
      try {
        const client = await shared.ready();
        const receipt = await client.topic<T>(name).publish(data, options);
        show({ state: "queued", receipt });
        receipt.acked.then((ack) => show({ state: "acked", receipt, ack }), fail);
        return receipt;
      } catch (error) {
        fail(error as LonghaulError);
        throw error;
      }
    },
    [shared, name],
  );
  return [publish, state];
}

/** A list of the outbox that is read again after each change. */
function useList<T>(
  client: Client | undefined,
  read: (client: Client) => Promise<readonly T[]>,
): readonly T[] {
  const [list, setList] = useState<readonly T[]>([]);
  const latest = useRef(read);
  useEffect(() => {
    setList([]);
    if (client === undefined) return;
    let reads = 0;
    const update = (): void => {
      const mine = ++reads;
      // A client that is closed meanwhile has no list.
      latest.current(client).then((next) => {
        if (mine === reads) setList(next);
      }, nothing);
    };
    update();
    const stop = client.on("outbox", update);
    return () => {
      reads++;
      stop();
    };
  }, [client]);
  return list;
}

export function useOutbox(): ReturnType<typeof api.useOutbox> {
  const client = useClient();
  const subscribe = useCallback((changed: () => void) => client?.on("outbox", changed) ?? nothing, [client]);
  const size = useSyncExternalStore(
    subscribe,
    () => client?.outbox.size ?? 0,
    () => 0,
  );
  return { size, rows: useList(client, (client) => client.outbox.rows()) };
}

export function useDeadLetters(): ReturnType<typeof api.useDeadLetters> {
  const shared = useShared();
  const deadLetters = useList(shared.client, (client) => client.outbox.deadLetters());
  const actions = useMemo(
    () => ({
      retry: async (id: string) => (await shared.ready()).outbox.retry(id),
      discard: async (id: string) => (await shared.ready()).outbox.discard(id),
    }),
    [shared],
  );
  return { deadLetters, ...actions };
}
