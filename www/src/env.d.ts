interface ImportMetaEnv {
  /** The hub's address when `vite dev` serves the page. A built page uses its own origin. */
  readonly VITE_HUB_URL?: string;
}
