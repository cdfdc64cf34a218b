interface ImportMetaEnv {
  readonly VITE_HUB?: string;
}
