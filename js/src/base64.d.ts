// Files that the build passes on as base64: tools/scripts/lib/package.mjs.
declare module "base64:*" {
  const base64: string;
  // biome-ignore lint/style/noDefaultExport: esbuild's loader exports the text like this
  export default base64;
}
