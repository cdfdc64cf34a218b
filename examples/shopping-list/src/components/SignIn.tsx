import type { SubmitEvent } from "react";
import { signIn } from "../session";

export function SignIn() {
  function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name")).trim();
    if (name) signIn(name);
  }

  return (
    <form className="card row" aria-label="Sign in" onSubmit={submit}>
      <label className="grow">
        Your name
        <input name="name" autoComplete="nickname" required />
      </label>
      <button type="submit" className="primary">
        Sign in
      </button>
    </form>
  );
}
