interface ImportMetaEnv {
  /** Where the hub is, when `vite dev` serves the page; a built page asks its own origin. */
  readonly VITE_HUB_URL?: string;
}
