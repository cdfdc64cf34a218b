import { ActivityPanel } from "./components/ActivityPanel";
import { ConnectionBar } from "./components/ConnectionBar";
import { DeadLetters } from "./components/DeadLetters";
import { ListPanel } from "./components/ListPanel";
import { Notices } from "./components/Notices";
import { SignIn } from "./components/SignIn";
import { type Session, session } from "./session";
import { useStore } from "./store";
import { type PanelName, usePanels } from "./usePanels";

export function App() {
  const current = useStore(session);
  return (
    <main>
      <h1>Shopping list</h1>
      {current ? <Home key={current.name} session={current} /> : <SignIn />}
      <Notices />
    </main>
  );
}

const titles: Record<PanelName, string> = { list: "List", activity: "Activity" };

function Home({ session }: { session: Session }) {
  const { isOpen, toggle } = usePanels();
  return (
    <>
      <ConnectionBar session={session} />
      <DeadLetters client={session.client} />
      <nav aria-label="Panels">
        {(Object.keys(titles) as PanelName[]).map((name) => (
          <button key={name} type="button" aria-pressed={isOpen(name)} onClick={() => toggle(name)}>
            {titles[name]}
          </button>
        ))}
      </nav>
      {isOpen("list") && <ListPanel shopping={session.shopping} />}
      {isOpen("activity") && <ActivityPanel topic={session.shopping.activity} />}
    </>
  );
}
